import pytest
import torch
from torch import nn

from fusion.strategies import FUSIONS
from fusion.strategies.dropout import Drawing
from fusion.training.chance import Chance
from heads import RegressionHead
from heads.decoders import DECODERS

DIMS = {"a": 70, "b": 3}
CPU = torch.device("cpu")


def drawn(module, *inputs, seed=0):
    """What a module gives in training, with a chance of its own; nothing global is drawn."""
    chance, before = Chance(module.train(), seed=seed, device=CPU), torch.get_rng_state()
    with chance.given_to_layers(), chance.forward():
        found = module(*inputs)
    assert torch.equal(before, torch.get_rng_state())
    assert all(p.generator is None for p in module.modules() if isinstance(p, Drawing))
    return found


@pytest.mark.parametrize("name", FUSIONS)
def test_strategies_draw_from_the_generator_of_their_training_alone(name):
    embeddings = {key: torch.randn(9, dim) for key, dim in DIMS.items()}
    inputs = embeddings, {key: torch.ones(9, dtype=torch.bool) for key in DIMS}
    fusion = FUSIONS[name](DIMS)
    assert torch.equal(drawn(fusion, *inputs), drawn(fusion, *inputs))
    if any(isinstance(part, Drawing) for part in fusion.modules()):
        assert not torch.equal(drawn(fusion, *inputs), drawn(fusion, *inputs, seed=1))


@pytest.mark.parametrize("name", [n for n, kind in DECODERS.items() if not kind.closed_form])
def test_decoders_draw_from_the_generator_of_their_training_alone(name):
    decoder, fused = DECODERS[name].tiny(4, RegressionHead.tiny()), torch.randn(9, 2, 4)
    assert torch.equal(drawn(decoder, fused), drawn(decoder, fused))


def test_layers_of_others_draw_from_generators_of_the_training_too():
    module = nn.Sequential(nn.Linear(3, 50), nn.Dropout(0.5), nn.RReLU())
    values = torch.randn(4, 3)
    assert torch.equal(drawn(module, values), drawn(module, values))
    assert not torch.equal(drawn(module, values), drawn(module, values, seed=1))

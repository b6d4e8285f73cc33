import numpy as np
import pytest
import torch
from torch import nn

from fusion.choices.build import build_decoders
from fusion.data.batch import ModelInputs
from fusion.ensemble import ProductEnsemble
from fusion.members.blending import score_decoder
from fusion.network import FusionNetwork
from fusion.strategies import ConcatFusion
from fusion.training import best_options
from fusion.training.options import Candidate
from heads import RegressionHead
from heads.scales import suited_scales

RANDOM = np.random.default_rng(0)
N_ROWS = 300
FOLDS = [np.arange(0, N_ROWS, 2), np.arange(1, N_ROWS, 2)]
NUMBERS = RANDOM.normal(size=(N_ROWS, 3)).astype(np.float32)


class Given(nn.Module):
    """Stands for an encoder that does not train."""

    embedding_dim = 3
    is_trainable = False

    def delta_state_dict(self):
        return {}


def chosen(numbers, target, *, folds=FOLDS):
    fusion = ConcatFusion({"text": 3}, width=4, depth=1, n_networks=1)
    heads = {"y": RegressionHead()}
    decoders = build_decoders(heads, fused_dim=4)
    model = FusionNetwork({"text": Given()}, fusion=fusion, heads=heads, decoders=decoders)
    inputs = ModelInputs(
        present={"text": torch.ones(len(target), dtype=torch.bool)},
        embeddings={"text": torch.from_numpy(numbers)},
    )
    options = RegressionHead.open_options(target)
    tried = [RegressionHead.fitted(target, **each) for each in options]
    candidates = {"y.of": [Candidate(head, score_decoder(head)) for head in tried]}
    best = best_options(
        ProductEnsemble([model]), inputs, {"y.of": target}, candidates=candidates, folds=folds,
        seed=0,
    )  # fmt: skip
    return options[best["y.of"]]["transform"]


def test_errors_choose_the_scale_and_not_the_skewness():
    numbers = np.exp(NUMBERS)
    target = (numbers.sum(axis=1) + RANDOM.normal(0, 0.1, N_ROWS) + 1).astype(np.float64)
    assert suited_scales(target)[0] in ("log", "log1p")  # what skewness says
    assert chosen(numbers, target) == "identity"


def test_effects_that_multiply_are_learned_as_logarithms():
    target = np.exp(NUMBERS.sum(axis=1) + RANDOM.normal(0, 0.3, N_ROWS)).astype(np.float64)
    assert chosen(NUMBERS, target) in ("log", "rank")


@pytest.mark.parametrize("folds", [[np.arange(5)], [FOLDS[0]] * 4, FOLDS])
def test_given_rows_few_rows_and_equal_targets_are_fine(folds):
    target = np.exp(NUMBERS.sum(axis=1)).astype(np.float64)
    found = chosen(NUMBERS, target, folds=folds)
    assert found in suited_scales(target)
    if len(folds[0]) < 20:
        assert found == suited_scales(target)[0]


def test_what_a_head_was_asked_for_is_not_open():
    target = np.exp(NUMBERS.sum(axis=1)).astype(np.float64)
    assert RegressionHead.open_options(target, transform="log1p") == ({"transform": "log1p"},)
    assert RegressionHead.open_options(np.ones(9)) == ({"transform": "identity"},)

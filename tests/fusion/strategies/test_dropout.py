import pytest
import torch

from fusion.strategies.dropout import Dropout


def test_dropout_hides_its_share_in_training_alone_and_keeps_the_mean():
    torch.manual_seed(0)
    values = torch.ones(211, 503)  # no multiple of 8
    for rate in (0.001, 0.2, 0.999):
        dropout = Dropout(rate)
        dropped = dropout.train()(values)
        share = min(max(rate, 1 / 256), 255 / 256)
        assert (dropped == 0).float().mean().item() == pytest.approx(share, abs=0.005)
        assert dropped.mean().item() == pytest.approx(1.0, abs=0.1)
        assert dropout.eval()(values) is values
    assert Dropout(0.0).train()(values) is values
    assert Dropout(0.2).train()(torch.ones(0, 3)).shape == (0, 3)
    with pytest.raises(ValueError, match=r"in \[0, 1\)"):
        Dropout(1.0)


def test_dropout_draws_by_the_generator_that_it_is_given():
    values, dropout = torch.ones(64), Dropout(0.5).train()
    before = torch.get_rng_state()
    drawn = []
    for seed in (0, 1, 0):
        dropout.generator = torch.Generator().manual_seed(seed)
        drawn.append(dropout(values))
    assert torch.equal(drawn[0], drawn[2]) and not torch.equal(drawn[0], drawn[1])
    assert torch.equal(before, torch.get_rng_state())

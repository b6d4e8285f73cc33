import numpy as np
import pytest
import torch
from torch import nn

from heads import HotItemHead, RegressionHead, SalesVolumeHead
from heads.decoders import LinearDecoder

UNITS = np.random.default_rng(0).permutation(np.arange(1.0, 101.0))


def test_the_bias_of_counts_and_chances_begins_at_the_best_constant():
    sold = SalesVolumeHead.fitted(UNITS)
    bias = LinearDecoder(4, sold).linear.bias.tolist()
    assert bias == pytest.approx([sold.log_mean, sold.log_dispersion])
    hot = HotItemHead.fitted(UNITS)
    raw = LinearDecoder(2, hot)(torch.zeros(1, 1, 2))
    assert hot.decode(raw)["hot_probability"].item() == pytest.approx(0.25)


def test_a_standardised_head_keeps_the_bias_that_is_drawn():
    torch.manual_seed(3)
    drawn = nn.Linear(5, 1)
    torch.manual_seed(3)
    decoder = LinearDecoder(5, RegressionHead.tiny())
    assert torch.equal(decoder.linear.bias, drawn.bias)
    assert torch.equal(decoder.linear.weight, drawn.weight)


def test_several_steps_are_outputs_of_one_layer(steps_head):
    decoder = LinearDecoder(4, steps_head.tiny())
    assert decoder.n_outputs == 3
    assert decoder(torch.ones(2, 5, 4)).shape == (2, 5, 3, 1)

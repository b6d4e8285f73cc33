import numpy as np
import pytest
import torch

from heads.scales import decode, encode, rank_knots, suited_scales

RANDOM = np.random.default_rng(0)
HEAVY = RANDOM.standard_t(1.5, 1000)
ZEROS = np.where(RANDOM.random(1000) < 0.6, 0.0, RANDOM.lognormal(0, 1, 1000))


@pytest.mark.parametrize("target", [HEAVY, ZEROS, 1e97 * HEAVY, np.arange(3.0)])
def test_ranks_lead_back_to_the_target(target):
    knots = rank_knots(target)
    encoded = encode(target, "rank", lowest=0.0, knots=knots)
    again = decode(torch.from_numpy(encoded), "rank", knots=knots).numpy()
    np.testing.assert_allclose(again, target, rtol=1e-6, atol=1e-9 * np.abs(target).max())
    assert np.abs(encoded).max() < 4


def test_ranks_are_normal_scores_whatever_the_tails():
    encoded = encode(HEAVY, "rank", lowest=0.0, knots=rank_knots(HEAVY))
    assert (encoded.mean(), encoded.std()) == (
        pytest.approx(0, abs=0.05),
        pytest.approx(1, abs=0.1),
    )


def test_beyond_the_known_targets_ranks_end():
    knots = rank_knots(HEAVY)
    ends = decode(torch.tensor([-99.0, 99.0]).double(), "rank", knots=knots)
    assert ends.tolist() == [HEAVY.min(), HEAVY.max()]


@pytest.mark.parametrize(
    ("target", "scales"),
    [
        (np.exp(HEAVY.clip(-5, 5)), {"identity", "rank", "sqrt", "log", "log1p"}),
        (ZEROS, {"identity", "rank", "sqrt", "log1p"}),
        (HEAVY, {"identity", "rank"}),
        (np.arange(10.0), {"identity", "sqrt", "log1p"}),
        (np.full(500, 3.0), {"identity"}),
        (np.zeros(0), {"identity"}),
    ],
)
def test_only_scales_that_hold_the_target_are_tried(target, scales):
    found = suited_scales(target)
    assert set(found) == scales and len(found) == len(scales)

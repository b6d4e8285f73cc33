import numpy as np
import pytest
import torch

from fusion.calibration import calibrate, weight_as_asked
from fusion.data.training_rows import TrainingRows
from heads import HotItemHead, RegressionHead


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def calibrated(target, *, weight=None, n_folds=4, raw=None):
    head = RegressionHead()
    n = len(target)
    told = torch.zeros(n, 1, 1) if raw is None else raw
    ones = np.ones(n) if weight is None else weight
    folds = np.array_split(np.arange(n), n_folds)
    calibrate({"y": head}, TrainingRows({"y": target}, folds, ones), {"y": told})
    return {name: values.item() for name, values in head.decode(torch.zeros(1, 1, 1)).items()}


def test_what_a_head_says_of_errors_comes_from_rows_held_out(rng):
    found = calibrated(5.0 + rng.normal(size=500))
    assert found["prediction"] == pytest.approx(5.0, abs=0.2)
    assert found["prediction_p10"] == pytest.approx(5.0 - 1.28, abs=0.3)
    assert found["prediction_p90"] == pytest.approx(5.0 + 1.28, abs=0.3)


def test_rows_that_have_no_target_or_do_not_count_say_nothing(rng):
    target = 5.0 + rng.normal(size=500)
    expected = calibrated(target)
    more = np.r_[target, np.full(50, np.nan), np.full(50, 1e6)]
    weight = np.r_[np.ones(550), np.zeros(50)]
    raw = torch.zeros(600, 1, 1)
    head = RegressionHead()
    folds = [np.arange(125 * k, 125 * (k + 1)) for k in range(4)]
    folds[3] = np.r_[folds[3], np.arange(500, 600)]
    calibrate({"y": head}, TrainingRows({"y": more}, folds, weight), {"y": raw})
    found = {name: values.item() for name, values in head.decode(torch.zeros(1, 1, 1)).items()}
    assert found == pytest.approx(expected)


def test_on_few_rows_heads_stay_as_they_are(rng):
    head = RegressionHead()
    before = head.config
    rows = [np.arange(19)]
    raw = {"y": torch.zeros(19, 1, 1)}
    calibrate({"y": head}, TrainingRows({"y": rng.normal(size=19)}, rows, np.ones(19)), raw)
    assert head.config == before


def test_heavy_rows_say_more_of_probabilities(rng):
    labels = (np.arange(400) % 2).astype(float)
    weight = np.where(labels == 1, 3.0, 1.0)
    head = HotItemHead()
    rows = np.array_split(rng.permutation(400), 4)
    raw = {"y": torch.zeros(400, 1, 1)}
    calibrate({"y": head}, TrainingRows({"y": labels}, rows, weight), raw)
    chance = head.decode(torch.zeros(1, 1, 1))["hot_probability"].item()
    assert chance == pytest.approx(0.75, abs=0.02)


def test_new_rows_weigh_as_often_as_they_will_come():
    is_new = np.arange(100) < 40
    weight = weight_as_asked(np.ones(100), is_new, share=0.1)
    assert weight[is_new].sum() == pytest.approx(10.0)
    assert weight[~is_new].sum() == pytest.approx(90.0)
    for share in (0.4, 0.9):  # no level was hidden beyond those that are
        assert weight_as_asked(np.ones(100), is_new, share=share).tolist() == [1.0] * 100
    assert weight_as_asked(np.ones(4), np.ones(4, dtype=bool), share=0.5).tolist() == [1.0] * 4


def test_an_interval_holds_for_rows_as_they_are_asked_though_harder_ones_were_held_out(rng):
    is_new = rng.random(4000) < 0.4
    target = np.where(is_new, 5.0, 1.0) * rng.normal(size=4000)
    as_asked = weight_as_asked(np.ones(4000), is_new, share=0.05)
    told = [calibrated(target), calibrated(target, weight=as_asked)]
    known = target[~is_new]
    shares = [
        ((each["prediction_p10"] <= known) & (known <= each["prediction_p90"])).mean()
        for each in told
    ]
    assert shares[0] > 0.93
    assert shares[1] == pytest.approx(0.8, abs=0.05)

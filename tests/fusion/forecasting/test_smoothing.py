import numpy as np
import pytest

from fusion.forecasting.smoothing import exponential_smoothing, teunter_syntetos_babai

HISTORIES = np.array([[np.nan, 4.0, 0.0, 0.0, 8.0], [2.0, 0.0, -1.0, 6.0, 0.0]])


def smoothed_by_hand(values, alpha):
    level = values[0]
    for value in values[1:]:
        level = (1 - alpha) * level + alpha * value
    return level


def test_the_level_is_that_of_the_recursion_by_hand():
    found = exponential_smoothing(HISTORIES, alpha=0.3)
    assert found[0] == pytest.approx(smoothed_by_hand([4, 0, 0, 8], 0.3))
    assert found[1] == pytest.approx(smoothed_by_hand([2, 0, -1, 6, 0], 0.3))


def test_size_and_probability_of_a_demand_are_smoothed_apart():
    size, probability = teunter_syntetos_babai(HISTORIES, alpha=0.3, beta=0.1)
    assert size == pytest.approx([smoothed_by_hand([4, 8], 0.3), smoothed_by_hand([2, 6], 0.3)])
    assert probability == pytest.approx(
        [smoothed_by_hand([1, 0, 0, 1], 0.1), smoothed_by_hand([1, 0, 0, 1, 0], 0.1)]
    )


def test_an_unknown_period_changes_nothing():
    holes = np.insert(HISTORIES, [2, 5], np.nan, axis=1)
    assert np.array_equal(
        exponential_smoothing(holes, alpha=0.3), exponential_smoothing(HISTORIES, alpha=0.3)
    )
    for found, wanted in zip(
        teunter_syntetos_babai(holes, alpha=0.3, beta=0.1),
        teunter_syntetos_babai(HISTORIES, alpha=0.3, beta=0.1),
        strict=True,
    ):
        assert np.array_equal(found, wanted)


def test_a_history_without_a_known_period_has_no_answer():
    unknown = np.full((1, 3), np.nan)
    assert np.isnan(exponential_smoothing(unknown, alpha=0.3)).all()
    size, probability = teunter_syntetos_babai(unknown, alpha=0.3, beta=0.1)
    assert np.isnan(size).all() and np.isnan(probability).all()
    assert exponential_smoothing(np.empty((2, 0)), alpha=0.3).shape == (2,)


def test_an_item_that_never_sold_has_no_size_and_probability_zero():
    size, probability = teunter_syntetos_babai(np.zeros((1, 3)), alpha=0.3, beta=0.1)
    assert np.isnan(size).all() and probability.tolist() == [0.0]


def test_each_row_may_have_a_weight_of_its_own():
    found = exponential_smoothing(HISTORIES, alpha=np.array([0.3, 0.6]))
    assert found[1] == exponential_smoothing(HISTORIES, alpha=0.6)[1]
    assert found[0] == exponential_smoothing(HISTORIES, alpha=0.3)[0]


@pytest.mark.parametrize("alpha", [0.0, 1.5, np.array([0.2, np.nan])])
def test_a_weight_outside_0_to_1_is_refused(alpha):
    with pytest.raises(ValueError, match=r"alpha must be in \(0, 1\], got"):
        exponential_smoothing(HISTORIES, alpha=alpha)

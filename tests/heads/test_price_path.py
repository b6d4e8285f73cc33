"""Prices: a window is their mean, nothing is rounded, and no price is 0."""

import numpy as np
import pytest

from heads import PricePathHead, SalesPathHead
from heads.price_distribution import LearnedPrices
from heads.trend import TrendRule

PATHS = np.array([[0.9, 1.0, 0.95], [1.0, 1.1, 1.05], [1.0, 1.0, 1.0]])
STAGES = np.array([2, 2])


def test_columns_say_price_and_not_units():
    head = PricePathHead(horizon=1, levels=[0.1, 0.9])
    names = [column.name for column in head.columns]
    assert names[:2] == ["price_step_1_p50", "price_step_1"] and names[-1] == "price_window_p90"
    assert {column.unit for column in head.columns} == {"price"}
    assert "units" not in head.describe() and "last price" in head.describe()


def test_an_answer_of_1_is_the_last_price_to_the_last_digit():
    head = PricePathHead(horizon=2)
    level = np.array([np.float32(2.55), 7.99], dtype=np.float64)
    prices = head.distribution(np.ones((2, 3, head.raw_dim)), level, stages=STAGES)
    assert (prices.quantile([0.5])[..., 0] == level[:, None]).all()
    assert np.allclose(prices.mean, level[:, None])
    assert (head.actual(np.ones((2, 3)), level) == level[:, None]).all()


def test_the_window_is_the_mean_of_its_steps_where_units_would_be_their_sum():
    raw = np.ones((1, 3, 12)) * np.array([0.8, 1.2, 1.0])[None, :, None]
    level, stages = np.array([10.0]), np.array([2])
    prices = PricePathHead(horizon=2).distribution(raw, level, stages=stages)
    units = SalesPathHead(horizon=2).distribution(raw, level, stages=stages)
    assert prices.mean[0].tolist() == pytest.approx([8.0, 12.0, 10.0])
    assert units.mean[0, -1] == pytest.approx(20.0)
    assert (prices.quantile([0.1, 0.5])[0, -1] == 10.0).all()


def test_no_price_is_0_however_low_an_answer_is():
    head = PricePathHead(horizon=1)
    prices = head.distribution(np.full((1, 2, head.raw_dim), -3.0), np.array([5.0]), stages=STAGES)
    assert (prices.mean > 0).all() and (prices.quantile([0.01, 0.5, 0.99]) > 0).all()


def test_a_mean_lies_between_the_outermost_quantiles():
    raw = np.ones((1, 2, 12))
    raw[0, 0] = [0.3, *np.linspace(0.8, 1.2, 11)]
    raw[0, 1] = [5.0, *np.linspace(0.8, 1.2, 11)]
    prices = PricePathHead(horizon=1).distribution(raw, np.array([10.0]), stages=STAGES[:1])
    assert prices.mean[0].tolist() == pytest.approx([8.0, 8.0])


def test_prices_that_are_whole_numbers_are_not_taken_for_counts():
    head, draw = PricePathHead(horizon=1), np.random.default_rng(0)
    path = draw.integers(1, 4, (300, 2)) / 2.0
    raw = np.sort(draw.uniform(0.5, 1.5, (300, 2, head.raw_dim)), axis=-1)
    parts, stages = np.arange(300) % 4, np.full(300, 2)
    head.fit_units(raw, path, level=np.full(300, 2.0), stages=stages, parts=parts)
    assert head.config["units"]["family"] == "learned" and head.config["units"]["rounding"] is None


def test_rounding_and_counts_are_refused():
    with pytest.raises(ValueError, match="units must be left out of a head of prices, got poisson"):
        PricePathHead(horizon=1, units={"family": "poisson"})
    with pytest.raises(ValueError, match="units must be left out"):
        PricePathHead(horizon=1, units={"rounding": [[0.5] * 11] * 2})


def test_the_direction_is_held_against_the_last_price_and_not_against_a_sum():
    points = np.array([[[9.0, 10.0, 11.0]] * 3, [[11.0, 12.0, 13.0]] * 3])
    prices = LearnedPrices(points[:, :2, 1], points, [0.1, 0.5, 0.9])
    read = TrendRule(0.02, beside="the last price").read(prices, np.array([10.0, 10.0]))
    assert read["trend"].tolist() == [1.0, 2.0]
    assert read["probability_up"][1] > 0.9 > read["probability_up"][0]
    shares = sum(read[f"probability_{name}"] for name in ("up", "flat", "down"))
    assert np.allclose(shares, 1.0)


def test_a_price_that_surely_stays_is_flat():
    points = np.full((1, 3, 3), 10.0)
    prices = LearnedPrices(points[:, :2, 1], points, [0.1, 0.5, 0.9])
    read = TrendRule(0.02).read(prices, np.array([10.0]))
    assert read["trend"].tolist() == [1.0] and read["probability_flat"].tolist() == [1.0]


def test_below_the_lowest_quantile_probabilities_and_quantiles_say_the_same():
    points = np.array([[[8.0, 10.0, 11.0]] * 2])
    prices = LearnedPrices(np.array([[10.0]]), points, [0.1, 0.5, 0.9])
    low = prices.quantile([0.02, 0.1])[0, :, 0]
    assert (low < 8.0).all() and (low > 0).all()
    assert np.allclose(prices.probability_above(low[None]), 0.98)
    assert np.allclose(prices.probability_above(8.0), 0.9)

"""Pages of a forecast of prices speak of prices, to the cent, and of no units and sums."""

import re
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.promises.made_forecast import HORIZON, KNOWN_STEPS, LEVELS, forecast_report
from fusion.data.panel.priced import priced
from fusion.forecasting.asked import asked_examples
from fusion.report import render_forecast, render_item
from fusion.report.forecast_answer import forecast_answer, sums_by_period
from fusion.report.forecast_numbers import ForecastNumbers
from heads.price_distribution import LearnedPrices


def price_report(*, shops=False):
    """The made-up report, where each price is expected to rise by a tenth."""
    report = forecast_report(shops=shops)
    panel = priced(replace(report.history.panel, known=frozenset()))
    history = replace(report.history, panel=panel)
    asked = asked_examples(history, panel.end - KNOWN_STEPS, horizon=HORIZON)
    content, rows = report.asked.content, report.asked.content_rows
    asked = replace(asked, content=content, content_rows=rows, new_level=7.0)
    middle = 1.1 * asked.levels()[:, None, None] * np.ones((1, HORIZON + 1, 1))
    points = middle * np.array([0.9, 1.0, 1.2])
    answers = LearnedPrices(middle[:, :-1, 0], points, LEVELS)
    return replace(report, history=history, asked=asked, answers=answers, backtest=None)


@pytest.fixture(scope="module")
def report():
    return price_report()


@pytest.fixture(scope="module")
def numbers(report):
    return ForecastNumbers.of(report)


def plain(page):
    """What people read of a page."""
    text = re.sub(r"<style.*?</style>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_the_headline_is_how_far_prices_move_and_no_sum(numbers):
    answer = forecast_answer(numbers, None)
    assert answer.lead.startswith("The median price move is +10.0")
    assert answer.tiles[0].label == "Median move" and "+10.0" in answer.tiles[0].value
    assert sums_by_period(numbers).max() <= numbers.mean.max()


def test_the_headline_fits_the_items_that_rise_and_fall(numbers):
    """One dear item that doubles moves the mean, but most items fall."""
    known = np.flatnonzero(np.isfinite(numbers.recent))
    last = np.nan_to_num(numbers.recent, nan=7.0)
    factor = np.full(len(last), 0.95)
    factor[known[np.argmax(last[known])]] = 9.0
    factor[known[np.argmin(last[known])]] = 1.01
    quantiles = (factor * last)[:, None, None] * np.ones_like(numbers.quantiles)
    trends = np.where(factor > 1.02, 2.0, np.where(factor < 0.98, 0.0, 1.0))
    trends[np.isnan(numbers.recent)] = np.nan
    answer = forecast_answer(replace(numbers, quantiles=quantiles, trends=trends), None)
    n_down = len(known) - 2
    assert "median price move is −5.0" in answer.lead
    assert f"1 rise and {n_down} fall by more than 2" in answer.sentence
    assert answer.sentence.endswith("; 1 stay within it.")
    assert next(one for one in answer.tiles if one.label == "Rising / falling").value == (
        f"1 / {n_down}"
    )


def test_a_card_tells_the_move_of_the_number_in_bold(numbers):
    row = int(np.flatnonzero(np.isfinite(numbers.recent))[0])
    skewed = replace(numbers, mean=0.5 * numbers.mean)
    assert skewed.compared(row).startswith("+10.0")


def test_items_are_told_to_the_cent_beside_their_last_price(numbers):
    row = int(np.flatnonzero(np.isfinite(numbers.recent))[0])
    last = numbers.recent[row]
    assert numbers.about(row).startswith(f"about {1.1 * last:.2f}, likely {0.99 * last:.2f} to ")
    assert re.fullmatch(r"\+10\.0\W% ?, last price \d+(\.\d\d)?", numbers.compared(row))
    assert numbers.trend(row) == "up" and numbers.rule.change == 0.02
    new = int(np.flatnonzero(np.isnan(numbers.recent))[0])
    assert numbers.compared(new) == "no price so far" and numbers.trend(new) == ""


def test_pages_say_price_and_not_units(report):
    pages = [render_forecast(report), *(render_item(report, one) for one in report.pages)]
    for page in pages:
        told = plain(page)
        assert "price" in told
        assert not re.search(r"\bunits\b|\bsold since\b|\btotals?\b", told, flags=re.IGNORECASE)
    assert "up: more than 2" in plain(pages[0]).lower()


def test_over_shops_an_item_has_the_mean_of_its_prices():
    report = price_report(shops=True)
    numbers = ForecastNumbers.of(report)
    item = report.pages[-1]
    rows = numbers.rows_of(item)
    assert len(rows) > 1
    mean = numbers.words.amount(numbers.mean[rows, -1].mean())
    assert f">{mean}<" in render_item(report, item).replace("\n", "")

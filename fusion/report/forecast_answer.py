"""The headline of a forecast: how much all items sell together, and what is known of that.

Of prices: how far the median item moves.
"""

import numpy as np
from markupsafe import Markup

from encoders.series.windows import UNITS
from fusion.forecasting.backtest.result import FORECAST, BacktestResult
from fusion.forecasting.examples import STAGES, Floats
from fusion.report.answer import Answer, Tile, best_simple, primary
from fusion.report.backtest_view import backtest_evaluation, overall
from fusion.report.forecast_items import past_length
from fusion.report.forecast_numbers import ForecastNumbers
from fusion.report.line_svg import Drawing
from fusion.report.metric_names import write
from fusion.report.number_text import DASH, number, percent, rough, signed
from fusion.report.period_words import day_text, periods, span_text
from fusion.report.quantity_words import stock_words
from heads.trend import TRENDS

DOWN, _, UP = range(len(TRENDS))
SIZE = (720.0, 230.0)
"""Width and height of the chart of all items."""


def sums_by_period(numbers: ForecastNumbers) -> Floats:
    """Sum of the means of all items in each period from the first step on, `[horizon]`.

    Items that come later count from their launch on. Of prices it is the mean.
    """
    asked = numbers.asked
    place = asked.as_of[:, None] - int(asked.as_of.min()) + np.arange(asked.horizon)
    inside = place < asked.horizon
    means = numbers.mean[:, :-1]
    sums = np.bincount(place[inside], means[inside], minlength=asked.horizon).astype(np.float64)
    if not numbers.is_price:
        return sums
    return sums / np.maximum(np.bincount(place[inside], minlength=asked.horizon), 1)


def sold_before(numbers: ForecastNumbers, length: int) -> Floats:
    """Units of all items, or their mean price, before the first step, `[n <= length]`."""
    windows = numbers.asked.windows
    n_known = int(windows.period.min()) - windows.market_start
    return windows.market[UNITS][max(n_known - length, 0) : n_known].astype(np.float64)


def forecast_answer(numbers: ForecastNumbers, backtest: BacktestResult | None) -> Answer:
    """The headline: a sum of means, without a range that nobody could know."""
    if numbers.is_price:
        return _price_answer(numbers, backtest)
    asked = numbers.asked
    first, horizon = int(asked.as_of.min()), asked.horizon
    total = float(sums_by_period(numbers).sum())
    before = sold_before(numbers, horizon)
    sentence = (
        f"{number(len(asked))} {_rows(numbers)}, {span_text(first, horizon, numbers.frequency)}."
    )
    if later := int((asked.as_of > first).sum()):
        sentence += f" {number(later)} of them come later and count from their launch on."
    if len(before) == horizon and before.sum() > 0:
        sold = float(before.sum())
        sentence += f" In the {numbers.span} before, {number(sold)} were sold"
        sentence += f"{_beside(numbers, total / sold - 1.0)}."
    if asked.panel.quantity == "units" and stock_words(asked.panel):
        sentence += (
            f" {numbers.frequency.unit.capitalize()}s out of stock are unknown to the forecast, so "
            'it tells what would sell in stock; head = "demand" does so of those partly in stock '
            "too."
        )
    return Answer(
        name=f"Next {numbers.span}",
        tone="open",
        lead=f"About {rough(total, whole=True)} units in the next {numbers.span}.",
        sentence=sentence,
        proof=_proof("The ranges of single items do not add up, so the sum has none.", backtest),
        tiles=_tiles(
            numbers, Tile("Expected units", number(round(total)), "the sum of the means"), backtest
        ),
    )


def _beside(numbers: ForecastNumbers, change: float) -> str:
    """How much more is expected than was sold in the window before, where all of that is known."""
    panel, end = numbers.asked.panel, int(numbers.asked.as_of.min()) - numbers.asked.panel.start
    places = panel.places()
    before = (end - numbers.asked.horizon <= places) & (places < end)
    if panel.quantity != "demand" and not np.isnan(panel.known_units[before]).any():
        return f" ({signed(percent(change, digits=0))})"
    is_short = bool(stock_words(panel))
    return ", without what was wanted while stock was out" if is_short else ", as far as is known"


def _price_answer(numbers: ForecastNumbers, backtest: BacktestResult | None) -> Answer:
    """The headline of prices: how far the median item moves, by the median of its price."""
    asked, moves = numbers.asked, numbers.median[:, -1] / numbers.recent - 1.0
    moves = moves[np.isfinite(moves)]
    change = signed(percent(float(np.median(moves)))) if len(moves) else ""
    up, down = (int((numbers.trends == place).sum()) for place in (UP, DOWN))
    span = span_text(int(asked.as_of.min()), asked.horizon, numbers.frequency)
    sentence = f"{number(len(asked))} {_rows(numbers)}, {span}."
    if change:
        limit = percent(numbers.rule.change, digits=0)
        sentence += (
            f" {number(up)} rise and {number(down)} fall by more than {limit}; "
            f"{number(len(moves) - up - down)} stay within it."
        )
    said = f"The median price move is {change} in the next {numbers.span}."
    return Answer(
        name=f"Next {numbers.span}",
        tone="open",
        lead=said if change else f"Prices of the next {numbers.span}: none was known so far.",
        sentence=sentence,
        proof=_proof("Ranges are those of single items; their median move has none.", backtest),
        tiles=_tiles(
            numbers,
            Tile("Median move", change or DASH, "half of the items are above"),
            backtest,
        ),
    )


def _rows(numbers: ForecastNumbers) -> str:
    return "items" if numbers.asked.panel.shops is None else "items in shops"


def _proof(why: str, backtest: BacktestResult | None) -> str:
    """How far off such sums were at past dates; that the ranges of items say nothing of it."""
    if backtest is None:
        return f"{why} How far off that is was not measured: run a backtest."
    found = [
        row.metrics["bias"]
        for table in backtest.tables
        if table.by == "origin"
        for row in table.rows
        if row.method == FORECAST and np.isfinite(row.metrics["bias"])
    ]
    if not found:
        return why
    told = ", ".join(_off(bias) for bias in found) + stock_words(backtest.examples.panel)
    dates = "At one past date" if len(found) == 1 else f"At {len(found)} past dates"
    whose = "prices were" if backtest.examples.panel.quantity == "price" else "it was"
    return f"{why} {dates} {whose} {told}."


def _off(bias: float) -> str:
    """How far off a sum was: `1.7 % too low`."""
    return f"{percent(abs(bias))} too {'high' if bias > 0 else 'low'}"


def _tiles(
    numbers: ForecastNumbers, first: Tile, backtest: BacktestResult | None
) -> tuple[Tile, ...]:
    stages = np.bincount(numbers.asked.stages(), minlength=len(STAGES)).tolist()
    parts = [f"{number(n)} {name}" for name, n in zip(STAGES, stages, strict=True) if n]
    trends = numbers.trends[np.isfinite(numbers.trends)]
    counts = {name: number(int((trends == place).sum())) for place, name in enumerate(TRENDS)}
    limit = percent(numbers.rule.change, digits=0)
    tiles = [
        first,
        Tile("Items", number(len(numbers.asked)), ", ".join(parts)),
        Tile("Rising / falling", f"{counts['up']} / {counts['down']}", f"by more than {limit}"),
    ]
    if backtest is None:
        return tuple(tiles)
    evaluation = backtest_evaluation(backtest, "wape")
    rival = best_simple(evaluation)
    own = overall(backtest)
    told = f"{rival.name}, {write('wape', primary(evaluation, rival))}" if rival else "none"
    note = f"best simple method: {told}"
    tiles.append(Tile("WAPE in the past", write("wape", own["wape"]), note))
    wanted = percent(numbers.share, digits=0)
    tiles.append(
        Tile("In range, in the past", write("coverage", own["coverage"]), f"{wanted} is right")
    )
    return tuple(tiles)


def sum_chart(numbers: ForecastNumbers) -> Markup:
    """Units of all items together: as they were sold, and the sum of the means that come."""
    past = sold_before(numbers, max(52, past_length(numbers.asked.horizon)))
    sums, since = sums_by_period(numbers), _sold_since(numbers)
    first, n_past = int(numbers.asked.as_of.min()), len(past)
    values = np.concatenate([past, sums])
    frequency, unit = numbers.frequency, numbers.frequency.unit
    days = frequency.first_day(first - n_past + np.arange(len(values)))
    drawing = Drawing(len(values), float(np.nanmax([*values, *since])), *SIZE)
    noun = numbers.words.noun
    label = (
        f"{noun.capitalize()} of all items by {unit}: {periods(n_past, frequency)} "
        f"{numbers.words.past}, then {periods(len(sums), frequency)} as expected."
    )
    hints = [
        f"{day_text(day, unit=unit)}: {_hint(numbers, float(units))}"
        for day, units in zip(days, values, strict=True)
    ]
    parts = [
        drawing.grid(),
        drawing.upright(n_past - 0.5, "now") if n_past else "",
        drawing.line(past, "past"),
        drawing.line(sums, "middle", begin=n_past),
        drawing.dots(since, "came", begin=n_past),
        *(drawing.column(at, at + 1, "hint", hint) for at, hint in enumerate(hints)),
        drawing.labels([(at, day_text(days[at], unit=unit)) for at in (n_past, 0, len(days) - 1)]),
    ]
    return drawing.svg(parts, label=label)


def _hint(numbers: ForecastNumbers, value: float) -> str:
    if numbers.is_price:
        return f"mean price {numbers.words.amount(value)}"
    return f"{number(round(value))} units"


def _sold_since(numbers: ForecastNumbers) -> Floats:
    """Units of all items in the periods of the horizon that are over by now; NaN in others."""
    windows, horizon = numbers.asked.windows, numbers.asked.horizon
    begin = int(windows.period.min()) - windows.market_start
    known = windows.market[UNITS][begin : begin + horizon]
    return np.concatenate([known, np.full(horizon - len(known), np.nan)]).astype(np.float64)

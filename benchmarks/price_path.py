"""Prices of the coming weeks: online_retail and the demo catalogue, beside last price and drift.

python benchmarks/price_path.py --data FOLDER_WITH_weekly_item_sales.parquet --store STORE
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from online_retail import FILE, HORIZON, ORIGINS, history_of, tables
from results import write_section

from fusion.choices.mistakes import Mistakes
from fusion.forecasting.answer_table import TREND_RULES
from fusion.forecasting.backtest.forecasts import Actual, Forecasts, joined
from fusion.forecasting.backtest.metrics import scores
from fusion.forecasting.backtest.origins import backtest
from fusion.forecasting.backtest.paired import paired_gains
from fusion.forecasting.backtest.result import FORECAST, BacktestResult, scored
from fusion.forecasting.content import ContentSpec
from fusion.forecasting.examples import Examples
from fusion.forecasting.history import History
from fusion.forecasting.members.defaults import DEFAULT_MEMBERS
from fusion.forecasting.members.registry import FORECAST_MEMBERS
from fusion.forecasting.trained import ForecastSpec
from fusion.job_steps.forecast import checked_inputs
from fusion.job_steps.forecast import history_of as demo_history
from fusion.job_steps.forecast_config import ForecastConfig
from fusion.jobs.demo import demo_folder
from heads.price_path import PricePathHead

HEAD = "price_path"
LEVELS = (0.1, 0.5, 0.9)
SIMPLE = ("last price", "drift", "median of last 8", "mean of last 8")
"""Simple methods that are told; the best of all stands beside them."""


@dataclass(frozen=True)
class Measured:
    """Forecasts of several seeds of items that had a price before, and what the prices were.

    Args:
        result: Of the first seed, beside simple methods.
        methods: The forecasts of each seed, and each simple method, of the rows that count.
        actual: Prices of these rows.
        asked: These rows.
        names: Item of each.
    """

    result: BacktestResult
    methods: Mapping[str, Sequence[Forecasts]]
    actual: Actual
    asked: Examples
    names: np.ndarray


def measured(
    history: History, spec: ForecastSpec, origins: Sequence[int], *, seeds: int
) -> Measured:
    """Forecasts at some dates, each trained anew by what was known then."""
    first = scored(history, backtest(history, spec, origins))
    own = [first.forecasts[FORECAST]]
    for seed in range(1, seeds):
        again = ForecastSpec(spec.horizon, LEVELS, spec.members, spec.content, seed, HEAD)
        answers = [origin.answers for origin in backtest(history, again, origins)]
        own.append(joined([Forecasts(a.mean, a.quantile(LEVELS), LEVELS) for a in answers]))
    rows = np.flatnonzero(~np.isnan(first.examples.recent_levels()))
    found = {FORECAST: own} | {
        name: [one] for name, one in first.forecasts.items() if name != FORECAST
    }
    asked = first.examples.take(rows)
    return Measured(
        first,
        {name: [one.take(rows) for one in each] for name, each in found.items()},
        first.actual.take(rows),
        asked,
        np.array(history.panel.ids, dtype=object)[asked.windows.series],
    )


def direction(found: Measured, forecasts: Forecasts) -> float:
    """Share of the known windows whose direction is that of the median of the forecast."""
    last, rule = found.asked.recent_levels(), TREND_RULES["price"]
    came = rule.places(found.actual.paths[:, -1], last)
    said = rule.places(forecasts.median[:, -1], last)
    return float((came == said)[~np.isnan(came)].mean())


def rows_of(found: Measured) -> Iterator[dict[str, object]]:
    """The forecast, the chosen simple methods, and the best of all by WAPE; means over seeds."""
    simple = {name: scores(found.actual, each[0])["wape"] for name, each in found.methods.items()}
    del simple[FORECAST]
    best = min(simple, key=lambda name: simple[name])
    for name in dict.fromkeys([FORECAST, *SIMPLE, best]):
        each = found.methods[name]
        all_scores = [scores(found.actual, one) for one in each]

        def mean(metric: str, all_scores: Sequence[Mapping[str, float]] = all_scores) -> float:
            return float(np.mean([one[metric] for one in all_scores]))

        yield {
            "forecast by": name,
            "WAPE": f"{mean('wape'):.4f}",
            "WAPE of the mean": f"{mean('wape_total'):.4f}",
            "MAE": f"{mean('mae'):.4f}",
            "pinball": f"{mean('pinball'):.4f}",
            "bias": f"{mean('bias'):+.4f}",
            "coverage of 80 %": f"{mean('coverage'):.3f}",
            "below / above": f"{mean('below'):.3f} / {mean('above'):.3f}",
            "direction right": f"{np.mean([direction(found, one) for one in each]):.3f}",
        }


def gains(found: Measured) -> str:
    """By how much the forecast is better than each method, for each seed; intervals over items."""
    told = []
    for name in [one for one in found.methods if one != FORECAST and one != "median by age"]:
        for metric in ("wape", "pinball"):
            parts = []
            for own in found.methods[FORECAST]:
                both = {FORECAST: own, name: found.methods[name][0]}
                (gain,) = paired_gains(
                    found.actual, both, blocks=found.names, reference=FORECAST, metrics=(metric,)
                ).rows
                parts.append(f"{gain.gain:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]")
            told.append(f"{name}, {metric}: {' / '.join(parts)}")
    return "; ".join(told)


def notes(found: Measured, seconds: float) -> str:
    """What a reader should know besides the table."""
    rule = TREND_RULES["price"]
    came = rule.places(found.actual.paths[:, -1], found.asked.recent_levels())
    known = came[~np.isnan(came)].astype(np.int64)
    shares = " / ".join(f"{one:.3f}" for one in np.bincount(known, minlength=3) / len(known))
    return (
        f"Direction is that of the mean of the window ({rule.describe()}), of the {len(known)} "
        f"windows of which every week is known: {shares} went down, stayed flat, went up. Gains "
        "over other methods (positive: the forecast is better), one number a seed, with 95 % "
        f"intervals over items: {gains(found)}. A forecast took {seconds:.0f} processor seconds at "
        "one date, simple methods included."
    )


def retail(options: argparse.Namespace) -> None:
    """Mean prices of online_retail, four weeks ahead."""
    items, sales = tables(options.data, most_items=None)
    if options.items is not None:
        draw = np.random.default_rng(0)
        names = draw.choice(items["StockCode"], min(options.items, len(items)), replace=False)
        items = items[items["StockCode"].isin(names)].reset_index(drop=True)
        sales = sales[sales["StockCode"].isin(names)].reset_index(drop=True)
    history = history_of(items, sales, text=False, store=options.store, head=PricePathHead)
    members = {name: {} for name in options.members}
    spec = ForecastSpec(HORIZON, LEVELS, members, ContentSpec(store=options.store), 0, HEAD)
    origins = [history.panel.end - back for back in options.origins]
    begun = time.process_time()
    found = measured(history, spec, origins, seeds=options.seeds)
    seconds = (time.process_time() - begun) / options.seeds / len(origins)
    dates = ", ".join(map(str, options.origins))
    _write(
        "online_retail: mean prices, four weeks ahead",
        f"{len(items)} items; origins {dates} weeks before the end, a forecast ({_names(options)}) "
        f"trained anew for each; {len(found.asked)} items at origins that had a price before. The "
        "price of a week is its revenue by its units, so it moves with the size of orders. Every "
        "choice was made on origins 16 weeks before the end and more.",
        options,
        found,
        seconds,
    )


def demo(options: argparse.Namespace) -> None:
    """Prices of the demo catalogue, whose promotions are planned."""
    chosen = {"head": HEAD, "members": options.members, "origins": options.demo_origins}
    overrides: dict[str, object] = {f"forecast.{name}": one for name, one in chosen.items()}
    config = ForecastConfig.from_file(
        demo_folder() / "forecast.toml", overrides={**overrides, "sales.known": ["promotion"]}
    )
    config.store = options.store.absolute()
    with tempfile.TemporaryDirectory() as folder:
        inputs = checked_inputs(
            config, Path(folder) / "out", Mistakes(), is_measured=True, is_asked=False
        )
    history = demo_history(inputs)
    begun = time.process_time()
    found = measured(history, inputs.spec, inputs.origins.tolist(), seeds=options.seeds)
    seconds = (time.process_time() - begun) / options.seeds / len(inputs.origins)
    days = ", ".join(str(history.panel.frequency.first_day(one)) for one in inputs.origins)
    _write(
        "Demo catalogue: prices, eight weeks ahead",
        f"{len(set(found.names))} items; 8 weeks from {days}, a forecast ({_names(options)}) "
        f"trained anew for each; {len(found.asked)} items at dates that had a price before. "
        "Promotions are known ahead, prices are not.",
        options,
        found,
        seconds,
    )


def _names(options: argparse.Namespace) -> str:
    return ", ".join(options.members)


def _write(
    name: str, workload: str, options: argparse.Namespace, found: Measured, seconds: float
) -> None:
    sample = "" if options.items is None else f" --items {options.items}"
    write_section(
        name,
        command=f"python benchmarks/price_path.py --data DATA --store STORE --seeds "
        f"{options.seeds} --members {' '.join(options.members)} --origins "
        f"{' '.join(map(str, options.origins))} --demo-origins {options.demo_origins}{sample}",
        workload=workload,
        rows=list(rows_of(found)),
        notes=notes(found, seconds),
        trial=options.trial,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes both sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {FILE}")
    parser.add_argument("--store", type=Path, required=True, help="embedding store")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each forecast")
    parser.add_argument("--items", type=int, help="so many items of online_retail, at random")
    parser.add_argument("--members", nargs="+", choices=FORECAST_MEMBERS, default=DEFAULT_MEMBERS)
    parser.add_argument("--origins", type=int, nargs="+", default=ORIGINS, help="of online_retail")
    parser.add_argument("--demo-origins", type=int, default=3, help="dates of the demo; 0: none")
    parser.add_argument("--trial", action="store_true", help="print only")
    options = parser.parse_args(arguments)
    if not (options.data / FILE).is_file():
        parser.error(f"--data must hold {FILE}, got {options.data}.")
    retail(options)
    if options.demo_origins:
        demo(options)


if __name__ == "__main__":
    main()

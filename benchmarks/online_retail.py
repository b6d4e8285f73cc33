"""Weekly sales of online_retail over a year: forecasts of four weeks beside simple methods.

python benchmarks/online_retail.py --data FOLDER_WITH_weekly_item_sales.parquet
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from results import write_section

from fusion.data.panel.cells import frame_parts
from fusion.data.panel.columns import SalesColumns
from fusion.forecasting.backtest.forecasts import Forecasts
from fusion.forecasting.backtest.metrics import scores
from fusion.forecasting.backtest.origins import backtest
from fusion.forecasting.backtest.paired import paired_gains
from fusion.forecasting.backtest.result import FORECAST, BacktestResult, scored
from fusion.forecasting.content import ContentSpec, check_items
from fusion.forecasting.history import (
    History,
    SalesSpec,
    frames_reader,
    read_history,
    sales_of_items,
)
from fusion.forecasting.members.defaults import DEFAULT_MEMBERS
from fusion.forecasting.members.registry import FORECAST_MEMBERS
from fusion.forecasting.trained import ForecastSpec
from heads.sales_path import SalesPathHead

FILE = "weekly_item_sales.parquet"
HORIZON = 4
ORIGINS = (12, 8, 4)
"""Weeks before the end; every choice was made on origins 16 weeks before it and more."""
COLUMNS = SalesColumns(
    item="StockCode",
    date="week",
    units="units",
    price="avg_price",
    past=("n_orders", "n_customers"),
)
ALONE = (*DEFAULT_MEMBERS, "classical")
"""Members that are measured alone; fracast takes an hour here, and Chronos needs weights."""
SHOWN = ("median of last 4", "median of last 8", "mean of last 8", "exponential smoothing", "TSB",
         "least squares on lags", "trees on lags")  # fmt: skip


def tables(data: Path, *, most_items: int | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Items with their descriptions, and their sales in whole weeks.

    A week without a row had no orders: such rows are written out from the first sale on.
    """
    sales = pd.read_parquet(data / FILE).assign(week=lambda table: pd.to_datetime(table["week"]))
    weeks = np.sort(sales["week"].unique())[1:-1]  # the first and the last one are cut
    sales = sales[sales["week"].isin(weeks)]
    names = np.sort(sales["StockCode"].unique())[:most_items]
    sales = sales[sales["StockCode"].isin(names)]
    items = sales.groupby("StockCode", as_index=False)["description"].first()
    first = sales.groupby("StockCode")["week"].min()
    sold_weeks = np.sort(sales["week"].unique())
    whole = pd.MultiIndex.from_product([names, sold_weeks], names=["StockCode", "week"])
    full = sales.set_index(["StockCode", "week"]).reindex(whole).reset_index()
    full = full[full["week"] >= full["StockCode"].map(first)]
    counts = ["units", "n_orders", "n_customers"]
    full[counts] = full[counts].fillna(0)
    return items, full[["StockCode", "week", "avg_price", *counts]]


def history_of(
    items: pd.DataFrame,
    sales: pd.DataFrame,
    *,
    text: bool,
    store: Path,
    head: type[SalesPathHead] = SalesPathHead,
) -> History:
    """Items with their sales; their descriptions are read where `text` says so."""
    read = {"text": ["description"] if text else [], "categorical": [], "row_text": []}
    columns = {"id": ["StockCode"], **read, "text_numbers": [], "numeric": ["n_characters"]}
    table = items.assign(n_characters=items["description"].str.len())
    content = ContentSpec(columns=columns, store=store)
    spec = SalesSpec(COLUMNS)
    found = sales_of_items(table, frames_reader(frame_parts(sales), spec), spec)
    return read_history(found, check_items(table, content), content, head=head)


def run(history: History, members: Sequence[str], *, seed: int, store: Path) -> BacktestResult:
    """Forecasts at all origins, each trained anew by what was known then."""
    spec = ForecastSpec(
        HORIZON,
        members={name: {} for name in members},
        content=ContentSpec(store=store),
        seed=seed,
    )
    return scored(history, backtest(history, spec, [history.panel.end - back for back in ORIGINS]))


def row(name: str, results: Sequence[BacktestResult], method: str) -> dict[str, object]:
    """Means over seeds, of the items that have sold before; and of the young ones among them."""
    of_sold, of_young = [], []
    for result in results:
        stages = result.examples.stages()
        for rows, found in ((stages > 0, of_sold), (stages == 1, of_young)):
            places = np.flatnonzero(rows)
            own: Forecasts = result.forecasts[method].take(places)
            found.append(scores(result.actual.take(places), own))

    def mean(found: Sequence[Mapping[str, float]], metric: str, digits: int = 3) -> str:
        return f"{np.mean([one[metric] for one in found]):.{digits}f}"

    return {
        "forecast by": name,
        "weekly WAPE": mean(of_sold, "wape"),
        "WAPE of the total": mean(of_sold, "wape_total"),
        "pinball": mean(of_sold, "pinball", 2),
        "bias": mean(of_sold, "bias"),
        "coverage of 80 %": mean(of_sold, "coverage"),
        "below / above": f"{mean(of_sold, 'below')} / {mean(of_sold, 'above')}",
        "young: weekly / total": f"{mean(of_young, 'wape')} / {mean(of_young, 'wape_total')}",
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {FILE}")
    parser.add_argument("--store", type=Path, required=True, help="embedding store")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of the forecast")
    parser.add_argument("--items", type=int, help="fewer items, to try the script")
    parser.add_argument(
        "--members", nargs="*", choices=FORECAST_MEMBERS, default=ALONE, help="alone, once each"
    )
    options = parser.parse_args(arguments)
    if not (options.data / FILE).is_file():
        parser.error(f"--data must hold {FILE}, got {options.data}.")
    items, sales = tables(options.data, most_items=options.items)
    plain = history_of(items, sales, text=False, store=options.store)
    begun = time.process_time()
    results = [
        run(plain, DEFAULT_MEMBERS, seed=seed, store=options.store) for seed in range(options.seeds)
    ]
    seconds = (time.process_time() - begun) / options.seeds / len(ORIGINS)
    rows = [row(f"forecast ({', '.join(DEFAULT_MEMBERS)})", results, FORECAST)]
    notes = []
    for gain in results[0].gains.rows:
        if gain.method in SHOWN and gain.metric in ("wape", "wape_total"):
            ends = f"[{gain.low:+.3f}, {gain.high:+.3f}]"
            notes.append(f"{gain.method}, {gain.metric}: {gain.gain:+.3f} {ends}")
    for name in options.members:
        rows.append(
            row(f"{name} alone", [run(plain, [name], seed=0, store=options.store)], FORECAST)
        )
    told = history_of(items, sales, text=True, store=options.store)
    with_text = run(told, DEFAULT_MEMBERS, seed=0, store=options.store)
    rows.append(row("forecast with descriptions", [with_text], FORECAST))
    rows += [row(name, results[:1], name) for name in SHOWN]
    names = np.array(plain.panel.ids)[results[0].examples.windows.series]
    text = paired_gains(
        results[0].actual,
        {"with text": with_text.forecasts[FORECAST], "without": results[0].forecasts[FORECAST]},
        blocks=names,
        reference="with text",
        metrics=("wape", "wape_total"),
    )
    gains = "; ".join(
        f"{one.metric} {one.gain:+.4f} [{one.low:+.4f}, {one.high:+.4f}]" for one in text.rows
    )
    n_sold = int((results[0].examples.stages() > 0).sum())
    write_section(
        "online_retail: weekly units, four weeks ahead",
        command=f"python benchmarks/online_retail.py --data DATA --store STORE "
        f"--seeds {options.seeds}",
        workload=f"{len(items)} items, {plain.panel.end - plain.panel.start} whole weeks; origins "
        f"{', '.join(map(str, ORIGINS))} weeks before the end, a forecast trained anew for each. "
        f"Scored are {n_sold} items at origins that have sold before, young ones (under 5 weeks) "
        f"apart. Means of {options.seeds} seeds; members alone and descriptions with one. WAPE "
        "of the total is by its own median. Choices were made on origins 16 weeks before the end "
        "and more.",
        rows=rows,
        notes=f"Gains of the forecast (seed 0) over other methods, 95 % intervals over items: "
        f"{'; '.join(notes)}. Gain by descriptions: {gains}. A forecast took {seconds:.0f} "
        "processor seconds at one origin, baselines included.",
        trial=options.items is not None,
    )


if __name__ == "__main__":
    main()

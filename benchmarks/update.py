"""Forecasts that are updated week by week: how long it takes, and how good they are.

python benchmarks/update.py --data FOLDER_WITH_weekly_item_sales.parquet
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from forecast_speed import sales_table
from online_retail import COLUMNS, FILE, HORIZON, tables
from results import write_section

from fusion import FusionForecaster
from fusion.evaluation.bootstrap import bootstrap_of_sums
from fusion.forecasting.model import ForecastModel
from fusion.forecasting.trained import TrainedForecast

MEMBERS = ("network", "ridge")
SPEED_WEEKS = 50
KEPT, GONE_ON, ANEW = "as trained", "updated each week", "trained anew"
RETRAINED = "updated each week, retrained each 4th"
ONCE = "trained a week before, updated once"
EVERY = 4
"""Weeks from one retraining to the next."""
WEEK = pd.Timedelta(days=7)


Errors = dict[str, pd.DataFrame]
"""By forecast, each item's sums over dates: `wrong`, absolute errors of the medians of its steps;
`sold`, their units; `inside`, how often these lay in the range; `steps`, how many there were."""


def new_forecaster(members: Sequence[str], seed: int) -> FusionForecaster:
    """One that has learned nothing, for the tables of `retail`."""
    return FusionForecaster(
        horizon=HORIZON,
        frequency="week",
        sales=COLUMNS,
        columns={"text": [], "categorical": [], "row_text": [], "numeric": ["n_characters"]},
        members=list(members),
        random_state=seed,
    )


def retail(data: Path, most_items: int | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Items with the length of their description, and sales by whole weeks."""
    items, sales = tables(data, most_items=most_items)
    items["n_characters"] = items["description"].str.len()
    return items[["StockCode", "n_characters"]], sales


def errors(model: FusionForecaster, items: pd.DataFrame, sales: pd.DataFrame) -> pd.DataFrame:
    """Of the coming weeks, over items that have sold before, by the histories that are kept."""
    asked = model.predict(items)
    steps = asked[(asked["window"] == "step") & (asked["life_stage"] != "new")]
    came = sales.set_index(["StockCode", "week"])["units"]
    days = pd.to_datetime(steps["from"])
    units = came.reindex(pd.MultiIndex.from_arrays([steps["id"], days])).to_numpy(float)
    known = ~np.isnan(units)
    units = units[known].clip(min=0)
    median, low, high = (steps[name].to_numpy()[known] for name in ("p50", "p10", "p90"))
    found = pd.DataFrame(
        {
            "wrong": np.abs(median - units),
            "sold": units,
            "inside": (low <= units) & (units <= high),
            "steps": np.ones(len(units)),
        }
    )
    return found.groupby(steps["id"].to_numpy()[known]).sum().astype(float)


def followed(
    items: pd.DataFrame,
    sales: pd.DataFrame,
    *,
    members: Sequence[str],
    first: pd.Timestamp,
    scored: Sequence[pd.Timestamp],
    seed: int,
) -> Errors:
    """Errors of forecasts that are trained before a week and asked before each of some later ones.

    Args:
        items: The items.
        sales: All of their sales.
        members: Names of members.
        first: The first week that the training does not know.
        scored: First weeks that are forecast, ascending.
        seed: Of every training.
    """
    before = sales[sales["week"] < first]
    ids = set(before["StockCode"])
    trained = new_forecaster(members, seed).fit(items[items["StockCode"].isin(ids)], before)
    found: dict[str, list[pd.DataFrame]] = {}
    models = {name: copied(trained) for name in (GONE_ON, RETRAINED, ONCE)}
    kept_model = trained.forecast_.model
    week, nth = first, 0
    while week <= scored[-1]:
        if week in set(scored):
            until = sales[sales["week"] < week]
            own = items[items["StockCode"].isin(set(until["StockCode"]))]
            anew = new_forecaster(members, seed).fit(own, until)
            stale = copied(anew)
            stale.forecast_ = replaced(models[GONE_ON], kept_model)
            for name, model in {KEPT: stale, **models, ANEW: anew}.items():
                found.setdefault(name, []).append(errors(model, own, sales))
            if ONCE in models:
                models[ONCE] = copied(anew)
        elif week > first:  # no training a week before the next date
            models.pop(ONCE, None)
        nth += 1
        rows = sales[sales["week"] == week]
        for name, model in models.items():
            is_due = name == RETRAINED and nth % EVERY == 0
            model.update(items[items["StockCode"].isin(set(rows["StockCode"]))], rows,
                         how="retrain" if is_due else "recalibrate")  # fmt: skip
        week += WEEK
    return {name: pd.concat(parts).groupby(level=0).sum() for name, parts in found.items()}


def copied(model: FusionForecaster) -> FusionForecaster:
    """Another estimator of the same trained forecast."""
    other = FusionForecaster(**model.get_params(deep=False))
    other.forecast_ = model.forecast_
    return other


def replaced(model: FusionForecaster, trained: ForecastModel) -> TrainedForecast:
    """The forecast of one estimator, with the histories that it keeps, by another model."""
    return replace(model.forecast_, model=trained)


def speed(n_items: int, members: Sequence[str]) -> list[dict[str, object]]:
    """Seconds of a training, and of an update by one week with load and save."""
    sales = sales_table(n_items, SPEED_WEEKS).drop(columns="promotion")
    last = np.sort(sales["date"].unique())[-4:]
    items = sales[["item_id"]].drop_duplicates().assign(size=lambda one: np.arange(len(one)) % 7)
    model = FusionForecaster(
        horizon=HORIZON, frequency="week", members=list(members), random_state=0
    )
    begun = time.perf_counter(), time.process_time()
    model.fit(items, sales[sales["date"] < last[0]])
    rows = [row("training", begun)]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "forecast"
        model.save(folder)
        size = sum(path.stat().st_size for path in folder.iterdir()) / 2**20
        for how, week in zip(("recalibrate", "retrain"), last, strict=False):
            at = time.perf_counter(), time.process_time()
            loaded = FusionForecaster.load(folder)
            loaded.update(None, sales[sales["date"] == week], how=how)
            loaded.save(folder)
            rows.append(row(f"update by one week ({how})", at))
    base = float(rows[0]["processor seconds"])  # type: ignore[arg-type]
    for one in rows:
        one["share of the training"] = f"{float(one['processor seconds']) / base:.3f}"  # type: ignore[arg-type]
        one["folder, MB"] = f"{size:.0f}"
    return rows


def row(what: str, begun: tuple[float, float]) -> dict[str, object]:
    """Seconds since a begin."""
    wall, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
    return {"what": what, "seconds": f"{wall:.1f}", "processor seconds": f"{cpu:.1f}"}


def compared(seeds: Sequence[Errors]) -> list[dict[str, object]]:
    """A row a way, beside the training anew; a number a seed."""
    rows: list[dict[str, object]] = []
    for name in seeds[0]:
        pairs = [(wape(found[name]), wape(found[ANEW])) for found in seeds]
        inside = [found[name]["inside"].sum() / found[name]["steps"].sum() for found in seeds]
        rows.append(
            {
                "forecast": name,
                "weekly WAPE": " / ".join(f"{own:.4f}" for own, _ in pairs),
                "beside trained anew": " / ".join(f"{own / base - 1:+.2%}" for own, base in pairs),
                "trained anew better by": gain(seeds[0][ANEW], seeds[0][name]),
                "coverage of 80 %": " / ".join(f"{one:.3f}" for one in inside),
            }
        )
    return rows


def wape(sums: Any) -> float:
    """WAPE of the medians of all steps."""
    return float(sums["wrong"].sum() / sums["sold"].sum())


def gain(first: pd.DataFrame, second: pd.DataFrame) -> str:
    """By how much the WAPE of the first is lower, with a 95 % interval over items."""
    pair = [one.loc[first.index, ["wrong", "sold"]].to_numpy() for one in (first, second)]
    better, low, high = bootstrap_of_sums(lambda sums: sums[..., 0] / sums[..., 1], *pair)
    return f"{better:.4f} [{low:.4f}, {high:.4f}]"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {FILE}")
    parser.add_argument("--items", type=int, help="fewer items, to try the script")
    parser.add_argument("--members", nargs="*", default=MEMBERS, help="names of members")
    parser.add_argument("--weeks", type=int, default=8, help="successive weeks that are scored")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each forecast")
    parser.add_argument("--long", type=int, default=20, help="weeks of the longest row of updates")
    options = parser.parse_args(arguments)
    if not (options.data / FILE).is_file():
        parser.error(f"--data must hold {FILE}, got {options.data}.")
    trial, members = options.items is not None, tuple(options.members)
    command = (
        f"python benchmarks/update.py --data DATA --members {' '.join(members)} "
        f"--weeks {options.weeks} --long {options.long} --seeds {options.seeds}"
    )
    n_items = options.items or 4_000
    write_section(
        "Updates: time",
        command=command,
        workload=f"{n_items:,} made-up items of {SPEED_WEEKS} weeks, horizon {HORIZON}, members "
        f"{', '.join(members)}: a training, and updates by one week of the saved forecast, each "
        "with loading before and saving behind it, in one process.",
        rows=speed(n_items, members),
        trial=trial,
    )
    items, sales = retail(options.data, options.items)
    end = sales["week"].max() + WEEK
    last = end - HORIZON * WEEK
    scored = [last - back * WEEK for back in reversed(range(options.weeks))]
    runs = {
        f"{options.weeks} successive weeks": (scored[0] - WEEK, scored),
        f"after {options.long} weeks": (last - options.long * WEEK, [last]),
    }
    rows = [
        {"asked": name, **one}
        for name, (first, dates) in runs.items()
        for one in compared(
            [
                followed(items, sales, members=members, first=first, scored=dates, seed=seed)
                for seed in range(options.seeds)
            ]
        )
    ]
    write_section(
        "Updates: accuracy on online_retail",
        command=command,
        workload=f"{len(items):,} items, members {', '.join(members)}, horizon {HORIZON}. "
        f"{options.weeks} successive weeks: trained before the week that comes before them, "
        "updated by one week at a time, and asked about the four weeks that follow each. After "
        f"{options.long} weeks: trained so long before the last date, and asked there alone. "
        "Trained anew: a training of all that was known at each date. As trained: members, blend "
        "and ranges stay, histories go on. Items that have sold before the date.",
        rows=rows,
        notes="Each number is one seed. Better by: in WAPE, first seed, with 95 % intervals over "
        "items.",
        trial=trial,
    )


if __name__ == "__main__":
    main()

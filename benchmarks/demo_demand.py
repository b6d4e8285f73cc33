"""Demand of the demo catalogue: what would have sold in weeks without stock.

python benchmarks/demo_demand.py --seeds 3
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from results import write_section

from fusion import FusionForecaster
from fusion.data.panel.columns import SalesColumns
from fusion.evaluation.bootstrap import bootstrap_of_sums
from fusion.forecasting.backtest.metrics import sums_by
from fusion.forecasting.examples import Floats
from fusion.forecasting.members.registry import FORECAST_MEMBERS
from fusion.jobs.demo import demo_folder

RECIPE = Path(__file__).parents[1] / "demo_data"
COLUMNS = SalesColumns(
    date="week",
    price="price_eur",
    promotion="promotion",
    in_stock="in_stock",
    known=("price_eur", "promotion"),
)
READ = ["item_id", "category", "brand", "season", "launch_date", "list_price_eur", "n_sizes"]
LAST_FOUR, BOTH_SIDES = "mean of the last 4 weeks in stock", "mean of 2 weeks in stock on each side"
DEMAND = "demand"


@dataclass(frozen=True)
class Weeks:
    """Weeks of all items before the cutoff, in the order of the sales table.

    Args:
        sales: The rows, with `expected`: units that the recipe expects in full stock.
        is_out: Rows without stock that every method can say something of.
        methods: By name, units of each row by each seed; simple methods have one.
    """

    sales: pd.DataFrame
    is_out: "np.ndarray[tuple[int], np.dtype[np.bool_]]"
    methods: Mapping[str, Sequence[Floats]]


def expected_units(folder: Path) -> pd.DataFrame:
    """What the recipe expects of each item and week in full stock: for scores alone.

    Args:
        folder: The demo data, whose `process.json` says how they were drawn.
    """
    sys.path.insert(0, str(RECIPE))
    from recipe.process import START, Parameters, simulate
    from recipe.products import clean_table, copy_near_duplicates, draw_products

    facts = json.loads((folder / "process.json").read_text(encoding="utf-8"))
    n_new = len(pd.read_csv(folder / "new_items.csv", usecols=["item_id"]))
    products = draw_products(facts["seed"], n_items=facts["n_items"], n_new=n_new)
    table = clean_table(copy_near_duplicates(products, facts["mess"]["near_duplicate"]))
    made, _ = simulate(table, seed=facts["seed"], parameters=Parameters())
    n, n_weeks = made.units.shape
    return pd.DataFrame(
        {
            "item_id": np.repeat(table["item_id"].to_numpy(), n_weeks),
            "week": np.tile(START + pd.to_timedelta(7 * np.arange(n_weeks), unit="D"), n),
            "expected": made.expected_units.ravel(),
            "drawn": made.units.ravel(),
        }
    )


def weeks_of(folder: Path, *, n_items: int | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Items, and their sales before the cutoff with what was expected of them.

    Raises:
        ValueError: If the recipe draws other sales than those of the table.
    """
    items = pd.read_csv(folder / "items.csv", usecols=READ, nrows=n_items)
    sales = pd.read_csv(folder / "sales.csv", parse_dates=["week"])
    cutoff = json.loads((RECIPE / "process.json").read_text(encoding="utf-8"))["cutoff_date"]
    sales = sales[sales["item_id"].isin(items["item_id"]) & (sales["week"] < cutoff)]
    both = sales.merge(expected_units(RECIPE), on=["item_id", "week"], how="left")
    if not (both["drawn"] == both["units"]).all():
        raise ValueError("sales must be those of the recipe, got others. Make the data again.")
    return items, both.sort_values(["item_id", "week"], ignore_index=True)


def simple_means(sales: pd.DataFrame) -> dict[str, Floats]:
    """Means of weeks in stock around each row, NaN where there is none."""
    units = sales["units"].where(sales["in_stock"] == 1)

    def known(frame: pd.Series, n: int) -> pd.Series:
        def last(one: pd.Series) -> pd.Series:
            return one.dropna().rolling(n, min_periods=1).mean().reindex(one.index).ffill().shift()

        return frame.groupby(sales["item_id"], group_keys=False).apply(last).reindex(sales.index)

    after = known(units[::-1], 2).reindex(sales.index)
    sides = pd.concat([known(units, 2), after], axis=1).mean(axis=1)
    return {LAST_FOUR: known(units, 4).to_numpy(), BOTH_SIDES: sides.to_numpy()}


def measured(
    items: pd.DataFrame, sales: pd.DataFrame, *, members: Sequence[str], seeds: int
) -> Weeks:
    """Demand by each seed, and simple means."""
    given = sales.drop(columns=["expected", "drawn"])
    found = []
    for seed in range(seeds):
        model = FusionForecaster(
            head="demand",
            horizon=8,
            members=list(members),
            sales=COLUMNS,
            launch="launch_date",
            on_bad_rows="absent",
            random_state=seed,
        ).fit(items, given)
        table = model.demand(items, given).rename(columns={"id": "item_id", "from": "week"})
        told = sales[["item_id", "week"]].merge(table, on=["item_id", "week"], how="left")
        found.append(told["mean"].to_numpy())
        print(f"seed {seed}: done", flush=True)
    methods = {DEMAND: found, **{name: [one] for name, one in simple_means(sales).items()}}
    is_out = (sales["in_stock"] == 0).to_numpy(copy=True)
    for each in methods.values():
        is_out &= np.isfinite(each[0])
    return Weeks(sales, is_out, methods)


def rows_of(weeks: Weeks) -> list[dict[str, object]]:
    """A row for each method."""
    expected = weeks.sales["expected"].to_numpy()
    out, items = weeks.is_out, weeks.sales["item_id"].to_numpy()
    table: list[dict[str, object]] = []
    sold = {"what was sold": [weeks.sales["units"].to_numpy(dtype=float)]}
    in_stock = (weeks.sales["in_stock"] == 1).to_numpy()
    for name, each in {**weeks.methods, **sold}.items():
        wapes = [np.abs(one - expected)[out].sum() / expected[out].sum() for one in each]
        filled = [np.where(in_stock, sold["what was sold"][0], one) for one in each]
        usable = [np.isfinite(one) for one in filled]
        gain = ""
        if name != DEMAND:
            gains = [
                _gain(own, each[0], expected, rows=out, items=items)
                for own in weeks.methods[DEMAND]
            ]
            gain = " / ".join(f"{g:.3f} [{low:.3f}, {high:.3f}]" for g, low, high in gains)
        table.append(
            {
                "demand by": name,
                "WAPE": _numbers(wapes),
                "bias": _numbers([one[out].sum() / expected[out].sum() - 1 for one in each], "+"),
                "demand better by": gain,
                "bias over all weeks": _numbers(
                    [
                        one[own].sum() / expected[own].sum() - 1
                        for one, own in zip(filled, usable, strict=True)
                    ],
                    "+",
                ),
            }
        )
    return table


def _gain(
    own: Floats, other: Floats, expected: Floats, *, rows: Floats, items: Floats
) -> tuple[float, float, float]:
    """By how much the WAPE is lower, with its 95 % interval: whole items are drawn anew."""
    names, codes = np.unique(items[rows], return_inverse=True)
    sums = [
        np.stack(
            [
                sums_by(codes, values[rows], n_groups=len(names))
                for values in (np.abs(one - expected), expected)
            ],
            axis=1,
        )
        for one in (own, other)
    ]
    return bootstrap_of_sums(lambda one: one[..., 0] / one[..., 1], *sums)


def _numbers(values: Sequence[float], sign: str = "") -> str:
    return " / ".join(f"{one:{sign}.3f}" for one in values)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="trainings")
    parser.add_argument("--items", type=int, help="the first of them; default: all")
    parser.add_argument("--members", nargs="+", choices=FORECAST_MEMBERS, default=["ridge"])
    parser.add_argument("--trial", action="store_true", help="print only")
    options = parser.parse_args(arguments)
    items, sales = weeks_of(demo_folder(), n_items=options.items)
    weeks = measured(items, sales, members=options.members, seeds=options.seeds)
    members = ", ".join(options.members)
    write_section(
        f"Demo catalogue: demand in weeks without stock ({members})",
        command=f"python benchmarks/demo_demand.py --seeds {options.seeds}"
        + (f" --items {options.items}" if options.items else "")
        + f" --members {' '.join(options.members)}",
        workload=f"{len(items)} items before the cutoff: {len(sales)} weeks, {weeks.is_out.sum()} "
        "of them without stock and with weeks in stock before them. Members: "
        f"{members}; items by categories and numbers, without texts and photos. What the recipe "
        "expects of a week in full stock, its noise included, is the truth; no model sees it.",
        rows=rows_of(weeks),
        notes="WAPE and bias of weeks without stock, by means. Each number is one seed. In "
        "brackets 95 % intervals over items. Bias over all weeks: in stock by what was sold, in "
        "the others by the method.",
        trial=options.trial,
    )


if __name__ == "__main__":
    main()

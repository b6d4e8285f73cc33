"""Weekly sales of fashion launches of visuelle2_550: of new items, and after their first two weeks.

python benchmarks/visuelle_weeks.py --data FOLDER_WITH_products.csv_AND_images --store STORE
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from results import write_section

from fusion.choices.encoders import EncoderChoices
from fusion.data.panel.cells import frame_parts
from fusion.data.panel.columns import SalesColumns
from fusion.forecasting.backtest.baselines import baseline_forecasts
from fusion.forecasting.backtest.forecasts import Actual, Forecasts
from fusion.forecasting.backtest.metrics import scores
from fusion.forecasting.backtest.paired import paired_gains
from fusion.forecasting.content import ContentSpec, check_items
from fusion.forecasting.examples import Examples, examples_at, past_examples
from fusion.forecasting.history import (
    History,
    SalesSpec,
    frames_reader,
    read_history,
    sales_of_items,
)
from fusion.forecasting.members.defaults import DEFAULT_MEMBERS
from fusion.forecasting.trained import ForecastSpec, train_forecast, with_content

N_WEEKS = 12
TAGS = ("category", "color", "fabric")
ARRIVAL = {
    "SS17": "2017-05-01",
    "AW17": "2017-10-30",
    "SS18": "2018-04-30",
    "AW18": "2018-10-29",
    "SS19": "2019-04-29",
    "AW19": "2019-10-28",
}
"""A Monday in each season: the data tell weeks after arrival, not dates."""
FIRST_TEST = "SS19"
PHOTOS: Mapping[str, Any] = {
    "clothing18": {"name": "resnet18", "weights": "clothing18"},
    "efficientnet_lite0": "efficientnet_lite0",
}
LEVELS = (0.1, 0.5, 0.9)
COLUMNS = SalesColumns(item="id", date="week", units="units", in_stock="in_stock")
SHOWN = ("median by age", "ratio by age", "trees on lags")
Found = dict[str, list[Forecasts]]


def tables(data: Path, *, most_items: int | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Products, and their sales in the weeks after arrival; later ones are unknown."""
    products = pd.read_csv(data / "products.csv")
    products = products[products["in_catalog"] == 1].iloc[:: 1 if most_items is None else 8]
    products = products.assign(id=products["id"].astype(str))
    arrival = pd.to_datetime(products["season"].map(ARRIVAL)).to_numpy()
    weeks = [products["id"].to_numpy() for _ in range(N_WEEKS + 1)]
    units = [products[f"w{week}"].to_numpy() for week in range(N_WEEKS)]
    sales = pd.DataFrame(
        {
            "id": np.concatenate(weeks),
            "week": np.concatenate(
                [arrival + np.timedelta64(7 * week, "D") for week in range(N_WEEKS + 1)]
            ),
            "units": np.concatenate([*units, np.zeros(len(products))]),
            "in_stock": np.repeat([1, 0], [N_WEEKS * len(products), len(products)]),
        }
    )
    items = products[["id", "image", *TAGS, "season"]].reset_index(drop=True)
    return items, sales


def content_spec(data: Path, store: Path, *, photos: str | None) -> ContentSpec:
    """Tags as categories, and the photo as one of `PHOTOS` reads it, or not at all."""
    columns = {"id": ["id"], "categorical": list(TAGS), "text": [], "numeric": [], "dates": []}
    columns["image"] = [] if photos is None else ["image"]
    choices = {} if photos is None else {"image": PHOTOS[photos]}
    return ContentSpec(
        columns=columns,
        exclude=["season"],
        encoders=EncoderChoices(choices),
        photos=data / "images",
        store=store,
    )


def asked_at_age(history: History, seasons: pd.Series, age: int, *, horizon: int) -> Examples:
    """Items of the test seasons, so many weeks after their arrival."""
    panel = history.panel
    is_test = seasons.to_numpy()[history.rows] >= ARRIVAL[FIRST_TEST]
    series = np.flatnonzero(is_test)
    return examples_at(panel, series, panel.first[series] + age, horizon=horizon)


def measured(
    history: History, seasons: pd.Series, spec: ForecastSpec, age: int
) -> tuple[Examples, Forecasts]:
    """What a forecast that learned before the first test season answers at an age."""
    until = int(history.panel.frequency.period(np.datetime64(ARRIVAL[FIRST_TEST])))
    model, content = train_forecast(history, spec, until=until)
    asked = with_content(
        asked_at_age(history, seasons, age, horizon=spec.horizon), history, content
    )
    answers = model.distribution(asked)
    return asked, Forecasts(answers.mean, answers.quantile(LEVELS), LEVELS)


def row(name: str, actual: Actual, found: Sequence[Forecasts]) -> dict[str, object]:
    """Metrics of one method: each seed, as they differ little."""
    each = [scores(actual, one) for one in found]

    def told(metric: str) -> str:
        return " / ".join(f"{one[metric]:.3f}" for one in each)

    return {
        "forecast by": name,
        "weekly WAPE": told("wape"),
        "WAPE of the total": told("wape_total"),
        "bias": told("bias"),
        "coverage of 80 %": told("coverage"),
    }


def section(
    data: Path, store: Path, age: int, *, seeds: int, most_items: int | None
) -> tuple[list[dict[str, object]], str, int]:
    """Rows and notes of the forecasts at an age, and how many items were asked."""
    items, sales = tables(data, most_items=most_items)
    seasons = items["season"].map(ARRIVAL)
    horizon = N_WEEKS - age
    rows: list[dict[str, object]] = []
    means: dict[str, Forecasts] = {}
    for photos in ("efficientnet_lite0", "clothing18", None):
        content = content_spec(data, store, photos=photos)
        spec_of_sales = SalesSpec(COLUMNS)
        read = frames_reader(frame_parts(sales), spec_of_sales)
        found_sales = sales_of_items(items, read, spec_of_sales)
        history = read_history(found_sales, check_items(items, content), content)
        for members in (DEFAULT_MEMBERS, ("kernel",)):
            found = []
            for seed in range(seeds):
                spec = ForecastSpec(horizon, LEVELS, {key: {} for key in members}, content, seed)
                asked, answers = measured(history, seasons, spec, age)
                found.append(answers)
            name = "forecast" if members is DEFAULT_MEMBERS else "kernel alone"
            label = f"{name}, {photos or 'no photo'}"
            rows.append(row(label, Actual.of_examples(asked), found))
            means[label] = found[0]
    until = int(history.panel.frequency.period(np.datetime64(ARRIVAL[FIRST_TEST])))
    training = past_examples(history.panel, horizon=horizon, until=until)
    simple = baseline_forecasts(training, asked, levels=LEVELS).forecasts
    actual = Actual.of_examples(asked)
    rows += [row(name, actual, [simple[name]]) for name in SHOWN if name in simple]
    names = np.array(history.panel.ids)[asked.windows.series]
    notes = []
    for label in ("forecast, efficientnet_lite0", "forecast, clothing18"):
        pair = {label: means[label], "forecast, no photo": means["forecast, no photo"]}
        gains = paired_gains(
            actual, pair, blocks=names, reference=label, metrics=("wape", "wape_total")
        )
        told = ", ".join(
            f"{g.metric} {g.gain:+.3f} [{g.low:+.3f}, {g.high:+.3f}]" for g in gains.rows
        )
        notes.append(f"The photo adds to {label} (seed 0, 95 % intervals over items): {told}.")
    return rows, " ".join(notes), len(asked)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes two sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with products.csv, images")
    parser.add_argument("--store", type=Path, required=True, help="embedding store")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each forecast")
    parser.add_argument("--items", type=int, help="fewer items, to try the script")
    options = parser.parse_args(arguments)
    if not (options.data / "products.csv").is_file() or not (options.data / "images").is_dir():
        parser.error(f"--data must hold products.csv and images/, got {options.data}.")
    for age, what in ((0, "new items"), (2, "two weeks after arrival")):
        rows, notes, n_asked = section(
            options.data, options.store, age, seeds=options.seeds, most_items=options.items
        )
        write_section(
            f"visuelle2_550: weekly units of {what}",
            command="python benchmarks/visuelle_weeks.py --data DATA --store STORE "
            f"--seeds {options.seeds}",
            workload=f"Weeks {age} to {N_WEEKS - 1} of {n_asked} products of SS19 and AW19, by "
            "what was sold of SS17 to AW18: category, colour, fabric, photo"
            + (", and the units of the first two weeks." if age else ".")
            + " Each number is one seed. WAPE of the total is by its own median.",
            rows=rows,
            notes=notes,
            trial=options.items is not None,
        )


if __name__ == "__main__":
    main()

"""A forecast of many items: time, memory and WAPE beside NHITS and pooled LightGBM.

Run: python benchmarks/forecast_speed.py
Needs about 4 GB of memory and half an hour on two cores; nothing else should run. The row of NHITS
needs neuralforecast, which is no dependency of the project: pip install neuralforecast
"""

import argparse
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from itertools import product
from multiprocessing.connection import Connection

import numpy as np
import pandas as pd
from results import write_section
from wide_tables import peak_mb

from fusion.data.panel.cells import frame_parts
from fusion.data.panel.columns import SalesColumns
from fusion.forecasting.asked import asked_examples
from fusion.forecasting.backtest.baseline_models import (
    MOST_TREE_ROWS,
    N_TREES,
    PARAMETERS,
    lag_table,
    trees,
)
from fusion.forecasting.content import ContentSpec, check_items
from fusion.forecasting.examples import Examples, Floats, past_examples
from fusion.forecasting.history import (
    History,
    SalesSpec,
    frames_reader,
    read_history,
    sales_of_items,
)
from fusion.forecasting.members.defaults import DEFAULT_MEMBERS
from fusion.forecasting.trained import MOST_EXAMPLES, ForecastSpec, train_forecast, with_content
from fusion.members.openmp import lightgbm

HORIZON = 4
LEVELS = (0.1, 0.5, 0.9)
ITEMS, WEEKS = (2_000, 4_000, 8_000), (50, 100)
COMPARED = (4_000, 50)
AIM_S = 180
INPUT_WEEKS = 24
COLUMNS = SalesColumns(promotion="promotion", known=("promotion",))
FIRST_DAY = "2024-01-01"
WORKLOAD = """
Made-up sales of items in {departments} departments: Poisson counts around level x wave x promotion
x gamma noise. Levels are log-normal (median 8 units a week), the wave has a year's length and a
phase by department, an eighth of the weeks of an item has a promotion that doubles sales and is
known ahead, the noise has a standard deviation of 0.3. All methods are given the same table in
memory, and forecast the {horizon} weeks behind the given ones. Time is from that table to the
forecast, reading and checking included. WAPE is that of the medians by week and of their sum, or of
the median of the sum where a method tells it. Memory is the peak of the whole process, imports
included; each row is a process of its own, threads by default. The forecast (default members:
{members}) and NHITS are told the promotions; the trees once without and once with them. Trees
without them are those of a backtest: mean and quantiles, from the latest {tree_windows:,} windows.
NHITS has its defaults (1,000 steps), inputs of {input_weeks} weeks and the scaler `robust`.
A forecast learns from at most {most:,} windows (an item at a week), the latest.
"""
N_DEPARTMENTS = 6


@dataclass(frozen=True)
class Taken:
    """What a forecast took, and how good it was.

    Args:
        wall_s: Seconds.
        cpu_s: Processor seconds.
        peak_mb: Of the process.
        wape: Of the weeks.
        wape_total: Of the four weeks together.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    wape: float
    wape_total: float


def sales_table(n_items: int, n_weeks: int) -> pd.DataFrame:
    """One row an item and week, `n_weeks` and the horizon behind them, sorted by item."""
    random = np.random.default_rng(0)
    weeks = n_weeks + HORIZON
    level = np.exp(random.normal(np.log(8), 1.0, (n_items, 1)))
    department = np.arange(n_items)[:, None] % N_DEPARTMENTS
    wave = np.exp(0.5 * np.sin(2 * np.pi * (np.arange(weeks) / 52 + department / N_DEPARTMENTS)))
    promotion = random.random((n_items, weeks)) < 1 / 8
    noise = random.gamma(1 / 0.3**2, 0.3**2, (n_items, weeks))
    units = random.poisson(level * wave * np.where(promotion, 2.0, 1.0) * noise)
    names = [f"item-{item:05}" for item in range(n_items)]
    return pd.DataFrame(
        {
            "item_id": np.repeat(names, weeks),
            "date": np.tile(pd.date_range(FIRST_DAY, periods=weeks, freq="7D"), n_items),
            "units": units.ravel(),
            "promotion": promotion.ravel().astype(float),
        }
    )


def hidden(sales: pd.DataFrame) -> pd.DataFrame:
    """Which rows are forecast: their units must not be read, `item_id` and `date` may."""
    return sales.groupby("item_id", sort=False).tail(HORIZON)


def history_of(sales: pd.DataFrame) -> History:
    """The panel of what is known, with the promotions that are planned, and the items."""
    ahead = hidden(sales)
    known = sales.drop(index=ahead.index)
    names = sales["item_id"].unique()
    departments = [f"department {place % N_DEPARTMENTS}" for place in range(len(names))]
    items = pd.DataFrame({"item_id": names, "department": departments})
    spec = SalesSpec(COLUMNS, frequency="week", planned=ahead.drop(columns="units"))
    content = ContentSpec(columns={"id": ["item_id"], "categorical": ["department"]})
    found = sales_of_items(items, frames_reader(frame_parts(known), spec), spec)
    return read_history(found, check_items(items, content), content)


def by_forecast(sales: pd.DataFrame) -> Floats:
    """Medians `[n_items, 5]` of the default members."""
    history = history_of(sales)
    model, content = train_forecast(history, ForecastSpec(HORIZON, levels=LEVELS))
    asked = asked_examples(history, history.panel.end, horizon=HORIZON)
    answers = model.distribution(with_content(asked, history, content))
    return answers.quantile([0.5])[:, :, 0]


def _questions(history: History) -> tuple[Examples, Examples]:
    """What can be learned from, and what is asked."""
    panel = history.panel
    asked = asked_examples(history, panel.end, horizon=HORIZON)
    return past_examples(panel, horizon=HORIZON, until=panel.end), asked


def by_trees(sales: pd.DataFrame) -> Floats:
    """Medians `[n_items, 5]` of LightGBM on lags, as in a backtest."""
    return trees(*_questions(history_of(sales)), levels=LEVELS, seed=0).median


def by_trees_with_promotions(sales: pd.DataFrame) -> Floats:
    """Medians `[n_items, 4]` of one LightGBM of absolute errors, on lags and promotions."""
    training, asked = _questions(history_of(sales))
    labels = training.targets().ravel()
    known = ~np.isnan(labels)
    settings = {**PARAMETERS, "objective": "l1", "seed": 0}
    data = lightgbm().Dataset(_with_promotions(training)[known], label=labels[known])
    model = lightgbm().train(settings, data, num_boost_round=N_TREES)
    found = np.asarray(model.predict(_with_promotions(asked)), dtype=np.float64)
    return found.reshape(-1, HORIZON)


def _with_promotions(examples: Examples) -> Floats:
    """Rows `[n * 4, n_features]`: lags, the last promotions, the step and its promotion."""
    windows = examples.windows
    lags = np.column_stack([lag_table(windows), windows.past("promotion", 8)])
    steps = np.tile(np.arange(HORIZON), len(lags))
    planned = windows.future("promotion").ravel()
    return np.column_stack([np.repeat(lags, HORIZON, axis=0), steps, planned])


def by_nhits(sales: pd.DataFrame) -> Floats:
    """Medians `[n_items, 4]` of NHITS."""
    from neuralforecast import NeuralForecast  # no dependency of the project
    from neuralforecast.models import NHITS

    table = sales.rename(columns={"item_id": "unique_id", "date": "ds", "units": "y"})
    ahead = hidden(sales).index
    network = NHITS(
        h=HORIZON,
        input_size=INPUT_WEEKS,
        futr_exog_list=["promotion"],
        scaler_type="robust",
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    model = NeuralForecast(models=[network], freq="W-MON")
    model.fit(table.drop(index=ahead))
    found = model.predict(futr_df=table.loc[ahead].drop(columns="y"))
    return found.sort_values(["unique_id", "ds"])["NHITS"].to_numpy().reshape(-1, HORIZON)


Method = Callable[[pd.DataFrame], Floats]
FORECAST = "forecast"
METHODS: Mapping[str, Method] = {
    FORECAST: by_forecast,
    "LightGBM on lags": by_trees,
    "LightGBM on lags and promotions": by_trees_with_promotions,
    "NHITS": by_nhits,
}


def taken(name: str, n_items: int, n_weeks: int) -> Taken:
    """One method in this process; the table is made before the clock starts."""
    sales = sales_table(n_items, n_weeks)
    actual = hidden(sales)["units"].to_numpy(np.float64).reshape(-1, HORIZON)
    wall, cpu = time.perf_counter(), time.process_time()
    median = METHODS[name](sales)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    steps, total = median[:, :HORIZON], median[:, HORIZON:].ravel()
    if not len(total):
        total = steps.sum(axis=1)
    error = np.abs(actual.sum(axis=1) - total).sum() / actual.sum()
    wape = np.abs(actual - steps).sum() / actual.sum()
    return Taken(wall, cpu, peak_mb(), float(wape), float(error))


def measured(name: str, n_items: int, n_weeks: int) -> Taken:
    """`taken` in a new process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(name, n_items, n_weeks, theirs))
    process.start()
    theirs.close()
    try:
        return Taken(*ours.recv())
    except EOFError:
        raise SystemExit(f"{name} of {n_items} items ended its process.") from None
    finally:
        process.join()


def _child(name: str, n_items: int, n_weeks: int, pipe: Connection) -> None:
    pipe.send(astuple(taken(name, n_items, n_weeks)))


def row(name: str, n_items: int, n_weeks: int) -> dict[str, object]:
    """A row of the table."""
    found = measured(name, n_items, n_weeks)
    aimed = name == FORECAST and (n_items, n_weeks) == COMPARED
    aim = f" (aim: under {AIM_S}, {'yes' if found.wall_s < AIM_S else 'no'})" if aimed else ""
    return {
        "method": name,
        "items": f"{n_items:,}",
        "weeks": n_weeks,
        "windows": f"{n_items * (n_weeks - 1):,}",  # nobody knows what came before the first week
        "seconds": f"{found.wall_s:.0f}{aim}",
        "processor seconds": f"{found.cpu_s:.0f}",
        "peak memory (MB)": f"{found.peak_mb:,.0f}",
        "weekly WAPE": f"{found.wape:.3f}",
        "WAPE of the total": f"{found.wape_total:.3f}",
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints, and writes the section unless sizes were chosen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=list(ITEMS))
    parser.add_argument("--weeks", type=int, nargs="+", default=list(WEEKS))
    parser.add_argument("--compared", type=int, nargs=2, default=list(COMPARED))
    options = parser.parse_args(arguments)
    nhits = find_spec("neuralforecast") is not None
    names = [name for name in METHODS if name != "NHITS" or nhits]
    compared = tuple(options.compared)
    sizes = [size for size in product(options.items, options.weeks) if size != compared]
    rows = [row(name, *compared) for name in names]
    rows += [row(FORECAST, *size) for size in sizes]
    told = "neuralforecast is not installed: NHITS is left out."
    if nhits:
        told = f"NHITS of neuralforecast {version('neuralforecast')}."
    write_section(
        "A forecast of many items: time, memory and WAPE",
        command="python benchmarks/forecast_speed.py",
        workload=WORKLOAD.format(
            departments=N_DEPARTMENTS,
            horizon=HORIZON,
            members=", ".join(DEFAULT_MEMBERS),
            input_weeks=INPUT_WEEKS,
            most=MOST_EXAMPLES,
            tree_windows=MOST_TREE_ROWS // HORIZON,
        ),
        rows=rows,
        notes=told,
        trial=(options.items, options.weeks, compared) != (list(ITEMS), list(WEEKS), COMPARED),
    )


if __name__ == "__main__":
    main()

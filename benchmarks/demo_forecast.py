"""Weekly sales of the demo catalogue: do ranges of forecasts hold, and what beats simple methods.

python benchmarks/demo_forecast.py --store STORE
"""

import argparse
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from results import write_section

from fusion.choices.mistakes import Mistakes
from fusion.forecasting.backtest.forecasts import Actual, Forecasts, joined
from fusion.forecasting.backtest.metrics import METRICS, scores, sums_by
from fusion.forecasting.backtest.origins import backtest
from fusion.forecasting.backtest.result import FORECAST, BacktestResult, scored
from fusion.forecasting.examples import STAGES, Floats, Ints
from fusion.forecasting.history import History
from fusion.forecasting.members.registry import FORECAST_MEMBERS
from fusion.forecasting.trained import ForecastSpec
from fusion.job_steps.forecast import ForecastInputs, checked_inputs, history_of
from fusion.job_steps.forecast_config import ForecastConfig
from fusion.jobs.demo import demo_folder

Row = dict[str, object]

LEVELS = (0.05, 0.1, 0.5, 0.9, 0.95)
RANGES = {0.8: (0.1, 0.5, 0.9), 0.9: (0.05, 0.5, 0.95)}
"""Promised coverage -> levels of a range and the median."""
ALLOWED = 0.02
"""Points by which a coverage may miss what was promised, besides two standard errors."""
WAPES = ("wape", "wape_total")


@dataclass(frozen=True)
class Measured:
    """Forecasts of the same items and dates by several seeds, and what was sold.

    Args:
        first: Of the first seed, beside simple methods.
        forecasts: Of every seed, the first among them.
        items: Number of the item of each row, `[n]`.
    """

    first: BacktestResult
    forecasts: tuple[Forecasts, ...]
    items: Ints


@dataclass(frozen=True)
class Coverage:
    """How many sold units lie inside ranges.

    Args:
        promised: Share that should.
        found: Share that does.
        error: Standard error of that share over items, whose steps and dates are not independent.
    """

    promised: float
    found: float
    error: float

    @property
    def holds(self) -> bool:
        """Whether it misses what was promised by no more than 2 points and 2 standard errors."""
        return abs(self.found - self.promised) <= ALLOWED + 2 * self.error


def inputs_of(
    *, store: Path, members: Sequence[str] | None, n_origins: int, folder: Path
) -> ForecastInputs:
    """The tables of the demo forecast, checked."""
    overrides = {"forecast.levels": list(LEVELS), "forecast.origins": n_origins}
    chosen = {} if members is None else {"forecast.members": list(members)}
    config = ForecastConfig.from_file(
        demo_folder() / "forecast.toml", overrides={**overrides, **chosen}
    )
    config.store = store.absolute()
    return checked_inputs(config, folder, Mistakes(), is_measured=True, is_asked=False)


def measured(
    history: History, spec: ForecastSpec, origins: Sequence[int], *, seeds: int
) -> Measured:
    """Forecasts at some dates, each trained anew by what was known then."""
    asked = list(backtest(history, spec, origins))
    first = scored(history, asked)
    found = [first.forecasts[FORECAST]]
    for seed in range(1, seeds):
        again = ForecastSpec(spec.horizon, spec.levels, spec.members, spec.content, seed)
        answers = [origin.answers for origin in backtest(history, again, origins)]
        found.append(joined([Forecasts(a.mean, a.quantile(LEVELS), LEVELS) for a in answers]))
        print(f"seed {seed}: {scores(first.actual, found[-1])}", flush=True)
    items = history.rows[first.examples.windows.series]
    return Measured(first, tuple(found), items)


def coverages(
    actual: Actual, forecasts: Forecasts, items: Ints, *, promised: float
) -> dict[str, Coverage]:
    """How many units of all steps, of each step and of totals lie in the range of a level.

    Args:
        actual: What was sold.
        forecasts: Of the same rows.
        items: Number of the item of each row, `[n]`.
        promised: A level of `RANGES`.
    """
    places = [forecasts.levels.index(level) for level in RANGES[promised]]
    own = Forecasts(forecasts.mean, forecasts.quantiles[..., places], RANGES[promised])
    of_steps = METRICS["coverage"].parts(actual, own)
    of_total = METRICS["coverage_total"].parts(actual, own)
    inside, known = of_steps.numerator, of_steps.denominator
    entries = {
        "all steps": (inside.sum(axis=1), known.sum(axis=1)),
        **{f"step {n + 1}": (inside[:, n], known[:, n]) for n in range(inside.shape[1])},
        "total": (of_total.numerator[:, 0], of_total.denominator[:, 0]),
    }
    codes = np.unique(items, return_inverse=True)[1]
    return {name: _clustered(promised, *sums, codes) for name, sums in entries.items()}


def _clustered(promised: float, inside: Floats, known: Floats, codes: Ints) -> Coverage:
    """A share and its standard error over clusters. Source: Cochran (1977), ratio estimator."""
    n_items = int(codes.max(initial=-1)) + 1
    hits, counts = (sums_by(codes, values, n_groups=n_items) for values in (inside, known))
    if not counts.sum():
        return Coverage(promised, math.nan, math.nan)
    share = float(hits.sum() / counts.sum())
    spread = ((hits - share * counts) ** 2).sum() * n_items / max(n_items - 1, 1)
    return Coverage(promised, share, float(np.sqrt(spread) / counts.sum()))


def groups(found: Measured) -> Iterator[tuple[str, Ints]]:
    """All rows, and those of each life stage."""
    stages = found.first.examples.stages()
    yield "all", np.arange(len(stages))
    for place, name in enumerate(STAGES):
        if (stages == place).any():
            yield name, np.flatnonzero(stages == place)


def coverage_rows(before: Measured, after: Measured) -> list[Row]:
    """Ranges before the cutoff, held against what they promise, and after it: all seeds."""
    late = {name: _by_entry(after, rows) for name, rows in groups(after)}
    table: list[Row] = []
    for name, rows in groups(before):
        early = _by_entry(before, rows)
        for entry in early[0.8]:
            row: Row = {"items": name, "forecasts": len(rows), "of": entry}
            for promised in RANGES:
                each = early[promised][entry]
                label = f"{promised:.0%}".replace("%", " %")
                row[label] = _shares(each)
                row[f"{label}: allowed miss"] = f"{ALLOWED + 2 * each[0].error:.3f}"
                row[f"{label}: holds"] = "yes" if all(one.holds for one in each) else "no"
            for promised in RANGES:
                each = late[name][promised][entry] if name in late else []
                row[f"{promised:.0%}, after the cutoff".replace("%", " %")] = _shares(each)
            table.append(row)
    return table


def _by_entry(found: Measured, rows: Ints) -> dict[float, dict[str, list[Coverage]]]:
    actual, items = found.first.actual.take(rows), found.items[rows]
    by_range = {}
    for promised in RANGES:
        each = [
            coverages(actual, one.take(rows), items, promised=promised) for one in found.forecasts
        ]
        by_range[promised] = {entry: [one[entry] for one in each] for entry in each[0]}
    return by_range


def _shares(each: Sequence[Coverage]) -> str:
    return " / ".join(f"{one.found:.3f}" for one in each) or "-"


def score_rows(before: Measured, after: Measured) -> list[Row]:
    """WAPE of the forecast, of all seeds, and of simple methods; gains over them."""
    parts = {"": before, ", after the cutoff": after}
    both = [name for name in before.first.forecasts if name in after.first.forecasts]
    table: list[Row] = []
    for name in both:
        row: Row = {"forecast by": name}
        for when, found in parts.items():
            own = found.forecasts if name == FORECAST else [found.first.forecasts[name]]
            each = [scores(found.first.actual, one) for one in own]
            gains = {g.metric: g for g in found.first.gains.rows if g.method == name}
            for metric, label in zip(WAPES, ("weekly WAPE", "WAPE of the total"), strict=True):
                text = " / ".join(f"{one[metric]:.3f}" for one in each)
                if metric in gains:
                    gain = gains[metric]
                    text += f" ({gain.gain:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}])"
                row[label + when] = text
            row["bias" + when] = " / ".join(f"{one['bias']:+.3f}" for one in each)
        table.append(row)
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes both sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True, help="embedding store")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each forecast")
    parser.add_argument("--origins", type=int, default=3, help="dates before the cutoff")
    parser.add_argument("--members", nargs="+", choices=FORECAST_MEMBERS, help="default: the demo")
    parser.add_argument("--trial", action="store_true", help="print only")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        inputs = inputs_of(
            store=options.store,
            members=options.members,
            n_origins=options.origins,
            folder=Path(folder) / "out",
        )
    history, spec = history_of(inputs), inputs.spec
    before = measured(history, spec, inputs.origins.tolist(), seeds=options.seeds)
    after = measured(history, spec, [inputs.until], seeds=options.seeds)
    members = ", ".join(spec.made_members())
    day = history.panel.frequency.first_day
    command = f"python benchmarks/demo_forecast.py --store STORE --seeds {options.seeds}" + (
        f" --members {' '.join(options.members)}" if options.members else ""
    )
    days = ", ".join(str(day(origin)) for origin in inputs.origins)
    workload = (
        f"Members: {members}. {spec.horizon} weeks from {days}, all over before the cutoff of "
        f"{day(inputs.until)}; and from the cutoff on, when a campaign begins that was never seen "
        "before: texts and photos then count five times as much. Each forecast was trained anew by "
        f"what was known then. {len(before.items)} forecasts before the cutoff, "
        f"{len(after.items)} at it."
    )
    write_section(
        f"Demo catalogue: do ranges of weekly forecasts hold ({members})",
        command=command,
        workload=workload,
        rows=coverage_rows(before, after),
        notes="Each number is one seed: share of the known weeks, or totals, inside the range; a "
        "whole number on its edge counts as inside. Allowed miss: 2 points and two binomial "
        "standard errors, clustered by item: all steps and dates of an item count as one "
        "observation. What all items share, such as a season that was not seen before, is in no "
        "standard error. Holds: with every seed.",
        trial=options.trial,
    )
    write_section(
        f"Demo catalogue: weekly forecasts beside simple methods ({members})",
        command=command,
        workload=workload,
        rows=score_rows(before, after),
        notes="Of the forecast each number is one seed. WAPE of the total is by its own median. In "
        "brackets what the forecast (first seed) is better by (positive: better), with 95 % "
        "intervals over items. Bias is of the mean.",
        trial=options.trial,
    )


if __name__ == "__main__":
    main()

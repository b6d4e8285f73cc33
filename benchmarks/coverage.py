"""Do ranges hold: how many held-out targets lie inside what was promised, on four sets.

python benchmarks/coverage.py --data FOLDER_OF_SETS --store STORE
"""

import argparse
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from babies_r_us import DROPPED
from numpy.typing import NDArray
from results import write_section
from sklearn.model_selection import train_test_split
from visuelle2_550 import SCHEMA, Launches
from womens_clothing import CATEGORIES, NUMBERS, TEXT, Reviews
from womens_clothing import TARGET as RECOMMENDED

from fusion import FusionClassifier, FusionRegressor
from fusion.jobs.demo import demo_folder
from heads import metrics

Floats = NDArray[np.float64]
Row = dict[str, object]

LEVELS = (0.05, 0.1, 0.5, 0.9, 0.95)
ALLOWED = 0.02
"""Points by which a coverage may miss its level, besides two binomial standard errors."""
DEMO_TARGET = "units_next_8w"
MOST_ERROR = 0.02
"""Calibration error of honest probabilities, at most."""


@dataclass(frozen=True)
class Case:
    """Training and test rows of one set with one split.

    Args:
        name: Of the set.
        frame: All rows.
        target: `[n]`, in its own unit.
        training: Positions of the training rows.
        test: Positions of the test rows.
        options: Of the estimator.
        heads: Heads that are asked.
    """

    name: str
    frame: pd.DataFrame
    target: Floats
    training: NDArray[np.int64]
    test: NDArray[np.int64]
    options: Mapping[str, Any]
    heads: Sequence[str]


def prices(data: Path, seed: int) -> Case:
    """babies_r_us, a random tenth held out."""
    frame = pd.read_csv(data / "babies_r_us" / "babies_r_us.csv").drop(columns=DROPPED)
    target = frame.pop("price").to_numpy(dtype=np.float64)
    return _drawn("babies_r_us", frame, target, ("regression", "quantiles"), seed=seed)


def launches(data: Path, seed: int) -> Case:
    """visuelle2_550, a random fifth held out: launches of other seasons are not like these."""
    made = Launches(data / "visuelle2_550", store=Path(), training={})
    frame = pd.concat([made.training, made.test], ignore_index=True)
    target = np.concatenate([made.units_training, made.units_test])
    columns = {role: list(SCHEMA.columns_of(role)) for role in ("text", "image", "categorical")}
    options = {"photos": made.photos, "encoders": made.options["encoders"], "columns": columns}
    heads = ("sales_volume", "quantiles", "regression")
    return _drawn("visuelle2_550", frame, target, heads, seed=seed, share=0.2, options=options)


def demo_items(data: Path, seed: int) -> Case:
    """The demo catalogue, a random fifth held out."""
    del data
    folder = demo_folder()
    frame = pd.read_csv(folder / "items.csv").dropna(subset=[DEMO_TARGET], ignore_index=True)
    target = frame.pop(DEMO_TARGET).to_numpy(dtype=np.float64)
    columns = tomllib.loads((folder / "train.toml").read_text())["data"]["columns"]
    options = {"photos": folder / "photos", "on_bad_rows": "absent", "columns": columns}
    heads = ("sales_volume", "quantiles", "regression")
    return _drawn("demo_data", frame, target, heads, seed=seed, share=0.2, options=options)


def reviews(data: Path, seed: int) -> Case:
    """womens_clothing, published split: probabilities."""
    made = Reviews(data / "womens_clothing", limit=None)
    frame = made.frame[[*TEXT, *NUMBERS, *CATEGORIES]]
    target = made.frame[RECOMMENDED].to_numpy(dtype=np.float64)
    return Case("womens_clothing", frame, target, made.known, made.test, {}, ("hot_item",))


def _drawn(
    name: str,
    frame: pd.DataFrame,
    target: Floats,
    heads: Sequence[str],
    *,
    seed: int,
    share: float = 0.1,
    options: Mapping[str, Any] | None = None,
) -> Case:
    training, test = train_test_split(np.arange(len(frame)), test_size=share, random_state=seed)
    return Case(name, frame, target, training, test, options or {}, heads)


CASES = {
    "babies_r_us": prices,
    "visuelle2_550": launches,
    "demo_data": demo_items,
    "womens_clothing": reviews,
}


def answers(case: Case, head: str, *, store: Path, seed: int) -> pd.DataFrame:
    """What a model of the training rows says of the test rows."""
    kind = FusionClassifier if head == "hot_item" else FusionRegressor
    asked = {"quantiles": {"levels": list(LEVELS)}} if head == "quantiles" else {}
    model = kind(head=head, head_options=asked, store=store, random_state=seed, **case.options)
    model.fit(case.frame.iloc[case.training], case.target[case.training])
    return model.predict_table(case.frame.iloc[case.test])


def covered(target: Floats, table: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Range of each pair of outer quantile columns -> its level and its coverage."""
    names = [name for name in table.columns if "_p" in name]
    levels = {name: float(name.rpartition("_p")[2]) / 100 for name in names}
    found = {}
    for low in (name for name in names if levels[name] < 0.5):
        high = next((h for h in names if math.isclose(levels[h], 1 - levels[low])), None)
        if high is not None:
            values = [table[name].to_numpy(dtype=np.float64) for name in (low, high)]
            promised = levels[high] - levels[low]
            share = metrics.coverage(target, *values)
            found[f"p{100 * levels[low]:g} to p{100 * levels[high]:g}"] = (promised, share)
    return found


def measured(case: Case, head: str, *, store: Path, seed: int) -> list[Row]:
    """Rows of one head on one split."""
    target, table = case.target[case.test], answers(case, head, store=store, seed=seed)
    if head == "hot_item":
        probability = table["hot_probability"].to_numpy(dtype=np.float64)
        error = metrics.expected_calibration_error(target, probability)
        met = error <= MOST_ERROR
        return [_row(case, head, seed, "calibration error", "0", error, is_met=met)]
    rows = []
    for name, (level, share) in covered(target, table).items():
        most = ALLOWED + 2 * math.sqrt(level * (1 - level) / len(target))
        is_met = abs(share - level) <= most
        rows.append(_row(case, head, seed, name, f"{level:.2f}", share, is_met=is_met))
    return rows


def _row(
    case: Case, head: str, seed: int, what: str, promised: str, found: float, *, is_met: bool
) -> Row:
    return {
        "set": case.name,
        "test rows": len(case.test),
        "head": head,
        "seed": seed,
        "range": what,
        "promised": promised,
        "found": f"{found:.3f}",
        "within 2 points and 2 standard errors": "yes" if is_met else "no",
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with a folder a set")
    parser.add_argument("--store", type=Path, required=True, help="embedding store")
    parser.add_argument("--seeds", type=int, default=3, help="splits and trainings of each set")
    parser.add_argument("--sets", nargs="+", default=list(CASES), help="some of the sets")
    options = parser.parse_args(arguments)
    rows = []
    for name in options.sets:
        for seed in range(options.seeds):
            case = CASES[name](options.data, seed)
            for head in case.heads:
                found = measured(case, head, store=options.store, seed=seed)
                print(found, flush=True)
                rows += found
    write_section(
        "Do ranges hold",
        command=f"python benchmarks/coverage.py --data DATA --store STORE --seeds {options.seeds}",
        workload="Estimators with their defaults, one head at a time, encoders frozen. Each seed "
        "draws other test rows (womens_clothing: the published ones). Found: share of the test "
        "rows inside the range; a whole number on its edge counts as inside, so counts may be "
        "covered more often than promised.",
        rows=rows,
        notes="Calibration error: mean distance of stated probabilities from the shares that came, "
        "in ten groups, at most .02 for a yes.",
        trial=options.seeds < 3 or options.sets != list(CASES),
    )


if __name__ == "__main__":
    main()

"""Do ranges hold: how many held-out targets lie inside what was promised, on four sets.

python benchmarks/coverage.py --data FOLDER_OF_SETS --store STORE
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from cases import Case, demo_items, mixed_launches, prices, reviews
from numpy.typing import NDArray
from results import write_section

from fusion import FusionClassifier, FusionRegressor
from heads import metrics

Floats = NDArray[np.float64]
Row = dict[str, object]

LEVELS = (0.05, 0.1, 0.5, 0.9, 0.95)
ALLOWED = 0.02
"""Points by which a coverage may miss its level, besides two binomial standard errors."""
MOST_ERROR = 0.02
"""Calibration error of honest probabilities, at most."""


CASES = {
    "babies_r_us": (prices, ("regression", "quantiles")),
    "visuelle2_550": (mixed_launches, ("sales_volume", "quantiles", "regression")),
    "demo_data": (demo_items, ("sales_volume", "quantiles", "regression")),
    "womens_clothing": (reviews, ("hot_item",)),
}
"""Set -> what gives its rows, and the heads that are asked."""


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
            make, heads = CASES[name]
            case = make(options.data, seed)
            for head in heads:
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

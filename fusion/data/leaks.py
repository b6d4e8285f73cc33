"""A first guard against leaks: columns that hold the target under another name.

Figures are too good to be true where a column is made of what is to be predicted (a tax of 0.93 x
the price, the weeks that the units are the sum of). So each column alone, and the sum of a few
number columns, is held against the target, on training rows alone and out of fold. It warns and
drops nothing: only people know what is known on the day of the forecast.

What it does not see: products and ratios of columns, texts, photos, and leaks that explain less.
History that `add_history` made ends before its date and is never blamed.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from fusion.data.catalogue import Catalogue
from fusion.data.schema import HISTORY

Floats = NDArray[np.float64]

MIN_ROWS = 40
"""Rows below which a close fit is no evidence."""
MAX_ROWS = 2000
"""Rows that are looked at, drawn evenly."""
MIN_KNOWN = 0.5
"""Share of the rows in which a column must be known to be blamed."""
ALONE = 0.98
"""R2 (of two classes: area under the ROC curve) from which one column explains nearly all."""
RANKS = 0.995
"""Rank correlation from which one column is the target on another scale."""
TOGETHER = 0.995
"""R2 from which a sum of columns is the target."""
MAX_PARTS = 24
"""Columns of a sum, at most: with more, nobody would call it a sum of few."""
MAX_COLUMNS = 400
"""Number columns among which a sum is looked for, at most; and half as many as rows."""
N_FOLDS = 5


def find_leaks(catalogue: Catalogue, targets: Mapping[str, Floats]) -> dict[str, str]:
    """One sentence for each target that columns explain nearly alone; none for the others.

    Args:
        catalogue: Training rows.
        targets: Targets `[n]` by name, NaN where unknown.
    """
    tables = [values for values in catalogue.values.values() if isinstance(values, pd.DataFrame)]
    columns = {
        str(name): table[name]
        for table in tables
        for name in table
        if not HISTORY.fullmatch(str(name))
    }
    found = {}
    for name, target in targets.items():
        rows = np.flatnonzero(np.isfinite(target))
        rows = rows[:: max(1, -(-len(rows) // MAX_ROWS))]
        if len(rows) < MIN_ROWS or len(np.unique(target[rows])) < 2:
            continue
        some = {key: _scaled(one.iloc[rows]) for key, one in columns.items()}
        sentence = _sentence(name, some, target[rows] / np.abs(target[rows]).max())
        if sentence:
            found[name] = sentence
    return found


def _scaled(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Numbers within [-1, 1], whose squares are numbers too; any other column as it is."""
    if column.dtype != np.float64:
        return column
    largest = float(column.abs().max())
    return column / largest if largest > 0 else column


def _sentence(name: str, columns: Mapping[str, "pd.Series[Any]"], target: Floats) -> str:
    alone = [key for key, column in columns.items() if _explains(column, target)]
    numbers = {
        key: column.to_numpy(dtype=np.float64)
        for key, column in columns.items()
        if column.dtype == np.float64 and key not in alone
    }
    parts = _sum_of(numbers, target)
    said = []
    if alone:
        said.append(f"{' and '.join(alone)}{' each' if len(alone) > 1 else ''} alone")
    if parts:
        said.append(f"a sum of {', '.join(parts)}")
    if not said:
        return ""
    return (
        f"{name} may be given away: {', and '.join(said)}, says nearly all of it on the training "
        "rows. If that is not known on the day of the forecast, the figures are too good: exclude "
        "these columns and train again."
    )


def _explains(column: "pd.Series[Any]", target: Floats) -> bool:
    """Whether one column says nearly all of a target: linear, monotone, or label by label."""
    if column.dtype == object:
        return _labels_explain(column, target)
    if column.dtype != np.float64:
        return False  # dates order rows, they hold no target
    known = column.notna().to_numpy()
    values, wanted = column.to_numpy(dtype=np.float64)[known], target[known]
    if not _is_enough(known, wanted) or len(np.unique(values)) < 2:
        return False
    if len(np.unique(wanted)) == 2:
        return _auc(values, wanted) >= ALONE
    ranks = abs(float(stats.spearmanr(values, wanted).statistic))
    if ranks >= RANKS and len(np.unique(wanted)) >= 10:
        return True
    return ranks >= 0.9 and _r2(_linear(values[:, None], wanted), wanted) >= ALONE


def _labels_explain(column: "pd.Series[Any]", target: Floats) -> bool:
    known = column.notna().to_numpy()
    codes, wanted = pd.factorize(column[known])[0], target[known]
    if not _is_enough(known, wanted) or not 2 <= codes.max(initial=-1) + 1 <= len(codes) / 4:
        return False
    answers = np.empty(len(wanted))
    for fold in range(N_FOLDS):
        asked = np.arange(len(wanted)) % N_FOLDS == fold
        counts = np.bincount(codes[~asked], minlength=codes.max() + 1)
        sums = np.bincount(codes[~asked], wanted[~asked], minlength=codes.max() + 1)
        means = np.where(counts > 0, sums / np.maximum(counts, 1), wanted[~asked].mean())
        answers[asked] = means[codes[asked]]
    if len(np.unique(wanted)) == 2:
        return _auc(answers, wanted) >= ALONE and _r2(answers, wanted) >= 0.9
    return _r2(answers, wanted) >= ALONE


def _sum_of(numbers: Mapping[str, Floats], target: Floats) -> list[str]:
    """The fewest number columns whose weighted sum is the target; none where there is no such sum.

    An unknown part counts as 0, as it would in a sum.
    """
    if len(np.unique(target)) < 10:
        return []
    kept = {
        name: np.nan_to_num(values, nan=0.0)
        for name, values in numbers.items()
        if np.isfinite(values).mean() >= MIN_KNOWN and np.nanstd(values) > 0
    }
    if not 2 <= len(kept) <= min(MAX_COLUMNS, len(target) // 2):
        return []
    matrix = np.stack(list(kept.values()), axis=1)
    scaled = (matrix - matrix.mean(axis=0)) / np.maximum(matrix.std(axis=0), 1e-12)
    if not _is_sum(scaled, target):
        return []
    weights = np.linalg.lstsq(scaled, target - target.mean(), rcond=None)[0]
    order = np.argsort(-np.abs(weights))
    for size in range(2, min(MAX_PARTS, len(order)) + 1):
        chosen = np.sort(order[:size])
        if _is_sum(scaled[:, chosen], target):
            return [list(kept)[place] for place in chosen]
    return []


def _is_sum(columns: Floats, target: Floats) -> bool:
    answers = _linear(columns, target)
    ranks = float(stats.spearmanr(answers, target).statistic)
    return _r2(answers, target) >= TOGETHER and ranks >= ALONE


def _linear(columns: Floats, target: Floats) -> Floats:
    """Answers `[n]` of least squares, each by rows of other folds."""
    design = np.hstack([columns, np.ones((len(columns), 1))])
    answers = np.empty(len(target))
    for fold in range(N_FOLDS):
        asked = np.arange(len(target)) % N_FOLDS == fold
        weights = np.linalg.lstsq(design[~asked], target[~asked], rcond=None)[0]
        answers[asked] = design[asked] @ weights
    return answers


def _is_enough(known: NDArray[np.bool_], target: Floats) -> bool:
    share = known.mean()
    return share >= MIN_KNOWN and len(target) >= MIN_ROWS and len(np.unique(target)) >= 2


def _r2(answers: Floats, target: Floats) -> float:
    total = float(np.square(target - target.mean()).sum())
    return 1.0 - float(np.square(answers - target).sum()) / total if total > 0 else 0.0


def _auc(values: Floats, target: Floats) -> float:
    """Area under the ROC curve of the better direction, in [0.5, 1]."""
    hot = target == target.max()
    ranks = stats.rankdata(values)
    n_hot = int(hot.sum())
    area = (ranks[hot].sum() - n_hot * (n_hot + 1) / 2) / (n_hot * (len(hot) - n_hot))
    return float(max(area, 1.0 - area))

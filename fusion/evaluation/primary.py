"""The primary metric of a head alone, quickly: it is asked for thousands of times."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from fusion.evaluation.bootstrap import Columns, Metric
from fusion.evaluation.questions import asked_values, columns_by_step
from heads import Column, Floats, Head, metrics

N_TRIALS = 3
"""Draws of rows on which a quick metric must be that of the head."""
TOLERANCE = 1e-9


def primary_metric(
    head: Head, target: Floats, predictions: Sequence[Columns]
) -> tuple[Metric, tuple[str, ...]]:
    """The primary metric of a head, and the columns that it looks at.

    Why: `head.metrics` computes everything, which is too slow to be called two thousand times. So
    a quick metric of the same name takes its place where it gives the same numbers: on the rows
    themselves and on draws of them. Where none does, it is `head.metrics`.

    Args:
        head: A fitted head.
        target: `[n, *target_shape]`, in business units.
        predictions: Columns `[n]` that will be scored on draws of these rows.
    """
    names = tuple(column.name for column in head.columns)

    def slow(target: Floats, columns: Columns) -> float:
        return head.metrics(target, dict(columns))[head.primary_metric]

    draws = np.random.default_rng(0).integers(len(target), size=(N_TRIALS, len(target)))
    trials = [
        (target[rows], {name: columns[name][rows] for name in names})
        for columns in predictions
        for rows in (np.arange(len(target)), *draws)
    ]
    wanted = [slow(*trial) for trial in trials]
    for quick, used in _candidates(head):
        found = [quick(drawn, columns) for drawn, columns in trials]
        if np.allclose(found, wanted, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
            return quick, used
    return slow, names


def _candidates(head: Head) -> Iterator[tuple[Metric, tuple[str, ...]]]:
    """Quick metrics that have the name of the primary one, for each column that it may be of."""
    steps = columns_by_step(head.columns).values()
    quick = ONE_COLUMN.get(head.primary_metric)
    for alike in zip(*steps, strict=True) if quick else ():
        yield _of(head, quick, alike), tuple(column.name for column in alike)
    whole = ALL_COLUMNS.get(head.primary_metric)
    if whole and len(steps) == 1:
        chosen = tuple(c for c in head.columns if c.kind == whole[0])
        yield _of_all(head, whole[1], chosen), tuple(column.name for column in chosen)

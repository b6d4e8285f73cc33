"""Scores of every way to predict one target, each with its distance to the fusion."""

import math
from collections.abc import Mapping
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike
from rich.table import Table
from rich.text import Text

from fusion.evaluation.bootstrap import paired_bootstrap
from fusion.evaluation.primary import primary_metric
from fusion.evaluation.result import Evaluation, Kind, Score
from heads import Floats, Head

Columns = Mapping[str, Floats]
FUSION: tuple[str, Kind] = ("fusion", "fusion")
"""Name and kind of the model whose gain over the others is told."""


def evaluate_head(
    head: Head,
    *,
    name: str,
    target_column: str,
    target: Floats,
    answers: Mapping[tuple[str, Kind], Columns],
    groups: ArrayLike | None = None,
) -> Evaluation:
    """How well the fusion and everything beside it answer the question of one head.

    Args:
        head: The head, whose metrics and direction count.
        name: What the head is called.
        target_column: Where the targets come from.
        target: `[n, *target_shape]` targets of the test rows, in business units.
        answers: (name, kind) -> the head's columns `[n]` as one way to predict gives them, `FUSION`
            among them; one that has a single column is taken to say the same in every column of
            the head.
        groups: Labels `[n]` of test rows that are no new evidence beside each other, such as
            near-duplicates; None: each row is a group of its own.

    Returns:
        Scores in the order of `fusion.evaluation.result.Kind`, the fusion first; each with
        the gain of the fusion in the primary metric and its 95 % interval from 1,000 paired draws
        of the groups.

    Raises:
        ValueError: If columns are missing, of the wrong length or not finite.
    """
    filled = {
        key: _filled(head, key[0], columns, n=len(target)) for key, columns in answers.items()
    }
    kinds = get_args(Kind)
    return Evaluation(
        head=name,
        target=target_column,
        description=head.describe(),
        task=head.task,
        primary_metric=head.primary_metric,
        higher_is_better=head.higher_is_better,
        n_test=len(target),
        n_groups=len(target) if groups is None else len(np.unique(np.asarray(groups))),
        scores=tuple(
            _score(head, target, key, filled, groups=groups)
            for key in sorted(filled, key=lambda key: kinds.index(key[1]))
        ),
    )


def _filled(head: Head, name: str, columns: Columns, *, n: int) -> dict[str, Floats]:
    """Every column of the head, checked."""
    names = head.column_names
    if len(columns) == 1:
        columns = dict.fromkeys(names, next(iter(columns.values())))
    missing = [column for column in names if column not in columns]
    if missing:
        raise ValueError(
            f"predictions of {name!r} must hold {', '.join(names)}, got none of "
            f"{', '.join(missing)}. Add these columns."
        )
    filled = {column: np.asarray(columns[column], dtype=np.float64) for column in names}
    for column, values in filled.items():
        if values.shape != (n,) or not np.isfinite(values).all():
            odd = int((~np.isfinite(values)).sum())
            raise ValueError(
                f"{column} of {name!r} must be {n} finite numbers, got {values.size} of which "
                f"{odd} are not finite. Leave rows without an answer out of the test rows."
            )
    return filled


def _score(
    head: Head,
    target: Floats,
    key: tuple[str, Kind],
    predictions: Mapping[tuple[str, Kind], dict[str, Floats]],
    *,
    groups: ArrayLike | None,
) -> Score:
    name, kind = key
    found = head.metrics(target, predictions[key])
    if kind == "fusion":
        return Score(name, kind, found)
    pair = [predictions[FUSION], predictions[key]]
    metric, columns = primary_metric(head, target, pair)
    first, second = ({column: each[column] for column in columns} for each in pair)
    gain, low, high = paired_bootstrap(
        metric, target, first, second, higher_is_better=head.higher_is_better, groups=groups
    )
    return Score(name, kind, found, gain=gain, low=low, high=high)


def format_table(evaluation: Evaluation) -> Table:
    """An evaluation for a terminal of 80 columns: the primary metric, the gain, the verdict."""
    direction = "higher" if evaluation.higher_is_better else "lower"
    table = Table(
        title=Text(f"{evaluation.head} of {evaluation.target} ({_rows(evaluation)})"),
        caption=Text(
            f"{evaluation.description}\n"
            f"{evaluation.primary_metric}: {direction} is better; gain: by "
            "how much the fusion is better in it, with its 95 % interval"
        ),
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("predicted by", no_wrap=True)
    table.add_column(Text(evaluation.primary_metric), justify="right", no_wrap=True)
    table.add_column("gain of the fusion", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for score in evaluation.scores:
        metric = _number(score.metrics.get(evaluation.primary_metric))
        style = "bold" if score.kind == "fusion" else None
        table.add_row(Text(score.name), metric, _gain(score), score.verdict, style=style)
    return table


def _rows(evaluation: Evaluation) -> str:
    rows = f"{evaluation.n_test} test rows"
    grouped = evaluation.n_groups < evaluation.n_test
    return f"{rows} in {evaluation.n_groups} groups" if grouped else rows


def _gain(score: Score) -> str:
    if score.gain is None:
        return ""
    return f"{_number(score.gain)} [{_number(score.low)}, {_number(score.high)}]"


def _number(value: float | None) -> str:
    """Three decimals, or three significant digits of what is large; a dash for no number."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.3g}"

"""How far the answers that a head makes of scores err on rows held out."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from fusion.data.training_rows import TrainingRows
from fusion.members.answers import ScoreAnswers
from fusion.members.base import Floats
from fusion.members.view import Rows
from heads.answer_maps import splits
from heads.base import Head

MIN_HELD_OUT = 20
"""Rows held out below which nothing can be chosen by them."""


def can_be_judged(folds: Sequence[Rows], *, n_rows: int) -> bool:
    """Whether folds of some rows hold enough of them, and leave rows to learn from beside each."""
    sizes = [len(fold) for fold in folds]
    return sum(sizes) >= MIN_HELD_OUT and max(sizes) < n_rows


def held_out_error(
    head: Head, scores: Floats, target: Floats, *, folds: Sequence[Rows], weight: Floats
) -> float:
    """Error in units of a head that answers by scores, calibrated on other folds than it is judged.

    Why: so heads that learn on different scales can be compared. Judged is the squared error of the
    means (so R2), of heads without one the primary metric; less is better.

    Args:
        head: Stays as it is.
        scores: `[n, n_scores]` on its `additive_scale`, by what did not learn from the row.
        target: Known targets `[n, *target_shape]` in business units.
        folds: Positions of the rows of each fold.
        weight: `[n]`, how much each row counts.
    """
    rows = np.concatenate(folds)
    raw = _raw(head, scores, target, folds=folds, weight=weight)[torch.from_numpy(rows)]
    parts = np.repeat(np.arange(len(folds)), [len(fold) for fold in folds])
    return _error(
        head, _calibrated(head, raw, target[rows], parts, weight[rows]), target[rows], weight[rows]
    )


def held_out_loss(
    head: Head, scores: Floats, target: Floats, *, folds: Sequence[Rows], weight: Floats
) -> float:
    """As `held_out_error`, by the head's own loss: to compare answers of one head."""
    rows = np.concatenate(folds)
    raw = _raw(head, scores, target, folds=folds, weight=weight)[torch.from_numpy(rows)]
    encoded = torch.from_numpy(head.encode_target(target[rows]))
    return float(head.loss(raw, encoded, torch.from_numpy(weight[rows])))


def _raw(
    head: Head, scores: Floats, target: Floats, *, folds: Sequence[Rows], weight: Floats
) -> Tensor:
    made = ScoreAnswers({"": head}).fit(
        {"": scores},
        heads={"": head},
        training=TrainingRows({"": target}, folds, weight),
    )
    return made[""]


def _calibrated(
    head: Head, raw: Tensor, target: Floats, parts: Rows, weight: Floats
) -> dict[str, Floats]:
    own = type(head)(**head.config)
    answers = {column.name: np.zeros(len(target)) for column in head.columns}
    for known, asked in splits(parts):
        given = raw[torch.from_numpy(known)]
        own.calibrate(given, target[known], parts=parts[known], weight=weight[known])
        for name, values in own.decode(raw[torch.from_numpy(asked)]).items():
            answers[name][asked] = values.numpy()
    return answers


def _error(head: Head, answers: Mapping[str, Floats], target: Floats, weight: Floats) -> float:
    means = [column for column in head.columns if column.kind == "mean"]
    if means:
        squares = [np.square(answers[one.name] - one.values_of(target)) for one in means]
        return float(np.average(np.mean(squares, axis=0), weights=weight))
    found = head.metrics(target, dict(answers))[head.primary_metric]
    if np.isnan(found):  # nothing is known of it
        return np.inf
    return -found if head.higher_is_better else found

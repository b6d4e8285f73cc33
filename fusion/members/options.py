"""Options of heads that rows held out decide, before anything else is trained."""

from collections.abc import Mapping, Sequence

import numpy as np

from fusion.data.known import folds_within
from fusion.data.training_rows import TrainingRows
from fusion.members.judging import can_be_judged, held_out_error
from fusion.members.kernel_blocks import KernelBlock, fit_blocks, points_of
from fusion.members.kernel_choice import Trial, drawn_rows
from fusion.members.kernel_fit import Question
from fusion.members.view import View
from heads.base import Head

MAX_ROWS = 1000
"""Rows, drawn at random, that options are chosen on."""


def best_options(
    view: View,
    training: TrainingRows,
    *,
    candidates: Mapping[str, Sequence[Head]],
    seed: int,
) -> dict[str, int]:
    """Which of several heads answers best by a kernel on rows that it did not learn from.

    Why: the scale on which a target is learned is better judged by errors than by its skewness, and
    networks on every scale would take as many trainings. *differs* from the answer in the end: what
    only a network sees is not in the choice.

    Heads are judged in units, calibration included, see `held_out_error`, each by the kernel that
    suits it best. In that kernel all blocks count alike: a scale for each changed no choice.

    Args:
        view: All rows.
        training: Targets for each name in `candidates`, folds and weights of the rows.
        candidates: The likeliest first, by the name of the head in question.
        seed: Draws rows where there are more than 1,000.

    Returns:
        Position of the best candidate of each name; 0 where a kernel can read nothing, or fewer
        than 20 rows are held out.
    """
    weight = training.sample_weight
    blocks = fit_blocks(view, weight)
    return {
        name: _best(
            view,
            blocks,
            [Question(head, training.targets[name], weight, training.folds) for head in heads],
            seed,
        )
        for name, heads in candidates.items()
    }


def _best(
    view: View, blocks: Sequence[KernelBlock], candidates: Sequence[Question], seed: int
) -> int:
    asked = candidates[0]  # the others differ by their heads alone
    drawn = drawn_rows(asked.rows, n_blocks=len(blocks), most=MAX_ROWS, seed=seed)
    within = folds_within(asked.folds, drawn)
    if not blocks or not within or not can_be_judged(within, n_rows=len(drawn)):
        return 0
    target, weight = asked.target[drawn], asked.weight[drawn]
    trial = Trial(points_of(blocks, view, drawn), weight=weight, folds=within)
    errors = []
    for head in (candidate.head for candidate in candidates):
        learned = head.additive_scale(target)
        scores = trial.answers(learned, trial.shared(learned))
        errors.append(held_out_error(head, scores, target, folds=within, weight=weight))
    return int(np.argmin(errors))

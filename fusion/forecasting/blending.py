"""How much each member of a forecast counts, by life stage, and the joined answer."""

from collections.abc import Mapping

import numpy as np
import torch

from fusion.data.known import is_known
from fusion.data.training_rows import TrainingRows
from fusion.forecasting.examples import STAGES, Ints
from fusion.forecasting.members.base import Paths, PathTraining
from fusion.members.view import Mask
from fusion.stack import Stack, fit_stack
from heads.sales_path import SalesPathHead

PATH = "path"
"""What the one head of a forecast is called where heads have names."""
MIN_OF_STAGE = 50
"""Answers out of fold from which a life stage has weights of its own."""
MOST_ROWS = 20_000
"""Answers out of fold, drawn at random, that weights are found on."""
Answers = Mapping[str, Paths]
"""Member -> what it answers."""
Known = Mapping[str, Mask]
"""Member -> mask `[n]` of the examples of which it can say anything."""


class StageBlend:
    """Blend weights of members for each life stage.

    Args:
        weights: Stage -> member -> weight, >= 0, of sum 1; every stage of `STAGES`.

    Raises:
        ValueError: If a stage is missing or weights are none.
    """

    def __init__(self, weights: Mapping[str, Mapping[str, float]]) -> None:
        if list(weights) != list(STAGES):
            raise ValueError(
                f"weights must be given for {', '.join(STAGES)}, got {', '.join(weights)}."
            )
        self.stacks = {stage: Stack({PATH: own}) for stage, own in weights.items()}

    @property
    def config(self) -> dict[str, dict[str, float]]:
        """Stage -> member -> weight; what rebuilds it."""
        return {stage: stack.weights[PATH] for stage, stack in self.stacks.items()}

    @property
    def asked(self) -> tuple[str, ...]:
        """Members that count in any stage: the others need not be asked."""
        names = (name for stack in self.stacks.values() for name in stack.asked)
        return tuple(dict.fromkeys(names))

    def blend(self, answers: Answers, knows: Known, stages: Ints) -> Paths:
        """The joined answers `[n, horizon + 1, raw_dim]`, see `Stack.blend`.

        Args:
            answers: Of the members that are `asked`.
            knows: Of the same members.
            stages: Position of the life stage of each example, `[n]`.
        """
        first = next(iter(answers.values()))
        joined = np.zeros_like(first)
        for place, stack in enumerate(self.stacks.values()):
            rows = np.flatnonzero(stages == place)
            raws = {name: {PATH: _tensor(one[rows])} for name, one in answers.items()}
            known = {name: mask[rows] for name, mask in knows.items()}
            nowhere = np.zeros(len(rows), dtype=bool)
            joined[rows] = stack.blend(raws, known, nowhere)[PATH][:, 0].numpy()
        return joined


def fit_blend(
    head: SalesPathHead,
    training: PathTraining,
    answers: Answers,
    *,
    knows: Known,
    stages: Ints,
    seed: int,
) -> StageBlend:
    """The weights that err least on answers out of fold, for each life stage.

    A stage of which fewer than 50 were asked takes the weights of all examples. A member that knows
    none of the examples that weights are found on counts 0.

    Args:
        head: What is answered; its loss is what counts.
        training: Targets and weights of the examples that were asked.
        answers: Of members that did not learn from them.
        knows: Of the same members.
        stages: Position of the life stage of each example, `[n]`.
        seed: Of the examples that are drawn where there are many.
    """
    known = np.flatnonzero(is_known(training.targets) & (training.weight > 0))
    everyone: dict[str, float] | None = None
    weights: dict[str, Mapping[str, float]] = {}
    for place, stage in enumerate(STAGES):
        rows = known[stages[known] == place]
        if len(rows) >= MIN_OF_STAGE:
            weights[stage] = _fitted(head, training, answers, knows, _drawn(rows, seed))
            continue
        if everyone is None:
            everyone = _fitted(head, training, answers, knows, _drawn(known, seed))
        weights[stage] = everyone
    return StageBlend(weights)


def _fitted(
    head: SalesPathHead, training: PathTraining, answers: Answers, knows: Known, rows: Ints
) -> dict[str, float]:
    if not len(rows):
        return dict.fromkeys(answers, 1.0 / len(answers))
    own = training.take(rows)
    told = [name for name in answers if knows[name][rows].any()] or list(answers)
    stack, _ = fit_stack(
        {PATH: head},
        TrainingRows({PATH: own.targets}, [np.arange(len(rows))], own.weight),
        {name: {PATH: _tensor(answers[name][rows])} for name in told},
        knows={name: knows[name][rows] for name in told},
        is_new=np.zeros(len(rows), dtype=bool),
    )
    return {name: stack.weights[PATH].get(name, 0.0) for name in answers}


def _drawn(rows: Ints, seed: int) -> Ints:
    if len(rows) <= MOST_ROWS:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))


def _tensor(answers: Paths) -> torch.Tensor:
    """Answers with an axis of one network."""
    return torch.from_numpy(np.asarray(answers, dtype=np.float64))[:, None]

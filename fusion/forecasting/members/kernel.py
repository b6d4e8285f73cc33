"""One kernel over content and early sales for each life stage, which answers a path at once."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch

from encoders.base import check_whole
from encoders.series.lag_families import covers_years
from fusion.data.batch import chunks
from fusion.data.folds import RowOptions, drawn_beside_folds, validation_folds
from fusion.data.known import folds_within, is_known
from fusion.forecasting.examples import STAGES, Examples, Floats, Ints
from fusion.forecasting.members.base import ForecastMember, Paths, PathTraining
from fusion.forecasting.members.example_view import CALENDAR, example_view
from fusion.forecasting.members.path_answers import PathAnswers
from fusion.members.base import State
from fusion.members.judging import can_be_judged
from fusion.members.kernel_blocks import KernelBlock, fit_blocks, joined, points_of
from fusion.members.kernel_choice import DISTANCE, PENALTY, Kernel, Trial, drawn_rows
from fusion.members.kernel_fit import scales_of_columns
from fusion.members.kernel_solver import CHUNK_ROWS, Solution, solve_exactly
from fusion.members.kernel_state import HeadKernel, KernelState
from fusion.members.kernel_targets import KernelTarget
from fusion.members.view import Mask, Rows, View
from fusion.progress import Stage, silent
from heads.sales_path import SalesPathHead

PATH = "path"
"""What the one head is called where heads have names."""
N_FOLDS = 5
KNOWN = STAGES.index("known")
LEAST_EXAMPLES = 20
"""Examples of a life stage below which nothing is learned of it."""


class KernelPathMember(ForecastMember):
    """Items that are alike in what counts, at the same stage of their life, sell alike paths.

    Why: where items are few, new or young, nothing else errs as little. One kernel ridge regression
    for each life stage answers all steps and the window: it learns the square roots of relative
    paths, on which large errors rule less than in units and small ones less than on logarithms.
    How much content, early sales, season and what is known ahead count is found on items held out.
    The season is read where dates cover 1.5 years: with less, each place in the year came once.

    It learns from examples whose steps are all known, drawn at random where there are many; older
    ones count as much as late ones, as seasons come again. *Source:* Saunders, Gammerman and Vovk
    (1998), see `fusion.members.kernel`; blocks are those of `example_view`.

    Args:
        most_examples: Examples of each life stage that are learned from, at most.
        choice_examples: Those of them that scales and penalty are chosen on, at most.
        learned: What the state of each stage holds, by sizes; None before it has learned.

    Raises:
        ValueError: If a number is no whole one from 20 to 10,000, or `learned` tells of no state.
    """

    set_by_fit: ClassVar[frozenset[str]] = frozenset({"learned"})

    def __init__(
        self,
        *,
        most_examples: int = 2_000,
        choice_examples: int = 600,
        learned: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._options = {"most_examples": most_examples, "choice_examples": choice_examples}
        for name, number in self._options.items():
            check_whole(name, number, least=LEAST_EXAMPLES, most=10_000)
        given = learned or {}
        if not set(given) <= set(STAGES):
            raise ValueError(f"learned must tell of {', '.join(STAGES)}, got {', '.join(given)}.")
        self._kernels = {name: KernelState.from_config(one) for name, one in given.items()}
        self._head: SalesPathHead | None = None
        self._answers: PathAnswers | None = None

    def fit(
        self,
        examples: Examples,
        *,
        head: SalesPathHead,
        training: PathTraining,
        seed: int,
        stage: Stage = silent,
    ) -> None:
        """Chooses and solves a kernel for each life stage, see `ForecastMember.fit`."""
        self._head, self._kernels = head, {}
        unread = () if covers_years(examples.windows) else (CALENDAR,)
        stages = examples.stages()
        usable = is_known(training.targets) & (training.weight > 0)
        rows, points = [], []
        with stage("fitting the kernels of paths", len(STAGES), "stages") as work:
            for place, name in enumerate(STAGES):
                own = np.flatnonzero(usable & (stages == place))
                own = drawn_beside_folds(own, self._options["most_examples"], seed=seed)
                if len(own) >= LEAST_EXAMPLES:
                    rows.append(own)
                    given = examples.take(own), training.targets[own]
                    points.append(self._fit_stage(name, *given, unread=unread, seed=seed))
                work(1)
        self._answers = PathAnswers(horizon=head.horizon, levels=head.grid)
        if rows:
            learned = np.concatenate(rows)
            weight = examples.take(learned).levels()
            own_training = PathTraining(training.targets[learned], weight / weight.mean())
            self._answers.fit(np.concatenate(points), own_training, stages[learned])
            _centre_early(self._answers)

    def raw(self, examples: Examples) -> Paths:
        """Relative answers, see `ForecastMember.raw`; a stage it knows nothing of is answered 0."""
        assert self._answers is not None, "fit first"
        stages = examples.stages()
        points = np.zeros((len(examples), examples.horizon + 1))
        for place, name in enumerate(STAGES):
            own = np.flatnonzero(stages == place)
            if name not in self._kernels:
                continue
            for some in chunks(len(own), CHUNK_ROWS):
                view = example_view(examples.take(own[some]))
                points[own[some]] = self._points(self._kernels[name], view)
        return self._answers.raw(points, stages)

    def knows(self, examples: Examples) -> Mask:
        """Mask `[n]` of the examples of a life stage that it has learned of."""
        learned = np.array([name in self._kernels for name in STAGES])
        return np.asarray(learned[examples.stages()])

    @property
    def config(self) -> dict[str, Any]:
        """The options, and sizes of what was learned."""
        return {
            **self._options,
            "learned": {name: one.config for name, one in self._kernels.items()},
        }

    def state(self) -> State:
        """Points and alphas of each stage, and what is answered around the points of paths."""
        assert self._answers is not None, "fit first"
        found: State = dict(self._answers.state())
        for name, one in self._kernels.items():
            found |= {f"{name}.{part}": tensor for part, tensor in one.tensors().items()}
        return found

    def load_state(self, state: State, *, head: SalesPathHead) -> None:
        """Takes back what `state` gave, see `ForecastMember`."""
        answers = PathAnswers(horizon=head.horizon, levels=head.grid)
        left = answers.load_state(state)
        kernels = {}
        for name, one in self._kernels.items():
            begin = f"{name}."
            own = {k.removeprefix(begin): v for k, v in left.items() if k.startswith(begin)}
            kernels[name] = one.loaded(own, heads={PATH: head})
            left = {k: v for k, v in left.items() if not k.startswith(begin)}
        if left:
            raise ValueError(f"state must hold nothing else, got {', '.join(left)}.")
        self._head, self._kernels, self._answers = head, kernels, answers

    @classmethod
    def tiny(cls) -> Self:
        """Learns from 60 examples of each stage."""
        return cls(most_examples=60, choice_examples=40)

    def _fit_stage(
        self, name: str, examples: Examples, targets: Floats, *, unread: Collection[str], seed: int
    ) -> Floats:
        """Solves the kernel of a stage; points `[n, horizon + 1]` of items that it did not know."""
        view = example_view(examples)
        weight = np.ones(len(view))
        blocks = [block for block in fit_blocks(view, weight) if block.name not in unread]
        folds = _folds_of_items(examples, seed)
        learned = np.sqrt(targets.clip(min=0.0))
        most = self._options["choice_examples"]
        chosen = _chosen(view, blocks, learned, folds=folds, most=most, seed=seed)
        root = scales_of_columns(blocks, chosen.scales)

        def points(rows: Rows) -> torch.Tensor:
            return torch.from_numpy(joined(points_of(blocks, view, rows), len(rows)) * root)

        found: Solution = solve_exactly(
            points, learned, weight=weight, penalty=chosen.penalty, folds=folds
        )
        own = HeadKernel(KernelTarget(), chosen.scales, found.alphas, found.intercept)
        made = points_of(blocks, view, found.points)
        self._kernels[name] = KernelState(blocks, made, {PATH: own}, n_points=len(found.points))
        return np.asarray(np.square(found.out_of_fold.clip(min=0.0)))

    def _points(self, kernel: KernelState, view: View) -> Floats:
        assert self._head is not None
        n = len(view)
        made = torch.from_numpy(joined(points_of(kernel.blocks, view, np.arange(n)), n))
        points: Floats = np.square(kernel.scores(PATH, self._head, made).clip(min=0.0))
        return points


def _centre_early(answers: PathAnswers) -> None:
    """Makes the medians of new and young items the points themselves, see `PathAnswers.centre`.

    A square of a mean of roots is near the median, and those held out say less of it than the point
    does. Not so of known items: most of their periods sell little or nothing.
    """
    learned = answers.weights[KNOWN].copy()
    answers.centre()
    answers.weights[KNOWN] = learned


def _folds_of_items(examples: Examples, seed: int) -> list[Ints]:
    """Folds that hold all examples of an item, as its other dates tell what it sells."""
    ids = np.asarray(examples.panel.ids, dtype=object)[examples.windows.series]
    _, groups = np.unique(ids, return_inverse=True)
    return validation_folds(
        RowOptions(groups=groups), n_rows=len(groups), n_folds=N_FOLDS, share=0.2, seed=seed
    )


def _chosen(
    view: View,
    blocks: Sequence[KernelBlock],
    learned: Floats,
    *,
    folds: Sequence[Rows],
    most: int,
    seed: int,
) -> Kernel:
    """Scales of the blocks and penalty that err least on folds, on at most so many rows."""
    rows = drawn_rows(np.arange(len(view)), n_blocks=len(blocks), most=most, seed=seed)
    own = folds_within(folds, rows)
    if not blocks or not can_be_judged(own, n_rows=len(rows)):
        return Kernel(np.full(len(blocks), DISTANCE / (2.0 * max(len(blocks), 1))), PENALTY)
    trial = Trial(points_of(blocks, view, rows), weight=np.ones(len(rows)), folds=own)
    return trial.by_block(learned[rows], start=trial.shared(learned[rows]))

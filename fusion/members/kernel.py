"""Kernel ridge regression on all blocks at once: rows that are alike in what counts sell alike."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import torch

from encoders.base import Encoder, check_whole
from fusion.data.batch import chunks
from fusion.data.folds import drawn_beside_folds
from fusion.data.training_rows import TrainingRows
from fusion.members.answers import ScoreAnswers
from fusion.members.base import Floats, Member, State
from fusion.members.kernel_blocks import fit_blocks, joined, points_of
from fusion.members.kernel_fit import Question, choose, relevant, solve
from fusion.members.kernel_solver import CHUNK_ROWS, DOUBLE_ROWS
from fusion.members.kernel_state import HeadKernel, KernelState
from fusion.members.view import Mask, Rows, View
from fusion.network import Raw
from fusion.progress import Stage, silent
from heads.base import Head


class KernelMember(Member):
    """One radial kernel over all blocks of vectors, numbers and categories, for each head.

    Why: with some thousand rows of ready embeddings, nothing else that is as quick errs as little.
    How much each block counts, the penalty and the scale of the target are chosen on rows held out,
    drawn at random. Then it is solved once on all rows: exactly, or by landmarks where rows are
    many. Classes are scores of 0 and 1. *Source:* Saunders, Gammerman and Vovk (1998); MacKay
    (1996) for scales by block.

    A fold is answered by what was solved without it; only scales, penalty and the scale of the
    target are chosen once, by all rows held out together.

    Args:
        exact_rows: Rows up to which it is solved exactly; memory is about 12 bytes a pair of rows.
        n_landmarks: Points of the solution where there are more rows.
        choice_rows: Rows, drawn at random, that scales and penalty are chosen on.
        learned: What the state holds, by sizes, see `KernelState`; None before it has learned.

    Raises:
        ValueError: If a number is no whole one from 1 to 1,000,000, or `learned` tells of no state.
    """

    set_by_fit: ClassVar[frozenset[str]] = frozenset({"learned"})

    def __init__(
        self,
        *,
        exact_rows: int = 10_000,
        n_landmarks: int = 2_000,
        choice_rows: int = 1_000,
        learned: Mapping[str, Any] | None = None,
    ) -> None:
        self._options = {
            "exact_rows": exact_rows,
            "n_landmarks": n_landmarks,
            "choice_rows": choice_rows,
        }
        for name, number in self._options.items():
            check_whole(name, number, least=1, most=1_000_000)
        nothing = {"n_points": 0, "blocks": [], "targets": {}}
        self._state = KernelState.from_config(nothing if learned is None else learned)
        self._heads: dict[str, Head] = {}
        self._answers = ScoreAnswers({})

    def fit(
        self,
        view: View,
        *,
        heads: Mapping[str, Head],
        training: TrainingRows,
        seed: int,
        stage: Stage = silent,
    ) -> Raw:
        """Chooses and solves a kernel for each head, see `Member.fit`."""
        weight = training.sample_weight
        asked = {
            name: Question(head, training.targets[name], weight, training.folds)
            for name, head in heads.items()
        }
        blocks = fit_blocks(view, weight)
        landmarks = self._landmarks(weight, seed)
        points = np.flatnonzero(weight > 0) if landmarks is None else landmarks
        scores, kernels = {}, {}
        with stage("fitting the kernel", 2 * len(heads), "steps") as work:
            choices = {}
            most = self._options["choice_rows"]
            for name, question in asked.items():
                choices[name] = choose(view, blocks, question, most=most, seed=seed)
                work(1)
            kept = relevant(list(choices.values()))
            blocks = [blocks[place] for place in kept]
            for name, question in asked.items():
                choice = choices[name].of_blocks(kept)
                found = solve(view, blocks, question, choice, landmarks=landmarks)
                kernels[name] = HeadKernel.of(choice, found, points)
                scores[name] = choice.target.scores(heads[name], found.out_of_fold)
                work(1)
        made = points_of(blocks, view, points)
        self._state = KernelState(blocks, made, kernels, n_points=len(points))
        self._heads, self._answers = dict(heads), ScoreAnswers(heads)
        return self._answers.fit(scores, heads=heads, training=training)

    def raw(self, view: View) -> Raw:
        """See `Member.raw`; rows are read in chunks, memory does not grow with them."""
        scores = {name: np.zeros((len(view), head.n_scores)) for name, head in self._heads.items()}
        for rows in chunks(len(view), CHUNK_ROWS):
            points = torch.from_numpy(joined(points_of(self._state.blocks, view, rows), len(rows)))
            for name, head in self._heads.items():
                scores[name][rows] = self._state.scores(name, head, points)
        return self._answers.raw(scores)

    def knows(self, view: View) -> Mask:
        """Mask `[n]` of the rows that have a block with a say in any head."""
        return view.known([b.name for b in self._state.blocks if b.name in view.blocks])

    def is_heavy(self, n_rows: int) -> bool:
        """See `Member.is_heavy`: the factors of thousands of rows take seconds."""
        return n_rows > DOUBLE_ROWS

    @property
    def config(self) -> dict[str, Any]:
        """The options, and sizes of what was learned."""
        return {**self._options, "learned": self._state.config}

    def state(self) -> State:
        """Points, centres, scales, alphas and the weights of the answers."""
        return {**self._state.tensors(), **self._answers.state()}

    def load_state(
        self, state: State, *, heads: Mapping[str, Head], encoders: Mapping[str, Encoder]
    ) -> None:
        """See `Member.load_state`."""
        answers = ScoreAnswers(heads)
        self._state = self._state.loaded(answers.load_state(state), heads=heads)
        self._heads, self._answers = dict(heads), answers

    @classmethod
    def tiny(cls) -> Self:
        """Chosen on 40 rows, and solved by 60 landmarks above 60 rows."""
        return cls(exact_rows=60, n_landmarks=60, choice_rows=40)

    def _landmarks(self, weight: Floats, seed: int) -> Rows | None:
        """Rows that stand for all where these are too many for an exact solution."""
        rows = np.flatnonzero(weight > 0)
        if len(rows) <= self._options["exact_rows"]:
            return None
        return drawn_beside_folds(rows, self._options["n_landmarks"], seed=seed)

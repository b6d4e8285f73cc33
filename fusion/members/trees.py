"""Boosted trees: numbers, categories and directions of embeddings, grown by LightGBM."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np

from encoders.base import Encoder, check_whole
from fusion.data.known import on_known_rows
from fusion.data.training_rows import TrainingRows
from fusion.members.answers import ScoreAnswers
from fusion.members.base import Floats, Member, State
from fusion.members.boosting import Growth, TreeTask, boost
from fusion.members.forest import Forest
from fusion.members.tree_features import READERS, TreeFeatures
from fusion.members.view import Mask, View
from fusion.network import Raw
from fusion.progress import Stage, silent
from heads.base import Head
from heads.tree_objective import TreeObjective


class TreesMember(Member):
    """Boosted trees, by the objective that each head names (`Head.tree_objective`).

    Why: they take numbers of any scale, missing cells and interactions as they are, and err
    otherwise than what averages over similar rows. They read `raw`, `category` and `vectors`
    blocks, of the last the leading directions. *Source:* Ke et al. (2017), LightGBM; random splits
    after Geurts et al. (2006), extremely randomized trees. The number of trees is the mean of what
    the folds find best; then one model is grown of all rows.

    Args:
        learning_rate: Share of each tree that counts, in (0, 1]; None: 0.1 of many rows, 0.03 of
            fewer than 2,000.
        n_leaves: Leaves of a tree, 2 to 1,024.
        max_trees: Trees of a model, 1 to 10,000; those of several classes together at most 3,000.
        blocks: Name and kind of each block that is read; `fit` sets it.

    Raises:
        ValueError: If an option is out of range.
    """

    set_by_fit: ClassVar[frozenset[str]] = frozenset({"blocks"})

    def __init__(
        self,
        *,
        learning_rate: float | None = None,
        n_leaves: int = 15,
        max_trees: int = 1000,
        blocks: Sequence[Sequence[str]] = (),
    ) -> None:
        is_number = isinstance(learning_rate, Real) and not isinstance(learning_rate, bool)
        if learning_rate is not None and not (is_number and 0.0 < learning_rate <= 1.0):
            raise ValueError(
                f"learning_rate must be a number in (0, 1], got {learning_rate!r}. Take 0.1."
            )
        check_whole("n_leaves", n_leaves, least=2, most=1024)
        check_whole("max_trees", max_trees, least=1, most=10_000)
        self.growth = Growth(learning_rate, n_leaves, max_trees)
        self._blocks = _checked(blocks)
        self._heads: dict[str, Head] = {}
        self._features = TreeFeatures({})
        self._texts: dict[str, bytes] = {}
        self._forests: dict[str, Forest] = {}
        self._answers = ScoreAnswers({})

    @property
    def config(self) -> dict[str, Any]:
        """The options, and which blocks are read."""
        names = ("learning_rate", "n_leaves", "max_trees")
        options = {name: getattr(self.growth, name) for name in names}
        return {**options, "blocks": self._blocks}

    def fit(
        self,
        view: View,
        *,
        heads: Mapping[str, Head],
        training: TrainingRows,
        seed: int,
        stage: Stage = silent,
    ) -> Raw:
        """Grows one model, or one for each number of the target, for each head.

        Raises:
            ValueError: If a head has no row to learn from.
        """
        tasks = {
            key: task
            for place, (name, head) in enumerate(heads.items())
            for key, task in zip(
                _keys(place, head), _tasks(head.tree_objective, training.targets[name]), strict=True
            )
        }
        boosted = boost(
            view,
            list(tasks.values()),
            folds=training.folds,
            sample_weight=training.sample_weight,
            growth=replace(self.growth, seed=seed),
            stage=stage,
        )
        self._blocks = boosted.features.config
        self._take(heads, boosted.features, dict(zip(tasks, boosted.texts, strict=True)))
        scores = _scores(heads, dict(zip(tasks, boosted.out_of_fold, strict=True)))
        return self._answers.fit(scores, heads=heads, training=training)

    def raw(self, view: View) -> Raw:
        """Raw outputs of every head, see `Member.raw`."""
        table = self._features.table(view)
        found = {key: forest.answers(table) for key, forest in self._forests.items()}
        return self._answers.raw(_scores(self._heads, found))

    def knows(self, view: View) -> Mask:
        """Mask `[n]` of the rows that have at least one block that it reads."""
        return view.known(self._features.readers)

    def state(self) -> State:
        """The trees as LightGBM's text, what they read, and the weights of the answers."""
        return {**self._texts, **self._features.state(), **self._answers.state()}

    def load_state(
        self, state: State, *, heads: Mapping[str, Head], encoders: Mapping[str, Encoder]
    ) -> None:
        """Takes back what `state` gave; the text is checked, and LightGBM never reads it.

        Raises:
            ValueError: If something is missing, left over, or says what it cannot.
        """
        del encoders
        features = TreeFeatures.of_state(self._blocks, state)
        texts = {
            key: found if isinstance(found := state.get(key), bytes) else b""
            for place, head in enumerate(heads.values())
            for key in _keys(place, head)
        }
        self._take(heads, features, texts)
        self._answers.load_state(state)
        if left := sorted(state.keys() - self.state().keys()):
            raise ValueError(f"state must hold nothing but what trees are, got {left[0]!r} too.")

    def _take(
        self, heads: Mapping[str, Head], features: TreeFeatures, texts: Mapping[str, bytes]
    ) -> None:
        """Answers by models that are written down."""
        self._heads, self._features, self._texts = dict(heads), features, dict(texts)
        self._answers = ScoreAnswers(heads)
        self._forests = {
            key: Forest.read(
                texts[key],
                n_features=features.n_columns,
                n_outputs=head.tree_objective.n_outputs,
            )
            for place, head in enumerate(heads.values())
            for key in _keys(place, head)
        }

    @classmethod
    def tiny(cls) -> Self:
        """Few small trees."""
        return cls(n_leaves=4, max_trees=20)


def _checked(blocks: Sequence[Sequence[str]]) -> list[list[str]]:
    """Pairs of names and kinds, which may come from a stranger."""
    pairs = [list(block) for block in blocks]
    names = {name for name, *_ in pairs}
    for pair in pairs:
        if len(pair) != 2 or not isinstance(pair[0], str) or pair[1] not in READERS:
            raise ValueError(f"blocks must be names and kinds ({', '.join(READERS)}), got {pair}.")
    if len(names) < len(pairs):
        raise ValueError(f"blocks must be named once, got {pairs}.")
    return pairs


def _keys(place: int, head: Head) -> list[str]:
    """Names of the files that hold the models of a head."""
    return [f"{place}_{fit}.txt" for fit in range(head.tree_objective.n_fits)]


def _tasks(objective: TreeObjective, target: Floats) -> list[TreeTask]:
    """One for each column that the objective encodes targets `[n, *target_shape]` to."""
    return [
        TreeTask(objective.name, labels, objective.parameters, objective.n_outputs)
        for labels in on_known_rows(objective.encode, target).T
    ]


def _scores(heads: Mapping[str, Head], answers: Mapping[str, Floats]) -> dict[str, Floats]:
    """Scores `[n, n_scores]` of each head, from the answers of its models."""
    return {
        name: head.tree_objective.to_scores(np.hstack([answers[key] for key in _keys(place, head)]))
        for place, (name, head) in enumerate(heads.items())
    }

"""The ridge member: linear scores of everything in a view, words and levels included."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Self

import numpy as np
import torch

from encoders.base import Encoder, check_whole
from fusion.data.known import is_known
from fusion.data.training_rows import TrainingRows
from fusion.members.answers import ScoreAnswers
from fusion.members.base import Floats, Member, State
from fusion.members.ridge_features import Features, Source, scores_of, sources_of
from fusion.members.ridge_fit import LinearScores, fit_scores
from fusion.members.taken import Taken
from fusion.members.view import Mask, View
from fusion.network import Raw
from fusion.progress import Stage, silent
from heads.base import Head


class RidgeMember(Member):
    """Answers every question by sums of weighted columns, with a penalty for each block of them.

    Why: on a few hundred rows a linear model errs less than any network; on thousands of reviews
    one that reads every word is hard to beat. It reads vectors, numbers, an indicator of each level
    of a category, and terms whole. Numbers are learned by squared error on the head's additive
    scale, probabilities by logistic loss. Each block has a prior variance of its own weights, found
    by the marginal likelihood of some rows (MacKay 1992, evidence framework); how strong all are
    together is chosen out of fold.

    Args:
        degree: 2 also reads products of any two of the first 60 numbers, squares included.
        sources: What is read of a view, by `name`, `kind` and `dim`; found by `fit`.

    Raises:
        ValueError: If the degree is neither 1 nor 2.
    """

    set_by_fit: ClassVar[frozenset[str]] = frozenset({"sources"})

    def __init__(self, *, degree: int = 1, sources: Sequence[Mapping[str, Any]] = ()) -> None:
        check_whole("degree", degree, least=1, most=2)
        self.degree = degree
        self.sources = [Source(**source) for source in sources]
        self.numbers: dict[str, Floats] = {}
        self.solved: dict[str, LinearScores] = {}
        self.answers = ScoreAnswers({})

    def fit(
        self,
        view: View,
        *,
        heads: Mapping[str, Head],
        training: TrainingRows,
        seed: int,
        stage: Stage = silent,
    ) -> Raw:
        """Solves all heads, each on the rows that know its target; answers of folds, see `Member`.

        Differs: heads are solved one by one; the columns are made once.
        """
        targets, weight = training.targets, training.sample_weight
        counts = np.any([is_known(target) for target in targets.values()], axis=0) * weight
        sources = sources_of(view, degree=self.degree)
        features = Features(view, sources, counts)
        if features.constant:  # or absent from all rows
            sources = [one for one in sources if one.name not in features.constant]
            features = Features(view, sources, counts)
        self.sources, self.numbers = sources, features.numbers
        scores = {}
        with stage("fitting the ridge", len(heads), "questions") as work:
            for name, head in heads.items():
                scores[name], self.solved[name] = fit_scores(
                    features, head, targets[name], folds=training.folds, weight=weight, seed=seed
                )
                work(1)
        self.answers = ScoreAnswers(heads)
        return self.answers.fit(scores, heads=heads, training=training)

    def raw(self, view: View) -> Raw:
        """Raw outputs `[n, 1, *target_shape, raw_dim]` of every head, see `Member`."""
        scores = scores_of(
            view,
            self.sources,
            {name: one.weights for name, one in self.solved.items()},
            numbers=self.numbers,
            offsets={name: one.offsets for name, one in self.solved.items()},
        )
        return self.answers.raw(
            {name: found + self.solved[name].intercept for name, found in scores.items()}
        )

    def knows(self, view: View) -> Mask:
        """Mask `[n]` of the rows that have a block that it reads."""
        return view.known([source.name for source in self.sources])

    @property
    def config(self) -> dict[str, Any]:
        """The degree, and what is read."""
        return {"degree": self.degree, "sources": [asdict(source) for source in self.sources]}

    def state(self) -> State:
        """Weights of the columns as they are, by the places of heads and sources."""
        state: State = dict(self.answers.state())
        for place, source in enumerate(self.sources):
            if source.name in self.numbers and source.kind == "products":
                state[f"numbers.{place}"] = torch.from_numpy(self.numbers[source.name])
        for place, one in enumerate(self.solved.values()):
            state |= one.tensors(place)
        return state

    def load_state(
        self, state: State, *, heads: Mapping[str, Head], encoders: Mapping[str, Encoder]
    ) -> None:
        """Takes back what `state` gave, see `Member`."""
        del encoders
        answers = ScoreAnswers(heads)
        taken = Taken(answers.load_state(state))
        numbers = {
            source.name: taken.floats(f"numbers.{place}", 2, source.n_numbers)
            for place, source in enumerate(self.sources)
            if source.kind == "products"
        }
        solved = {
            name: LinearScores.taken(taken, place, self.sources, n_scores=head.n_scores)
            for place, (name, head) in enumerate(heads.items())
        }
        taken.finish()
        self.answers, self.numbers, self.solved = answers, numbers, solved

    @classmethod
    def tiny(cls) -> Self:
        """Products of numbers included."""
        return cls(degree=2)

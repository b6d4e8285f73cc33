"""Every member keeps the contract; and the contract finds what breaks it."""

import numpy as np
import pytest
import torch

from fusion.data.known import folds_within, heads_by_rows
from fusion.members import MEMBERS
from fusion.members.answers import ScoreAnswers
from fusion.members.base import Member
from fusion.members.check import check_member
from heads import HEADS

ONE_OF_A_KIND = ("regression", "hot_item", "quantiles")
"""Heads of one number, of a probability and of several numbers."""


@pytest.mark.parametrize("name", MEMBERS)
def test_member_keeps_the_contract(name, steps_head):
    few = {head: HEADS[head] for head in ONE_OF_A_KIND}
    check_member(MEMBERS[name].tiny, heads={**few, "steps": steps_head})


@pytest.mark.slow
@pytest.mark.parametrize("name", MEMBERS)
def test_member_keeps_the_contract_with_every_head(name):
    check_member(MEMBERS[name].tiny, heads=HEADS)


@pytest.mark.parametrize("name", MEMBERS)
def test_registry_name_is_the_file_name(name):
    assert MEMBERS[name].__module__ == f"fusion.members.{name}"


class LineMember(Member):
    """Least squares on vectors and numbers: the smallest member that keeps the contract."""

    def __init__(self, names=()):
        self.names, self.weights, self.answers = list(names), {}, None

    def features(self, view):
        blocks = [view.blocks[name] for name in self.names]
        parts = [np.where(view.present[b][:, None], view.blocks[b].values, 0.0) for b in self.names]
        return np.hstack([np.ones((len(view), 1)), *parts]) if blocks else np.ones((len(view), 1))

    def solve(self, features, target, weight):
        root = np.sqrt(weight)[:, None]
        system = (root * features).T @ (root * features) + np.eye(features.shape[1])
        return np.linalg.solve(system, (weight[:, None] * features).T @ target)

    def fit(self, view, *, heads, training, seed, stage=None):
        self.names = list(view.of_kinds("vectors", "numbers"))
        features, scores = self.features(view), {}
        targets, weight = training.targets, training.sample_weight
        for names, rows in heads_by_rows(targets):
            for name in names:
                wanted = heads[name].additive_scale(targets[name][rows])
                scores[name] = np.zeros((len(view), heads[name].n_scores))
                for fold in training.folds:
                    mine = ~np.isin(rows, self.hidden(fold))
                    known = rows[mine]
                    solved = self.solve(features[known], wanted[mine], weight[known])
                    scores[name][fold] = features[fold] @ solved
                self.weights[name] = self.solve(features[rows], wanted, weight[rows])
                assert folds_within(training.folds, rows)
        self.answers = ScoreAnswers(heads)
        return self.answers.fit(scores, heads=heads, training=training)

    def hidden(self, fold):
        return fold

    def raw(self, view):
        features = self.features(view)
        return self.answers.raw({name: features @ w for name, w in self.weights.items()})

    def knows(self, view):
        return view.known(self.names)

    @property
    def config(self):
        return {"names": self.names}

    def state(self):
        weights = {f"weights.{i}": torch.from_numpy(w) for i, w in enumerate(self.weights.values())}
        return {**weights, **self.answers.state()}

    def load_state(self, state, *, heads, encoders):
        self.answers = ScoreAnswers(heads)
        wanted = {f"weights.{place}" for place in range(len(heads))} | set(self.answers.state())
        if set(state) != wanted:
            raise ValueError("state must hold what state gave.")
        self.weights = {name: state[f"weights.{i}"].numpy() for i, name in enumerate(heads)}
        self.answers.load_state(state)

    @classmethod
    def tiny(cls):
        return cls()


def test_a_small_member_keeps_the_contract(steps_head):
    check_member(LineMember, heads={**HEADS, "steps": steps_head})


class PeekingMember(LineMember):
    def hidden(self, fold):
        return fold[:0]

    def features(self, view):
        """A feature a row: each target can be learned by heart."""
        wide = super().features(view)
        return np.hstack([wide, np.sin(1e3 * wide @ np.arange(1, wide.shape[1] + 1)[:, None] *
                                       np.arange(1, 200))])  # fmt: skip


class LeakyMember(LineMember):
    def features(self, view):
        found = super().features(view)
        return found + np.nan_to_num(view.blocks["text"].values[:, :1])


class MixingMember(LineMember):
    def features(self, view):
        found = super().features(view)
        return found - found.mean(axis=0) / 2 if len(view) else found


class HeavyMember(LineMember):
    def solve(self, features, target, weight):
        return super().solve(features, target, np.ones(len(weight)))


class ForgetfulMember(LineMember):
    @property
    def config(self):
        return {"names": self.names[::-1]}


class BoastingMember(LineMember):
    def knows(self, view):
        return np.ones(len(view), dtype=bool)


class LooseMember(LineMember):
    def load_state(self, state, *, heads, encoders):
        super().load_state({k: v for k, v in state.items() if k != "left_over"}, heads=heads,
                           encoders=encoders)  # fmt: skip


class RandomMember(LineMember):
    def solve(self, features, target, weight):
        return super().solve(features, target, weight) + np.random.default_rng().normal()


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (PeekingMember, "by what did not see it"),
        (LeakyMember, "what is absent, even NaN"),
        (MixingMember, "without regard to the others"),
        (HeavyMember, "row of weight 0"),
        (ForgetfulMember, "rebuilt by its config"),
        (BoastingMember, "know nothing of a row"),
        (LooseMember, "something left over"),
        (RandomMember, "same seed"),
    ],
)
def test_check_member_names_the_broken_rule(broken, rule):
    with pytest.raises(AssertionError, match=rule):
        check_member(broken, heads={})

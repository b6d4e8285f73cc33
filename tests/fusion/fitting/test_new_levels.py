"""Rows whose categories were never seen are held out on purpose, and answered otherwise."""

import numpy as np
import pandas as pd
import pytest
import torch

from fusion import FusionRegressor
from fusion.members.base import Member

N, N_BRANDS = 1_200, 120


class BothMember(Member):
    """What brand members and number members share: raw outputs of scores, and no state."""

    @property
    def config(self):
        return {}

    def fit(self, view, *, heads, training, seed, stage=None):
        (head,), (target,) = heads.values(), training.targets.values()
        scale = head.additive_scale(target)[:, 0]
        scores = np.zeros(len(view))
        for fold in training.folds:
            others = np.setdiff1d(np.arange(len(view)), fold)
            self.learn(view.take(others), scale[others])
            scores[fold] = self.scores(view.take(fold))
        self.learn(view, scale)
        self.name = next(iter(heads))
        return {self.name: torch.from_numpy(scores).float()[:, None, None]}

    def raw(self, view):
        return {self.name: torch.from_numpy(self.scores(view)).float()[:, None, None]}

    def knows(self, view):
        return np.ones(len(view), dtype=bool)

    def state(self):
        return {}

    def load_state(self, state, *, heads, encoders):
        pass

    @classmethod
    def tiny(cls):
        return cls()


class Brands(BothMember):
    """The mean of the brand: right where it has seen it, far off where not, as a kernel can be."""

    def learn(self, view, scale):
        codes = self.codes(view)
        self.means = {code: scale[codes == code].mean() for code in np.unique(codes) if code > 1}

    def scores(self, view):
        return np.array([self.means.get(code, -3.0) for code in self.codes(view)])

    def codes(self, view):
        (block,) = view.of_kinds("category").values()
        return block.values


class Numbers(BothMember):
    """A line through the numbers: fair everywhere."""

    def learn(self, view, scale):
        self.line = np.polyfit(self.number(view), scale, 1)

    def scores(self, view):
        return np.polyval(self.line, self.number(view))

    def number(self, view):
        (block,) = view.of_kinds("raw").values()
        return block.values[:, 0]


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    worth = rng.normal(size=N_BRANDS)
    brand = np.arange(N) % N_BRANDS
    items = pd.DataFrame(
        {
            "brand": [f"maker {place}" for place in brand],
            "size": worth[brand] + 0.7 * rng.normal(size=N),
        }
    )
    return FusionRegressor(members={"brands": Brands(), "numbers": Numbers()}, random_state=0).fit(
        items, worth[brand] + 0.2 * rng.normal(size=N)
    )


def test_levels_are_held_out_whole_and_members_weighed_by_them(fitted):
    stack = fitted.bundle_.model.stack
    (known,) = stack.weights.values()
    (new,) = stack.new_weights.values()
    assert known["brands"] > 0.8
    assert new["numbers"] > 0.8


def test_a_brand_never_seen_is_answered_by_what_needs_none(fitted):
    items = pd.DataFrame({"brand": ["maker 3", "of nobody"], "size": [0.0, 1.5]})
    answers = fitted.predict(items)
    model = fitted.bundle_.model
    assert answers[1] > 0.5  # by the size; the brands alone would say far below all others
    assert model.stack.new_weights is not None


def test_ranges_hold_for_known_brands_though_new_ones_were_held_out(fitted):
    found = fitted.fitted_.out_of_fold
    (head,) = fitted.bundle_.model.heads.values()
    (raw,), (target,) = found.raw.values(), fitted.fitted_.targets.values()
    told = {name: values.numpy() for name, values in head.decode(raw).items()}
    inside = (told["prediction_p10"] <= target) & (target <= told["prediction_p90"])
    assert 0.6 < inside.mean() < 0.85  # a sixth of the rows is harder than what is asked

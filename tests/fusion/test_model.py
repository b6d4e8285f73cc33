import re

import numpy as np
import pandas as pd
import pytest
import torch

from fusion import FusionRegressor, register
from fusion.choices.heads import HeadChoice
from fusion.data.batch import ModelInputs
from fusion.errors import BundleError
from fusion.fitting.members import MEMBERS, member_choices, member_mistakes, network_mistakes
from fusion.members.answers import ScoreAnswers
from fusion.members.base import Member
from fusion.model import ProductModel
from fusion.stack import Stack
from heads import RegressionHead

N = 60


class PriceMember(Member):
    """Knows the price per brand, and says nothing of rows without a brand."""

    def __init__(self, *, shrinkage=1.0, brands=0):
        self.shrinkage, self.brands = shrinkage, brands

    @staticmethod
    def _codes(view):
        (block,) = view.of_kinds("category").values()
        return np.where(self_present(view), block.values, 0)

    def fit(self, view, *, heads, training, seed, stage=None):
        (block,) = view.of_kinds("category").values()
        self.brands, self.answers = block.n_levels, ScoreAnswers(heads)
        codes, weight = self._codes(view), training.sample_weight
        scores = {}
        for name, head in heads.items():
            scale = head.additive_scale(training.targets[name])[:, 0]
            scores[name] = np.zeros((len(view), 1))
            for fold in training.folds:
                others = np.setdiff1d(np.arange(len(view)), fold)
                means = self._means(codes[others], scale[others], weight[others])
                scores[name][fold, 0] = means[codes[fold]]
            self.means = torch.from_numpy(self._means(codes, scale, weight)).float()
        return self.answers.fit(scores, heads=heads, training=training)

    def _means(self, codes, values, weight):
        total = np.bincount(codes, weights=weight * values, minlength=self.brands)
        return total / (np.bincount(codes, weights=weight, minlength=self.brands) + self.shrinkage)

    def raw(self, view):
        scores = self.means.numpy()[self._codes(view)][:, None].astype(np.float64)
        return self.answers.raw(dict.fromkeys(self.answers.decoders, scores))

    def knows(self, view):
        return self._codes(view) > 1

    @property
    def config(self):
        return {"shrinkage": self.shrinkage, "brands": self.brands}

    def state(self):
        return {"means": self.means, **self.answers.state()}

    def load_state(self, state, *, heads, encoders):
        if state["means"].shape != (self.brands,):
            raise ValueError("means must be one for each brand")
        self.means, self.answers = state["means"].clone(), ScoreAnswers(heads)
        self.answers.load_state(state)

    @classmethod
    def tiny(cls):
        return cls()


def self_present(view):
    (mask,) = (view.present[name] for name in view.of_kinds("category"))
    return mask


def table():
    random = np.random.default_rng(0)
    brand = random.choice(list("abcdef"), N)
    worth = dict(zip("abcdef", [1.0, 2.0, 4.0, 8.0, 16.0, 32.0], strict=True))
    price = np.array([worth[one] for one in brand]) * random.uniform(0.7, 1.3, N)
    return pd.DataFrame({"brand": brand, "weight": random.normal(size=N)}), price


@pytest.fixture
def registered():
    register("member", "price", PriceMember)
    yield
    del MEMBERS["price"]


def estimator(**options):
    return FusionRegressor(
        columns={"categorical": ["brand"], "numeric": ["weight"]},
        training={"epochs": 2, "folds": 3},
        random_state=0,
        **options,
    )


def test_a_member_of_ones_own_is_fitted_blended_saved_and_loaded(registered, tmp_path):
    items, price = table()
    mine = PriceMember(shrinkage=0.1)
    model = estimator(members={"network": {}, "mine": mine}).fit(items, price)
    assert not hasattr(mine, "means")  # it stays as it was given
    assert model.bundle_.model.members["mine"].shrinkage == 0.1
    assert model.bundle_.model.blend_weights["target"]["mine"] > 0.8
    expected = model.predict(items)
    assert np.corrcoef(expected, price)[0, 1] > 0.9
    model.save(tmp_path / "model")
    again = FusionRegressor.load(tmp_path / "model")
    np.testing.assert_allclose(again.predict(items), expected, rtol=1e-6)


def test_a_member_in_no_table_is_asked_but_not_saved(tmp_path):
    items, price = table()
    model = estimator(members={"mine": PriceMember()}).fit(items, price)
    assert np.isfinite(model.predict(items)).all()
    assert np.isfinite(model.embed(items)).all() and not model.histories_
    with pytest.raises(BundleError, match="PriceMember must be in its room's table to be saved"):
        model.save(tmp_path / "model")


def test_a_registered_member_is_chosen_by_name_with_options(registered):
    items, price = table()
    model = estimator(members={"price": {"shrinkage": 5.0}}).fit(items, price)
    assert model.bundle_.model.members["price"].shrinkage == 5.0
    assert model.bundle_.model.blend_weights == {"target": {"price": 1.0}}


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (["netwrk"], r"member must be one of .*network.*, got 'netwrk'\. Did you mean 'network'\?"),
        (
            {"network": {"stratgy": "concat"}},
            r"options of member network must be one of .*strategy",
        ),
        ({"network": {"strategy": "conc"}}, "member network: strategy must be one of concat"),
        (
            {"kernel": {"learned": None}},
            "kernel must be one of choice_rows, exact_rows, n_landmarks, got 'learned'",
        ),
        (
            {"ridge": {"sources": []}},
            "options of member ridge must be one of degree, got 'sources'",
        ),
        ({"trees": {"blocks": []}}, "learning_rate, max_trees, n_leaves, got 'blocks'"),
        ({"network": {"n_networks": 2}}, "strategy_options, training, got 'n_networks'"),
        ({"network": 3}, "options of member network must be names and values, got 3"),
        ({"a b": PriceMember()}, "name of a member must be letters, digits and _, got 'a b'"),
        ([], "members must be different names"),
        (["network", "network"], "members must be different names"),
        ("network", "members must be different names, or names with options"),
        (["network", PriceMember()], "members must be different names, or names with options"),
        ([{"network": {}}], "members must be different names, or names with options"),
        (
            {"mine": PriceMember},
            r"member mine must be .*the class PriceMember\. Give PriceMember\(\)\.",
        ),
    ],
)
def test_a_wrong_choice_of_members_is_told_before_any_work(members, said):
    items, price = table()
    with pytest.raises(ValueError, match=said):
        estimator(members=members).fit(items, price)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"strategy": "gatd"}, "strategy must be one of .* Did you mean 'gated'"),
        ({"strategy_options": {"width": -3}}, "strategy concat: width must be a whole number"),
        ({"strategy_options": {"widht": 3}}, "Did you mean 'width'"),
        ({"strategy_options": "wide"}, "must be names and values, got 'wide'"),
        ({"training": {"epochs": -1}}, "epochs: must be greater than or equal to 1, got -1"),
        ({"training": {"epoks": 3}}, "Did you mean 'epochs'"),
        ({"decoders": {"prize": "linear"}}, "head of decoders must be .* Did you mean 'price'"),
        ({"decoders": {"price": "linar"}}, "decoder of price must be .* Did you mean 'linear'"),
        ({"decoders": "linear"}, "decoders must be heads and names of decoders, got 'linear'"),
    ],
)
def test_options_of_networks_are_checked_before_any_work(options, said):
    about = {"heads": {"price": HeadChoice("regression", "price", {})}, "strategy": "concat"}
    (found,) = network_mistakes({"network": options}, **about)
    assert re.search(f"^member network: (?s:.)*{said}", found)


def test_heads_in_closed_form_take_the_network_alone():
    assert member_mistakes(member_choices(None), closed_form=True) == []
    assert member_mistakes(member_choices(["network"]), closed_form=True) == []
    (said,) = member_mistakes({"mine": PriceMember()}, closed_form=True)
    assert said.startswith("members must be network alone with a linear head, got mine.")


def model_of(weights, members):
    return ProductModel(
        {}, heads={"price": RegressionHead()}, members=members, stack=Stack(weights)
    )


def test_a_model_needs_the_members_that_its_stack_asks():
    with pytest.raises(ValueError, match="got none called trees"):
        model_of({"price": {"trees": 1.0}}, {})
    with pytest.raises(ValueError, match="stack must be of the heads price, got units"):
        model_of({"units": {"trees": 1.0}}, {"trees": PriceMember()})


class Constant(PriceMember):
    """Answers a constant, and counts how often it is asked."""

    def __init__(self, value):
        self.value, self.asked = value, 0

    def raw(self, view):
        self.asked += 1
        return {"price": torch.full((len(view), 1, 1), self.value)}

    def knows(self, view):
        return np.ones(len(view), dtype=bool)


def test_a_member_that_counts_nothing_is_not_asked():
    members = {"a": Constant(4.0), "b": Constant(8.0), "c": Constant(np.nan)}
    model = model_of({"price": {"a": 0.75, "b": 0.25, "c": 0.0}}, members)
    raw = model.raw(ModelInputs(present={"text": torch.ones(3, dtype=torch.bool)}))
    assert raw["price"].flatten().tolist() == [5.0] * 3
    assert members["c"].asked == 0

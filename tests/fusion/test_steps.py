"""A head whose target has several steps goes wherever a head of one number goes."""

import numpy as np
import pandas as pd
import pytest

from fusion import ConfigError, Predictor, load_bundle, save_bundle
from fusion.choices.checks import head_mistakes, target_problems
from fusion.choices.heads import HeadChoice
from fusion.choices.mistakes import Mistakes
from fusion.data.catalogue import build_catalogue
from fusion.data.known import is_known
from fusion.data.schema import Schema
from fusion.fitting.kept_encoders import fit_better
from fusion.fitting.spec import TrainingPaths, TrainingSpec, check_choices
from fusion.training import TrainingSettings
from heads import HEADS

N = 80
WEEKS = ("week_1", "week_2", "week_3")
CHOICE = HeadChoice("steps", target=WEEKS, options={})
SMALL = {"width": 8, "depth": 1, "n_networks": 2, "projection_dim": 8, "dropout": 0.0}


@pytest.fixture(autouse=True)
def registered(monkeypatch, steps_head):
    monkeypatch.setitem(HEADS, "steps", steps_head)


def items():
    random = np.random.default_rng(0)
    return pd.DataFrame({"price": random.uniform(1, 9, N), "brand": random.choice(["a", "b"], N)})


def weeks(frame):
    """Units of three weeks: the dearer an item, the steeper they fall."""
    price = frame["price"].to_numpy()[:, None]
    noise = np.random.default_rng(1).normal(0, 0.1, (len(frame), 3))
    return 50.0 - price * np.array([1.0, 2.0, 4.0]) + noise


def fitted(targets, heads, *, options=SMALL):
    spec = TrainingSpec(
        heads,
        columns={"numeric": ["price"], "categorical": ["brand"]},
        strategy_options=options,
        training=TrainingSettings(epochs=30, folds=2),
    )
    paths = TrainingPaths()
    checked = check_choices(items(), targets, spec=spec, paths=paths, mistakes=Mistakes())
    return fit_better(checked, targets, spec=spec, paths=paths)


@pytest.fixture(scope="module")
def bundle(steps_head):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(HEADS, "steps", steps_head)
        units = weeks(items())
        units[:5, 1] = np.nan  # these rows are left out for this head
        targets = {"units": units, "first": weeks(items())[:, 0]}
        heads = {"units": CHOICE, "first": HeadChoice("regression", target="first", options={})}
        return fitted(targets, heads)


def test_every_step_is_learned_and_told_in_a_column_of_its_own(bundle):
    table = Predictor(bundle.bundle).predict(items())
    for place, column in enumerate(bundle.bundle.model.heads["units"].columns):
        assert column.step == place + 1
        truth = column.values_of(weeks(items()))
        assert np.corrcoef(table[column.name], truth)[0, 1] > 0.95
    assert bundle.missing == [
        "week_1 to week_3: 5 of 80 training rows have no target and are left out for this target "
        "alone."
    ]


def test_every_member_answers_every_step(bundle):
    model, asked = bundle.bundle.model, Predictor(bundle.bundle).read(items())
    for name, member in model.members.items():
        raw = member.raw(model.view(asked.inputs))
        assert raw["units"].shape[2:] == (3, 1) and raw["first"].shape[2:] == (1,), name
    about = model.head("units").describe()
    assert about.startswith("prediction_step_1 to prediction_step_3: One real number a step")
    assert max(model.blend_weights["units"].values()) > 0.3
    assert bundle.out_of_fold.raw["units"].shape[0::2] == (N, 3)


def test_a_saved_model_of_several_steps_answers_the_same(bundle, tmp_path):
    save_bundle(bundle.bundle, tmp_path / "bundle")
    again = load_bundle(tmp_path / "bundle")
    assert again.targets == {"units": WEEKS, "first": ("first",)}
    assert again.target_name("units") == "week_1 to week_3"
    before, after = (Predictor(one).predict(items()) for one in (bundle.bundle, again))
    pd.testing.assert_frame_equal(before, after, check_exact=True)
    near = Predictor(again).similar(items().head(2), 1)
    assert near["actual_week_3"].tolist() == pytest.approx(weeks(items())[:2, 2])


def test_a_step_alone_is_learned_as_the_number_that_it_is():
    one = HeadChoice("steps", target=("week_1",), options={})
    first = weeks(items())[:, :1]
    table = Predictor(fitted({"units": first}, {"units": one}).bundle).predict(items())
    assert np.corrcoef(table["prediction_step_1"], first[:, 0])[0, 1] > 0.95


def test_least_squares_solves_all_steps_at_once():
    exact = 50.0 - items()["price"].to_numpy()[:, None] * np.array([1.0, 2.0, 4.0])
    choice = HeadChoice("steps", target=WEEKS, options={}, decoder="least_squares")
    model = fitted({"units": exact}, {"units": choice}, options={}).bundle
    found = Predictor(model).predict(items())[[f"prediction_step_{step}" for step in (1, 2, 3)]]
    np.testing.assert_allclose(found, exact, rtol=1e-5)


def test_another_number_of_columns_than_a_head_answers_is_told_before_any_work():
    two = HeadChoice("regression", target=("week_1", "week_2"), options={})
    message = (
        "head regression of week_1 to week_2: target must be one column, not a list, got "
        "['week_1', 'week_2']. Write a head for each column, or take one that answers several "
        "steps."
    )
    assert head_mistakes({"units": two}, {"units": weeks(items())[:, :2]}) == [message]
    with pytest.raises(ConfigError, match="target must be one column"):
        fitted({"units": weeks(items())[:, :2]}, {"units": two})


def test_a_decoder_that_does_not_exist_or_suit_is_told_before_any_work():
    targets = {"price": items()["price"].to_numpy()}
    typo = HeadChoice("regression", target="price", options={}, decoder="linaer")
    (message,) = head_mistakes({"price": typo}, targets)
    assert message.startswith("decoder must be one of") and "linear" in message
    other = HeadChoice("sales_volume", target="price", options={}, decoder="least_squares")
    (message,) = head_mistakes({"price": other}, targets)
    assert message.startswith("head sales_volume of price: ") and "'linear'" in message


def test_a_faulty_step_is_told_by_its_own_column_and_a_missing_one_is_none():
    units = weeks(items())
    units[3, 1], units[4, 2] = np.inf, np.nan
    catalogue = build_catalogue(items(), Schema(columns={"numeric": ("price",)}), photos=None)
    (problem,) = target_problems(catalogue, {"units": CHOICE}, {"units": units})
    assert (problem.row, problem.column) == (3, "week_2")
    assert is_known(units).sum() == N - 1

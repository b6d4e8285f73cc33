import json
import re

import numpy as np
import pytest
import torch

from encoders.blocks import Block
from fusion.data.batch import ModelInputs
from fusion.data.training_rows import TrainingRows
from fusion.members.boosting import Growth, TreeTask, boost
from fusion.members.tree_features import MOST_DIRECTIONS, TreeFeatures
from fusion.members.trees import TreesMember
from fusion.members.view import View
from heads import (
    HotItemHead,
    MulticlassHead,
    QuantilesHead,
    RegressionHead,
    SalesVolumeHead,
)

N = 240


def view(n=N, *, seed=0, absent=0.0):
    """Rows of a number, a category and an embedding, which all say something of `units`."""
    draw = np.random.default_rng(seed)
    numbers = draw.normal(size=(n, 2))
    codes = draw.integers(1, 6, n)
    vectors = draw.normal(size=(n, 40)).astype(np.float32)
    vectors[:, :2] *= 5.0
    blocks = {
        "numeric.raw": Block("raw", "raw", numbers, labels=("price", "weight")),
        "numeric.brand": Block("brand", "category", codes, n_levels=6),
        "text": Block("", "vectors", vectors),
    }
    present = {name: draw.random(n) >= absent for name in blocks}
    masks = {name: torch.from_numpy(mask) for name, mask in present.items()}
    return View(blocks, present, ModelInputs(masks), {})


def units(rows):
    """Counts around a mean that numbers, category and embedding raise."""
    numbers, codes, vectors = (block.values for block in rows.blocks.values())
    log_mean = 1.0 + 0.6 * numbers[:, 0] + 0.3 * (codes % 3) + 0.15 * vectors[:, 0]
    return np.random.default_rng(9).poisson(np.exp(log_mean)).astype(np.float64)


def folds(n=N, n_folds=3):
    return [np.arange(start, n, n_folds) for start in range(n_folds)]


def fitted(rows, heads, targets, *, max_trees=80, seed=0, **known):
    member = TreesMember(max_trees=max_trees)
    known = {"folds": folds(len(rows)), "sample_weight": np.ones(len(rows)), **known}
    training = TrainingRows(targets, **known)
    return member, member.fit(rows, heads=heads, training=training, seed=seed)


def heads_of(target):
    trend = np.digitize(target, np.quantile(target, [0.3, 0.7])).astype(np.float64)
    return {
        "units": (SalesVolumeHead.fitted(target), target),
        "price": (RegressionHead.fitted(target), target),
        "hot": (HotItemHead.fitted(target), target),
        "trend": (MulticlassHead.fitted(trend, labels=("a", "b", "c")), trend),
        "ranges": (QuantilesHead.fitted(target), target),
    }


@pytest.fixture(scope="module")
def all_heads():
    rows = view()
    both = heads_of(units(rows))
    heads, targets = ({name: pair[k] for name, pair in both.items()} for k in (0, 1))
    member, out_of_fold = fitted(rows, heads, targets)
    return member, heads, targets, out_of_fold


@pytest.mark.parametrize("name", ["units", "price", "hot", "trend", "ranges"])
def test_trees_answer_rows_that_they_never_saw_better_than_a_constant(all_heads, name):
    _, heads, targets, out_of_fold = all_heads
    head, target = heads[name], targets[name]
    encoded = torch.from_numpy(head.encode_target(target))
    found = float(head.loss(out_of_fold[name], encoded))
    assert found < 0.92 * head.constant_loss(encoded)


def test_a_saved_member_answers_the_same_and_its_trees_are_text(all_heads):
    member, heads, _, _ = all_heads
    state = member.state()
    texts = {name: value for name, value in state.items() if isinstance(value, bytes)}
    assert sorted(texts) == [f"{place}_0.txt" for place in range(5)]
    assert all(text.startswith(b"tree\nversion=v4\n") for text in texts.values())
    again = TreesMember(**json.loads(json.dumps(member.config)))
    again.load_state(state, heads=heads, encoders={})
    asked = view(50, seed=3, absent=0.3)
    for name, raw in member.raw(asked).items():
        torch.testing.assert_close(again.raw(asked)[name], raw, rtol=0, atol=0)


BROKEN = {
    "0_0.txt": b"tree\n",
    "1_0.txt": None,
    "features.0.filling": torch.zeros(3, dtype=torch.float64),
    "features.0.is_filled": torch.zeros(2),
    "features.2.directions": torch.zeros(40, 3, dtype=torch.float64),
    "features.2.mean": torch.zeros(39, dtype=torch.float64),
    "answers.0.linear.weight": torch.zeros(7, 7),
    "odd": torch.zeros(1),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_state_that_does_not_fit_is_refused(all_heads, name):
    member, heads, _, _ = all_heads
    state = {**member.state(), name: BROKEN[name]}
    if BROKEN[name] is None:
        del state[name]
    with pytest.raises(ValueError, match="must"):
        TreesMember(**member.config).load_state(state, heads=heads, encoders={})


@pytest.mark.parametrize(
    ("option", "value"),
    [("learning_rate", 0.0), ("learning_rate", "fast"), ("n_leaves", 1), ("max_trees", 2.5),
     ("blocks", [["text", "odd"]]), ("blocks", [["text"]]), ("blocks", [["a", "raw"]] * 2)],
)  # fmt: skip
def test_options_out_of_range_are_refused(option, value):
    with pytest.raises(ValueError, match=re.escape(option)):
        TreesMember(**{option: value})


def test_a_row_without_a_block_that_all_training_rows_had_is_answered_as_a_usual_one():
    rows = view()
    target = {"price": units(rows)}
    member, _ = fitted(rows, {"price": RegressionHead.fitted(target["price"])}, target)
    asked, usual = view(1, seed=5), view(1, seed=5)
    for name in ("numeric.raw", "text"):
        asked.present[name][:] = False
        asked.blocks[name].values[:] = np.nan
    usual.blocks["numeric.raw"].values[:] = np.median(rows.blocks["numeric.raw"].values, axis=0)
    usual.present["text"][:] = False
    torch.testing.assert_close(member.raw(asked)["price"], member.raw(usual)["price"])


@pytest.mark.parametrize("n", [1, 5, 12])
def test_few_rows_are_enough(n):
    rows = view(n)
    target = np.arange(float(n)) + 1.0
    heads = {"units": SalesVolumeHead.fitted(target), "price": RegressionHead.fitted(target)}
    some = [np.array([row]) for row in range(n)][:4] if n > 1 else []
    member, found = fitted(rows, heads, dict.fromkeys(heads, target), folds=some)
    for raw in [*found.values(), *member.raw(rows).values()]:
        assert raw.isfinite().all()


def test_rows_of_no_sale_at_all_are_answered_by_nearly_nothing():
    rows = view(40)
    target = np.zeros(40)
    head = SalesVolumeHead.fitted(target)
    member, _ = fitted(rows, {"units": head}, {"units": target})
    assert (head.decode(member.raw(rows)["units"])["sales_units"] < 0.01).all()


def test_a_target_of_steps_has_trees_for_each_step(steps_head):
    rows = view(120)
    target = np.stack([units(rows), 2.0 * units(rows)], axis=1)
    head = steps_head.fitted(target)
    member, found = fitted(rows, {"weeks": head}, {"weeks": target})
    assert found["weeks"].shape == (120, 1, 2, 1)
    assert {name for name in member.state() if name.endswith(".txt")} == {"0_0.txt", "0_1.txt"}


def test_the_number_of_threads_changes_nothing_and_stays_as_it_was():
    rows = view(150)
    target = {"price": units(rows)}
    heads = {"price": RegressionHead.fitted(target["price"])}
    before, states = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            states.append(fitted(rows, heads, target, max_trees=4)[0].state())
            assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    assert states[0]["0_0.txt"] == states[1]["0_0.txt"]


def test_the_number_of_trees_is_found_on_rows_held_out():
    rows = view()
    noise = np.random.default_rng(1).normal(size=N)
    told = rows.blocks["numeric.raw"].values[:, 0]
    tasks = [TreeTask("regression", labels) for labels in (noise, told)]
    given = {"folds": folds(), "sample_weight": np.ones(N), "growth": Growth(max_trees=300)}
    texts = boost(rows, tasks, **given).texts
    of_noise, of_signal = (text.count(b"Tree=") for text in texts)
    assert of_noise < 60 < of_signal


def test_a_head_without_any_target_is_refused():
    rows = view(20)
    head = RegressionHead.tiny()
    with pytest.raises(ValueError, match="known in one row"):
        fitted(rows, {"price": head}, {"price": np.full(20, np.nan)})


def test_directions_are_few_ordered_and_those_of_principal_components():
    from sklearn.decomposition import PCA

    rows = view()
    features = TreeFeatures.fitted(rows)
    assert features.n_columns == 2 + 1 + MOST_DIRECTIONS
    assert features.categorical == [2]
    values = rows.blocks["text"].values
    table = features.table(rows)[:, 3:]
    known = np.abs(PCA(MOST_DIRECTIONS, svd_solver="full").fit_transform(values))
    there = rows.present["text"]
    np.testing.assert_allclose(np.abs(table[there]), known[there], rtol=1e-3, atol=1e-3)


def test_the_table_is_nan_where_training_rows_lacked_something_too():
    rows = view(absent=0.2)
    features = TreeFeatures.fitted(rows)
    table = features.table(rows)
    for start, stop, name in ((0, 2, "numeric.raw"), (2, 3, "numeric.brand"), (3, None, "text")):
        missing = np.isnan(table[:, start:stop])
        np.testing.assert_array_equal(missing.all(axis=1), ~rows.present[name])
        np.testing.assert_array_equal(missing.any(axis=1), ~rows.present[name])

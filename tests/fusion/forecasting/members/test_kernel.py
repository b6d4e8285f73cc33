from dataclasses import replace

import numpy as np
import pytest
import torch

from encoders.blocks import Block
from fusion.data.batch import ModelInputs
from fusion.data.panel.frequency import Frequency
from fusion.data.panel.panel import Panel, ragged
from fusion.forecasting.examples import STAGES, past_examples
from fusion.forecasting.members.base import PathTraining
from fusion.forecasting.members.example import example_examples
from fusion.forecasting.members.example_view import example_view
from fusion.forecasting.members.kernel import KernelPathMember
from fusion.members.view import View
from heads.sales_path import SalesPathHead

START, N_ITEMS, HORIZON = 2800, 80, 3
SLOPES = np.array([0.5, 1.0, 2.0])


def launches(*, seed=0):
    """Items that came one after the other; their category decides level and shape."""
    rng = np.random.default_rng(seed)
    first = START + 1 + np.arange(N_ITEMS)
    kind = rng.integers(0, 3, N_ITEMS)
    offsets, series = ragged(START + N_ITEMS + 6 - first)
    place = np.arange(len(series)) - offsets[series]
    units = 40.0 * (1 + kind[series]) * SLOPES[kind[series]] ** place
    units[place > 3] = np.nan
    ids = tuple(f"item{row:02}" for row in range(N_ITEMS))
    none = np.ones(len(units), dtype=bool)
    panel = Panel(
        Frequency("week"), START, ids, None, first, offsets,
        units.astype(np.float32), none, np.ones(N_ITEMS + 6, dtype=bool),
    )  # fmt: skip
    block = Block("kind", "category", kind + 2, n_levels=5)
    there = np.ones(N_ITEMS, dtype=bool)
    view = View({"numeric.kind": block}, {"numeric.kind": there}, _inputs(), {})
    asked = past_examples(panel, horizon=HORIZON, until=panel.end)
    return replace(asked, content=view, content_rows=np.arange(N_ITEMS), new_level=100.0)


def _inputs():
    return ModelInputs({"numeric": torch.ones(N_ITEMS, dtype=torch.bool)})


def fitted(examples, rows, **options):
    known = examples.take(rows)
    head = SalesPathHead.fitted(known.paths())
    member = KernelPathMember(**options)
    training = PathTraining(known.paths(), np.ones(len(rows)))
    member.fit(known, head=head, training=training, seed=0)
    return member, head


def test_level_and_shape_of_new_items_follow_their_content():
    examples = launches()
    new = np.flatnonzero(examples.stages() == 0)
    member, head = fitted(examples, new[:60])
    asked = examples.take(new[60:])
    medians = member.raw(asked)[:, :, 1 + head.middle]
    errors = np.abs(medians - asked.paths()).sum() / asked.paths().sum()
    plain = np.abs(examples.take(new[:60]).paths().mean(axis=0) - asked.paths()).sum()
    assert errors < 0.1 < plain / asked.paths().sum()


def test_it_knows_the_life_stages_that_it_learned_of():
    examples = launches()
    new = np.flatnonzero(examples.stages() == 0)
    member, _ = fitted(examples, new)
    assert np.array_equal(member.knows(examples), examples.stages() == 0)
    few, _ = fitted(examples, new[:19])
    assert not few.knows(examples).any()
    assert np.isfinite(few.raw(examples)).all()


def test_examples_with_an_unknown_step_are_not_learned_from():
    examples = launches()
    rows = np.flatnonzero((examples.stages() == 0) | (examples.stages() == 1))
    whole = rows[~np.isnan(examples.take(rows).paths()).any(axis=1)]
    assert len(whole) < len(rows)
    some, _ = fitted(examples, rows)
    other, _ = fitted(examples, whole)
    assert np.allclose(some.raw(examples), other.raw(examples))


def test_no_more_examples_of_a_stage_are_kept_than_asked_for():
    examples = launches()
    member, _ = fitted(examples, np.flatnonzero(examples.stages() == 0), most_examples=30)
    assert member.config["learned"]["new"]["n_points"] == 30


def test_content_that_is_gone_is_as_absent_content():
    examples = example_examples()
    rows = np.arange(0, len(examples), 2)
    member, _ = fitted(examples, rows)
    bare = replace(examples, content=None, content_rows=None)
    nothing = examples.content
    absent = {name: np.zeros_like(mask) for name, mask in nothing.present.items()}
    emptied = replace(examples, content=replace(nothing, present=absent))
    assert np.allclose(member.raw(bare), member.raw(emptied))
    assert not np.allclose(member.raw(bare), member.raw(examples))


def test_a_state_with_something_left_over_is_refused():
    examples = launches()
    member, head = fitted(examples, np.flatnonzero(examples.stages() == 0))
    other = KernelPathMember(**member.config)
    with pytest.raises(ValueError, match="nothing else, got strange"):
        other.load_state({**member.state(), "strange": torch.zeros(1)}, head=head)
    with pytest.raises(ValueError, match="learned must tell of new, young, known, got old"):
        KernelPathMember(learned={"old": {}})
    with pytest.raises(ValueError, match="most_examples"):
        KernelPathMember(most_examples=3)


def test_a_view_says_nothing_of_sales_where_there_are_none():
    examples = example_examples()
    view = example_view(examples)
    is_new = examples.stages() == 0
    for name in ("sales.level", "sales.trend", "sales.age"):
        assert not view.present[name][is_new].any()
        assert np.isfinite(view.blocks[name].values[view.present[name]]).all()
    assert view.present["calendar"].all()
    assert "ahead.price" in view.blocks and "ahead.visitors" not in view.blocks


def test_the_trend_of_a_view_is_the_latest_sales_by_their_level():
    examples = launches()
    view = example_view(examples)
    row = int(np.flatnonzero(examples.windows.lengths == 2)[0])
    sold = examples.windows.past("units", 2)[row].astype(np.float64)
    level = sold.mean() + 1
    assert view.blocks["sales.level"].values[row] == pytest.approx(np.log(level))
    assert view.blocks["sales.trend"].values[row, 0] == pytest.approx(np.log((sold[1] + 1) / level))


def test_medians_of_early_items_are_what_the_kernel_says_and_those_of_known_ones_are_learned():
    examples = example_examples()
    rows = np.arange(len(examples))
    member, head = fitted(examples, rows, most_examples=60, choice_examples=40)
    assert set(member.config["learned"]) == {"young", "known"}  # too few were ever new
    for name in member.config["learned"]:
        some = examples.take(np.flatnonzero(examples.stages() == STAGES.index(name))[:20])
        points = member._points(member._kernels[name], example_view(some))
        medians = member.raw(some)[:, :, 1 + head.middle]
        equal = np.isclose(medians, points).mean()  # all but where quantiles had to be put in order
        assert equal < 0.2 if name == "known" else equal > 0.8

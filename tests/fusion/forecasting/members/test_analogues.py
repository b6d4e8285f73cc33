from dataclasses import replace

import numpy as np
import pytest
import torch

from encoders.blocks import Block
from fusion.data.batch import ModelInputs
from fusion.data.panel.frequency import Frequency
from fusion.data.panel.panel import Panel, ragged
from fusion.forecasting.examples import examples_at, past_examples
from fusion.forecasting.members.analogues import AnaloguesMember
from fusion.forecasting.members.base import PathTraining
from fusion.members.view import View
from heads.sales_path import SalesPathHead

START, N_ITEMS, HORIZON = 2800, 40, 3
CURVES = np.array([[10.0, 20, 40, 30, 20, 10, 5], [80.0, 40, 20, 10, 5, 2, 1]])
KIND = np.arange(N_ITEMS) % 2


def panel_of(units=None):
    """Items that came one a week, of two kinds in turn: one rises, one falls."""
    first = START + 1 + np.arange(N_ITEMS)
    offsets, series = ragged(START + N_ITEMS + 5 - first)
    place = np.arange(len(series)) - offsets[series]
    sold = np.where(place < 7, CURVES[KIND[series], place.clip(max=6)], 0.0)
    return Panel(
        Frequency("week"), START, tuple(f"item{row:02}" for row in range(N_ITEMS)), None, first,
        offsets, (sold if units is None else units).astype(np.float32),
        np.ones(len(sold), dtype=bool), np.ones(N_ITEMS + 5, dtype=bool),
    )  # fmt: skip


def content_of_kinds(*, without=()):
    rng = np.random.default_rng(0)
    vectors = np.eye(2, 4)[KIND] + 0.05 * rng.normal(size=(N_ITEMS, 4))
    there = np.ones(N_ITEMS, dtype=bool)
    there[list(without)] = False
    blocks = {
        "text": Block("", "vectors", vectors.astype(np.float32)),
        "numeric.kind": Block("kind", "category", KIND + 2, n_levels=4),
    }
    inputs = ModelInputs({"text": torch.from_numpy(there)})
    return View(blocks, {"text": there, "numeric.kind": there}, inputs, {})


def with_content(asked, view=None):
    view = content_of_kinds() if view is None else view
    return replace(asked, content=view, content_rows=np.arange(N_ITEMS), new_level=30.0)


def learned(panel, **options):
    examples = with_content(past_examples(panel, horizon=HORIZON, until=panel.end))
    head = SalesPathHead.fitted(examples.paths())
    member = AnaloguesMember(**options)
    training = PathTraining(examples.paths(), np.ones(len(examples)))
    member.fit(examples, head=head, training=training, seed=0)
    return member, head, examples


def asked_at(panel, series, age, *, view=None):
    series = np.asarray(series)
    return with_content(
        examples_at(panel, series, panel.first[series] + age, horizon=HORIZON), view
    )


PANEL = panel_of()
MEMBER, HEAD, EXAMPLES = learned(PANEL, k=4)


def test_new_items_sell_as_those_like_them_did_at_their_age():
    asked = asked_at(PANEL, [30, 31], 0)
    units = MEMBER.raw(asked)[:, :-1, 1 + HEAD.middle] * 30.0
    assert np.allclose(units, CURVES[KIND[[30, 31]], :3], rtol=0.02)


def test_young_items_sell_by_the_shape_of_their_analogues_at_their_own_level():
    bought = PANEL.units.copy()
    begin = int(PANEL.offsets[34])
    bought[begin : begin + 2] *= 2.0
    asked = asked_at(panel_of(bought), [34], 2)
    raw = MEMBER.raw(asked)[0, :-1, 1 + HEAD.middle] * asked.levels()
    assert np.allclose(raw, 2.0 * CURVES[0, 2:5], rtol=0.1)


def test_weeks_of_an_analogue_from_the_date_on_change_nothing():
    """Nor do items that came later: points are asked, as spreads are learned from all of them."""
    date = START + 1 + 30
    changed = PANEL.units.copy()
    for one in range(N_ITEMS):
        begin, stop = PANEL.offsets[one], PANEL.offsets[one + 1]
        place = max(int(begin) + date - int(PANEL.first[one]), int(begin))
        changed[place:stop] = 1000.0
    other, _, _ = learned(panel_of(changed), k=4)
    assert not np.allclose(other._curves.curves, MEMBER._curves.curves, equal_nan=True)
    for series, age in ((30, 0), (29, 1), (27, 3)):
        asked = asked_at(PANEL, [series], age)
        assert np.array_equal(other._points(asked), MEMBER._points(asked))


def test_analogues_are_those_whose_window_was_over():
    early = asked_at(PANEL, range(N_ITEMS), 0)
    assert MEMBER.knows(early).tolist() == [place >= HORIZON + 3 for place in range(N_ITEMS)]


def test_known_items_and_those_of_unknown_age_are_left_to_others():
    assert not MEMBER.knows(asked_at(PANEL, [30], 5)).any()
    old = asked_at(PANEL, [30], 2)
    cut = replace(old, windows=replace(old.windows, is_cut=np.array([True])))
    assert MEMBER.knows(old).all() and not MEMBER.knows(cut).any()


def test_new_items_without_content_have_no_analogues_and_young_ones_have():
    view = content_of_kinds(without=[30])
    assert not MEMBER.knows(asked_at(PANEL, [30], 0, view=view)).any()
    asked = asked_at(PANEL, [30], 2, view=view)
    assert MEMBER.knows(asked).all()
    raw = MEMBER.raw(asked)[0, :-1, 1 + HEAD.middle] * asked.levels()
    assert np.allclose(raw, CURVES[0, 2:5], rtol=0.05)  # by what was sold so far


def test_content_that_is_gone_is_as_absent_content():
    asked = asked_at(PANEL, [30, 31], 2)
    bare = replace(asked, content=None, content_rows=None)
    absent = asked_at(PANEL, [30, 31], 2, view=content_of_kinds(without=[30, 31]))
    assert np.array_equal(MEMBER.raw(bare), MEMBER.raw(absent))
    assert not MEMBER.knows(replace(bare, windows=asked_at(PANEL, [30], 0).windows)).any()


def test_a_panel_without_launches_has_no_analogues():
    panel = replace(PANEL, start=START + 1, first=np.full(N_ITEMS, START + 1))
    sold = np.ones(N_ITEMS * 8, dtype=np.float32)
    panel = replace(panel, offsets=np.arange(N_ITEMS + 1) * 8, units=sold, given=sold > 0)
    panel = replace(panel, reported=np.ones(8, dtype=bool))
    member, _, examples = learned(panel)
    assert len(examples) and not member.knows(examples).any()
    assert np.isfinite(member.raw(examples)).all()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("is_known", None, "is_known must be of shape"),
        ("first", torch.zeros(2, dtype=torch.int64), "first must be of shape"),
        ("vectors.text", torch.zeros(3, 4), "content of 40 items"),
        ("vectors.text", torch.full((40, 4), torch.nan), "finite"),
        ("strange", torch.zeros(1), "nothing else"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(name, value, message):
    state = {**MEMBER.state(), name: value}
    with pytest.raises(ValueError, match=message):
        AnaloguesMember(**MEMBER.config).load_state(state, head=HEAD)

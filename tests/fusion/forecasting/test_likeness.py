from dataclasses import replace

import numpy as np
import pytest
import torch

from encoders.blocks import Block
from fusion.data.batch import ModelInputs
from fusion.data.panel.frequency import Frequency
from fusion.data.panel.panel import Panel, ragged
from fusion.forecasting.examples import past_examples
from fusion.forecasting.likeness import content_of_view, similar_items
from fusion.members.view import View

START, N_ITEMS = 2800, 40
CURVES = np.array([[10.0, 20, 40, 30, 20, 10, 5], [80.0, 40, 20, 10, 5, 2, 1]])
KIND = np.arange(N_ITEMS) % 2


def panel_of(shops=None):
    """Items that came one a week, of two kinds in turn: one rises, one falls."""
    first = START + 1 + np.arange(N_ITEMS)
    ids = tuple(f"item{row:02}" for row in range(N_ITEMS))
    if shops is not None:
        first, ids = np.repeat(first, len(shops)), tuple(np.repeat(ids, len(shops)).tolist())
    offsets, series = ragged(START + N_ITEMS + 5 - first)
    place = np.arange(len(series)) - offsets[series]
    kind = KIND[series // (1 if shops is None else len(shops))]
    units = np.where(place < 7, CURVES[kind, place.clip(max=6)], 0.0).astype(np.float32)
    there = np.ones(len(units), dtype=bool)
    names = None if shops is None else shops * N_ITEMS
    reported = np.ones(N_ITEMS + 5, dtype=bool)
    return Panel(
        Frequency("week"), START, ids, names, first, offsets, units, there, reported
    )  # fmt: skip


def content_of_kinds(*, without=()):
    rng = np.random.default_rng(0)
    vectors = np.eye(2, 4)[KIND] + 0.05 * rng.normal(size=(N_ITEMS, 4))
    there = np.ones(N_ITEMS, dtype=bool)
    there[list(without)] = False
    blocks = {
        "text": Block("", "vectors", vectors.astype(np.float32)),
        "numeric.kind": Block("kind", "category", KIND + 2, n_levels=4),
        "history.numbers": Block("numbers", "numbers", rng.normal(size=(N_ITEMS, 2))),
    }
    inputs = ModelInputs({"text": torch.from_numpy(there)})
    return View(blocks, dict.fromkeys(blocks, there), inputs, {})


def examples_of(panel, view=None):
    rows = np.repeat(np.arange(N_ITEMS), len(panel.ids) // N_ITEMS)
    asked = past_examples(panel, horizon=3, until=panel.end)
    view = content_of_kinds() if view is None else view
    return replace(asked, content=view, content_rows=rows)


PANEL = panel_of()
EXAMPLES = examples_of(PANEL)


def test_like_items_are_told_with_distances_and_curves_up_to_the_date():
    date = PANEL.frequency.first_day(START + 1 + 10)
    found = similar_items(EXAMPLES, "item30", before=date, k=4, n_periods=5)
    assert len(found) == 4 and all(int(name[4:]) % 2 == 0 for name in found.items)
    assert (np.diff(found.distances) >= 0).all() and (found.distances < 0.1).all()
    assert set(found.by_modality) == {"text", "categories"}
    assert np.allclose(found.by_modality["categories"], 0.0, atol=1e-6)
    for name, launched, curve in zip(found.items, found.launched, found.curves, strict=True):
        place = int(name[4:])
        assert launched == PANEL.frequency.first_day(START + 1 + place)
        n_known = min(10 - place, 5)
        assert np.array_equal(curve[:n_known], CURVES[0, :n_known])
        assert np.isnan(curve[n_known:]).all()


def test_items_that_came_at_the_date_or_later_are_not_like_any():
    date = PANEL.frequency.first_day(START + 1 + 3)
    found = similar_items(EXAMPLES, "item00", before=date, k=10)
    assert sorted(found.items) == ["item01", "item02"]
    first = PANEL.frequency.first_day(START + 1)
    assert len(similar_items(EXAMPLES, "item05", before=first, k=3)) == 0


def test_an_item_without_content_is_compared_with_none():
    bare = examples_of(PANEL, content_of_kinds(without=[30]))
    date = PANEL.frequency.first_day(START + 20)
    found = similar_items(bare, "item30", before=date, k=2)
    assert np.isnan(found.distances).all() and np.isnan(found.by_modality["text"]).all()


def test_an_unknown_item_is_refused_with_the_nearest_id():
    with pytest.raises(ValueError, match=r"item must be in the panel.*Did you mean"):
        similar_items(EXAMPLES, "item3O", before="2024-01-01")
    with pytest.raises(ValueError, match="content must be given"):
        similar_items(replace(EXAMPLES, content=None), "item30", before="2024-01-01")


def test_curves_of_an_item_are_those_of_all_its_shops():
    date = PANEL.frequency.first_day(START + 30)
    one = similar_items(EXAMPLES, "item35", before=date, k=3)
    two = similar_items(examples_of(panel_of(("east", "west"))), "item35", before=date, k=3)
    assert one.items == two.items
    assert np.array_equal(2.0 * one.curves, two.curves, equal_nan=True)


def test_past_sales_are_no_content():
    content = content_of_view(content_of_kinds(without=[0]))
    assert set(content.vectors) == {"text"}
    assert content.levels.shape == (N_ITEMS, 1) and content.levels[0, 0] == 0
    assert not content.vectors["text"][0].any()
    assert np.allclose(np.linalg.norm(content.vectors["text"][1:], axis=1), 1.0)

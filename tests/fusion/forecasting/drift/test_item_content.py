"""Items of a forecast as a watch reads them: words of texts too, and no launch before its time."""

from dataclasses import replace

import numpy as np
import pytest

from encoders.text.tfidf import TfidfEncoder
from fusion.data.panel.launches import NO_LAUNCH
from fusion.forecasting.drift.of_forecast import item_content
from fusion.forecasting.drift.reference import make_reference
from fusion.forecasting.drift.watch import watch
from fusion.forecasting.kept import Kept, blocks_alone
from fusion.members.view import View

UNTIL, END = 2880, 2893


@pytest.fixture
def kept(stable):
    """Items with a text each, of words that change with the first watched week."""
    panel, items = stable
    draw = np.random.default_rng(5)
    letters = np.array([*"abcdefgh"])

    def text(is_new):
        names = draw.choice(letters[4:] if is_new else letters[:4], 3)
        return " ".join(f"{name}{name}{name}" for name in names)

    texts = [text(period >= UNTIL) for period in items.periods]
    blocks = {f"text.{one.name}": one for one in TfidfEncoder.fitted(texts).terms(texts)}
    there = np.ones(len(texts), dtype=bool)
    view = View(blocks, dict.fromkeys(blocks, there), None, {})
    return Kept(
        panel,
        np.full(panel.n_series, NO_LAUNCH),
        blocks_alone(view, len(texts)),
        np.arange(panel.n_series),
        learned_until=UNTIL,
        out_of_fold=None,
        seed=0,
    )


def test_words_are_watched_as_well_as_characters(kept):
    items = item_content(kept)
    assert set(items.vectors) == {"text.words", "text.characters"}
    assert set(items.present) == {"text"}
    report = watch(make_reference(kept.panel, items, until=UNTIL), kept.panel, items)
    assert {one.column for one in report.findings} == {"text.words", "text.characters"}


def test_other_words_of_the_same_characters_are_found(kept):
    words, characters = (kept.content.blocks[f"text.{one}"] for one in ("words", "characters"))
    old = np.flatnonzero(item_content(kept).periods < UNTIL)
    rows = np.arange(len(characters))
    rows[len(old) :] = old[: len(rows) - len(old)]
    blocks = {"text.words": words, "text.characters": characters.take(rows)}
    items = item_content(replace(kept, content=replace(kept.content, blocks=blocks)))
    report = watch(make_reference(kept.panel, items, until=UNTIL), kept.panel, items)
    assert {one.column for one in report.findings} == {"text.words"}


def test_an_item_is_new_from_its_launch_on(kept):
    panel = kept.panel
    ahead = panel.n_series - 1
    first = panel.first.copy()
    first[ahead] = END
    begun = replace(panel, first=first)
    launches = np.full(panel.n_series, NO_LAUNCH)
    launches[ahead] = END + 2
    items = item_content(replace(kept, panel=begun, launches=launches))
    assert panel.ids[ahead] not in items.ids and len(items) == panel.n_series - 1
    launches[ahead] = END - 3
    items = item_content(replace(kept, panel=begun, launches=launches))
    assert items.periods[ahead] == END - 3


def test_an_item_that_was_never_sold_and_has_no_launch_is_an_old_one(kept):
    first = kept.panel.first.copy()
    first[-1] = END
    items = item_content(replace(kept, panel=replace(kept.panel, first=first)))
    assert items.periods[-1] == kept.panel.start

"""The headline of an update: what came, how good the forecast is with it, and what has drifted."""

import numpy as np

from fusion.forecasting.updating.update import Updated
from fusion.report.answer import Answer, Tile
from fusion.report.number_text import number, percent
from fusion.report.period_words import periods, span_text


def update_answer(found: Updated) -> Answer:
    """Lead, sentence and big numbers."""
    frequency = found.trained.frequency
    came = periods(found.n_periods, frequency)
    n_moved = len(found.drift.findings)
    things = "one measure" if n_moved == 1 else f"{n_moved} measures"
    lead = f"Up to date, and {things} drifted." if n_moved else "Up to date, and nothing drifted."
    items = f"{number(found.n_new_items)} new item{'s'[: found.n_new_items != 1]}"
    first = int(frequency.period(np.array(found.first_day, dtype="datetime64[D]")))
    sentence = (
        f"{came} came, {span_text(first, found.n_periods, frequency)}: {number(found.n_rows)} rows "
        f"and {items}."
    )
    return Answer(
        name="Update",
        tone="bad" if n_moved else "good",
        lead=lead,
        sentence=sentence,
        proof=_proof(found),
        tiles=_tiles(found),
    )


def _proof(found: Updated) -> str:
    if found.comparison is None:
        return "Too little is known of the new periods to compare both forecasts on them."
    text = found.comparison.text
    return f"{text[0].upper()}{text[1:]}."


def _tiles(found: Updated) -> tuple[Tile, ...]:
    tiles = [Tile("Drifted", number(len(found.drift.findings)), f"of {len(found.drift.readings)}")]
    if found.comparison is not None:
        before = percent(found.comparison.old_coverage, digits=0)
        now = percent(found.comparison.new_coverage, digits=0)
        tiles.insert(0, Tile("Coverage", now, f"{before} before, over the same steps"))
    return tuple(tiles)

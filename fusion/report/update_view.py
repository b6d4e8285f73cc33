"""The headline of an update: what came, how good the forecast is with it, and what has drifted."""

import numpy as np

from fusion.forecasting.updating.step_back import MARGIN
from fusion.forecasting.updating.update import Updated
from fusion.report.answer import Answer, Tile
from fusion.report.number_text import number, percent
from fusion.report.period_words import periods, span_text
from fusion.system.words import number_of


def update_answer(found: Updated) -> Answer:
    """Lead, sentence and big numbers."""
    frequency = found.trained.frequency
    came = periods(found.n_periods, frequency)
    tone, lead = _verdict(found)
    items = number_of(found.n_new_items, "new item")
    rows = number_of(found.n_rows, "row")
    first = int(frequency.period(np.array(found.first_day, dtype="datetime64[D]")))
    sentence = f"{came} came, {span_text(first, found.n_periods, frequency)}: {rows} and {items}."
    return Answer(
        name="Update",
        tone=tone,
        lead=lead,
        sentence=sentence,
        proof=_proof(found),
        tiles=_tiles(found),
    )


def _verdict(found: Updated) -> tuple[str, str]:
    """Tone and lead."""
    drift, compared = found.drift, found.comparison
    if not drift.readings:
        return "open", "Up to date, but nothing could be watched for drift."
    if n_moved := len(drift.findings):
        things = "one measure" if n_moved == 1 else f"{n_moved} measures"
        return "bad", f"Up to date, and {things} drifted."
    if (
        compared is not None
        and not compared.is_step_back
        and compared.new > (1.0 + MARGIN) * compared.old
    ):
        return "open", "Up to date and nothing drifted, but it errs a little more."
    return "good", "Up to date, and nothing drifted."


def _proof(found: Updated) -> str:
    said = "too little is known of the new periods to compare both forecasts on them"
    if found.comparison is not None:
        said = found.comparison.text
    parts = filter(None, [said, found.ranges_note])
    return " ".join(f"{part[0].upper()}{part[1:]}." for part in parts)


def _tiles(found: Updated) -> tuple[Tile, ...]:
    tiles = []
    if found.comparison is not None and not found.comparison.is_step_back:
        before = percent(found.comparison.old_coverage, digits=0)
        now = percent(found.comparison.new_coverage, digits=0)
        tiles.append(Tile("Coverage", now, f"{before} before, over the same steps"))
    if n_read := len(found.drift.readings):
        tiles.append(Tile("Drifted", number(len(found.drift.findings)), f"of {n_read}"))
    return tuple(tiles)

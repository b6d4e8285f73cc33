"""The headline of an update: what came, how good the forecast is with it, and what has drifted."""

import math
from collections.abc import Sequence

import numpy as np

from fusion.forecasting.drift.readings import Reading
from fusion.forecasting.updating.step_back import MARGIN, Comparison
from fusion.forecasting.updating.update import Updated
from fusion.report.answer import Answer, Tile
from fusion.report.number_text import number, percent
from fusion.report.period_words import periods, span_text
from fusion.system.words import number_of

FAR_OFF = 0.1
"""Difference of a coverage from the right one from which on it is told, if not chance alone."""
STANDARD_ERRORS = 2.0
"""So many of as many steps may be chance."""


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
    if found.silent_note:
        return "bad", "Up to date, but rows of items seem to be missing."
    if not drift.readings:
        return "open", "Up to date, but nothing could be watched for drift."
    if n_moved := len(drift.findings):
        things = "one measure" if n_moved == 1 else f"{n_moved} measures"
        return "bad", f"Up to date, and {things} drifted."
    if compared is not None and not compared.is_step_back:
        if _is_far_off(found, compared):
            held, right = _percents(compared.new_coverage, found.right_coverage)
            ranges = f"ranges held {held} where {right} is right"
            return "open", f"Up to date and nothing drifted, but {ranges}."
        if compared.new > (1.0 + MARGIN) * compared.old:
            return "open", "Up to date and nothing drifted, but it errs a little more."
    return "good", "Up to date, and nothing drifted."


def _is_far_off(found: Updated, compared: Comparison) -> bool:
    """Whether the ranges hold another share than they should, by more than chance explains."""
    right = found.right_coverage
    chance = STANDARD_ERRORS * math.sqrt(right * (1.0 - right) / max(compared.n_steps, 1))
    return abs(compared.new_coverage - right) > max(FAR_OFF, chance)


def _percents(*shares: float) -> list[str]:
    return [percent(share, digits=0) for share in shares]


def _proof(found: Updated) -> str:
    """Whether it is as good as before in a plain sentence, and the figures behind it."""
    compared = found.comparison
    parts = [found.ranges_note]
    if compared is None:
        parts.append("too little is known of the new periods to compare both forecasts on them")
    else:
        parts += ["" if compared.is_step_back else _beside(compared), compared.text]
    sentences = [f"{part[0].upper()}{part[1:]}." for part in parts if part]
    return " ".join(filter(None, [found.silent_note, *sentences]))


def _beside(compared: Comparison) -> str:
    """The forecast as it is now beside the one before."""
    if compared.low > 0:
        return "the forecast errs less than before"
    if compared.high < 0 or compared.new > (1.0 + MARGIN) * compared.old:
        return "the forecast errs a little more than before"
    return "the forecast is about as good as before"


def _tiles(found: Updated) -> tuple[Tile, ...]:
    tiles, compared = [], found.comparison
    if compared is not None and not compared.is_step_back:
        right, before, now = _percents(
            found.right_coverage, compared.old_coverage, compared.new_coverage
        )
        note = f"{right} is right; {before} before, over the same steps"
        tone = "bad" if _is_far_off(found, compared) else ""
        tiles.append(Tile("Coverage", now, note, tone))
    if n_read := len(found.drift.readings):
        n_moved = len(found.drift.findings)
        tiles.append(Tile("Drifted", number(n_moved), f"of {n_read}", "bad" if n_moved else ""))
    return tuple(tiles)


def drift_reasons(findings: Sequence[Reading]) -> dict[str, list[Reading]]:
    """Advice -> the measures that ask for it, so that each is said once, the first one first."""
    reasons: dict[str, list[Reading]] = {}
    for one in findings:
        reasons.setdefault(one.advice, []).append(one)
    return reasons

"""Examples as blocks of numbers: what is known of the item, its sales so far, and the calendar."""

from collections.abc import Mapping

import numpy as np
import torch

from encoders.blocks import Block
from encoders.series.inputs import cycles
from encoders.series.known import known_mean, last_known
from encoders.series.levels import ADDED
from encoders.series.windows import UNITS, Windows
from fusion.data.batch import ModelInputs
from fusion.forecasting.examples import Examples, Floats
from fusion.members.kernel_blocks import READ
from fusion.members.view import Mask, View

PERIODS, RECENT = 26, 4
"""The latest periods of a history that are read, and the last of them that count once more."""
CALENDAR = "calendar"
"""Name of the block that tells the season."""
Numbers = Mapping[str, tuple[Floats, Mask]]


def example_view(examples: Examples) -> View:
    """What is known of each example, in blocks that a kernel can compare.

    Blocks of the items keep their names. Beside them stand the logarithm of the level of an example
    (`sales.level`), how its latest sales lie to it (`sales.trend`), its age and share of periods
    without a sale (`sales.age`), each absent without a history; the season (`calendar`); and the
    mean over the steps of every number that is known ahead (`ahead.` and its name).
    """
    windows = examples.windows
    numbers = {**_sales(examples), CALENDAR: _calendar(windows), **_ahead(windows)}
    blocks = {name: Block("", "numbers", values) for name, (values, _) in numbers.items()}
    present = {name: there for name, (_, there) in numbers.items()}
    content, rows = examples.content, examples.content_rows
    if content is not None and rows is not None:
        own = rows[windows.series]
        for name, block in content.of_kinds(*READ).items():
            blocks[name], present[name] = block.take(own), content.present[name][own]
    inputs = ModelInputs(present={CALENDAR: torch.ones(len(examples), dtype=torch.bool)})
    return View(blocks, present, inputs, {})


def _sales(examples: Examples) -> Numbers:
    past = examples.windows.past(UNITS, PERIODS).astype(np.float64).clip(min=0.0)
    known = ~np.isnan(past)
    there = known.any(axis=1)
    levels = np.where(there, examples.levels(), 1.0)
    level, added = np.log(levels), ADDED[examples.windows.measure]
    means = [last_known(past), known_mean(past[:, -RECENT:]), known_mean(past)]
    trend = [np.log(np.where(np.isnan(one), levels - added, one) + added) - level for one in means]
    sold_none = known_mean(np.where(known, past == 0.0, np.nan))
    age = [np.log1p(examples.windows.lengths), sold_none]
    return {
        "sales.level": (level[:, None], there),
        "sales.trend": (np.stack(trend, axis=1), there),
        "sales.age": (np.stack(age, axis=1), there),
    }


def _calendar(windows: Windows) -> tuple[Floats, Mask]:
    """Season of the middle of the window; of days, the weekday of the first step too."""
    dates = windows.step_dates()
    year = cycles(dates[:, windows.n_steps // 2])[:2]
    week = cycles(dates[:, 0])[-2:] if windows.calendar.unit == "day" else []
    return np.stack([*year, *week], axis=1), np.ones(len(windows), dtype=bool)


def _ahead(windows: Windows) -> Numbers:
    """Means over the steps, and how far they lie from the latest past."""
    found = {}
    for name in sorted(windows.known):
        if name in windows.columns:
            future, past = windows.future(name), windows.past(name, RECENT)
        elif name in windows.market:
            future, past = windows.future_market(name), windows.past_market(name, RECENT)
        else:
            continue
        ahead = known_mean(future.astype(np.float64))
        change = np.nan_to_num(ahead - known_mean(past.astype(np.float64)))
        found[f"ahead.{name}"] = np.stack([ahead, change], axis=1), ~np.isnan(ahead)
    return found

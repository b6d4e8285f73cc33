"""What a watch has read: every measure with its threshold, and what to do where one is exceeded."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusion.system.words import number_of

if TYPE_CHECKING:
    import pandas as pd

NAMES = {
    "error": "error",
    "growth": "growth over a quarter",
    "spread": "spread of errors",
    "jumps": "items that jump",
    "level": "mean",
    "change": "change against recent periods",
    "bins": "population stability",
    "absent": "share missing",
    "unseen": "share of unseen levels",
    "levels": "population stability of new items",
    "energy": "energy distance of new items",
}
"""What each measure is called."""
SUM = "CUSUM"
SINGLE = "single period"


@dataclass(frozen=True)
class Reading:
    """One measure of what came, held against its threshold.

    Args:
        measure: What was measured, a key of `NAMES`.
        column: Column of sales or items, modality or a part of it, or `forecast`.
        chart: How a number of every period was judged: `CUSUM` or `single period`; else empty.
        value: The measure at its highest; of a chart in standard deviations of the reference.
        threshold: What it exceeds in stable times by chance alone, rarely; see `FALSE_ALARMS`.
        since: First day from which it moved; None where it did not exceed the threshold.
        found: Last day of the period by whose end that was seen; None likewise.
        advice: What to do, a sentence; empty where it did not exceed the threshold.
    """

    measure: str
    column: str
    chart: str
    value: float
    threshold: float
    since: str | None = None
    found: str | None = None
    advice: str = ""

    @property
    def name(self) -> str:
        """What people call the measure."""
        return NAMES[self.measure] + (f", {self.chart}" if self.chart else "")

    @property
    def ratio(self) -> float:
        """The measure as a part of its threshold: above 1 it has drifted."""
        return self.value / max(self.threshold, 1e-9)


@dataclass(frozen=True)
class DriftReport:
    """Whether sales, items and errors are still as they were.

    Args:
        n_periods: Periods that were watched, the latest; 0 where none came since the reference.
        first: First day of the first of them; empty where there is none.
        unit: What a period is.
        n_new: Items that were new in them.
        readings: Every measure, the most exceeded first.
        notes: What could not be watched, and why.
    """

    n_periods: int
    first: str
    unit: str
    n_new: int
    readings: tuple[Reading, ...]
    notes: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[Reading, ...]:
        """The measures that exceeded their threshold; none in most stretches without drift."""
        return tuple(reading for reading in self.readings if reading.since is not None)

    @property
    def summary(self) -> str:
        """One sentence on what was watched, if anything, and whether it moved."""
        if not self.n_periods:
            return "Nothing has come since the training."
        periods = f"{number_of(self.n_periods, self.unit)} since the training, from {self.first} on"
        items = f"{number_of(self.n_new, 'item')} {'was' if self.n_new == 1 else 'were'} new"
        n_moved, n = len(self.findings), len(self.readings)
        if not n:
            return f"Nothing could be watched, in {periods}, in which {items}."
        told = f"{n_moved} of {n} measures exceed" if n_moved else f"None of {n} measures exceeds"
        thresholds = "their threshold" if n_moved else "its threshold"
        return f"{told} {thresholds}, in {periods}, in which {items}."

    def frame(self) -> "pd.DataFrame":
        """One row a measure: `measure`, `column`, `value`, `threshold`, `since` and `advice`."""
        import pandas as pd  # takes a second, and a watch needs none of it

        return pd.DataFrame(
            [
                (one.name, one.column, one.value, one.threshold, one.since, one.advice)
                for one in self.readings
            ],
            columns=["measure", "column", "value", "threshold", "since", "advice"],
        )


def advice(measure: str, column: str, *, is_up: bool, examples: str = "") -> str:
    """One sentence on what to do where a measure has drifted.

    Args:
        measure: A key of `NAMES`.
        column: What it was measured of.
        is_up: Whether it became more.
        examples: Ids of items that show it; empty where none do.
    """
    more = "more" if is_up else "less"
    high = "higher" if is_up else "lower"
    such = f" (such as {examples})" if examples else ""
    if column == "units" and measure in ("error", "growth", "level"):
        return (
            f"Items sell {more} than they did at this time: look for a campaign, an early or late "
            "season or a change in how units are counted, and train anew if it lasts."
        )
    told = {
        "error": f"The forecast has become too {'low' if is_up else 'high'}: train anew.",
        "spread": (
            f"Sales vary {more} than they did, so ranges are too "
            f"{'narrow' if is_up else 'wide'}: update the forecast, or train anew."
        ),
        "jumps": (
            f"Single items{such} sell more than six times, or less than a sixth, of what they did: "
            "check whether their units are dozens, packs or thousands now."
        ),
        "level": f"Values are {high} than they were: check unit, currency and source of {column}.",
        "change": f"Values of items moved {'up' if is_up else 'down'} together: check {column}.",
        "bins": f"Values of {column} are spread otherwise: check its unit, and train anew.",
        "absent": f"New items{such} lack {column}: find out why, and give it.",
        "unseen": f"New items{such} have unseen levels of {column}: check spelling, or train anew.",
        "levels": f"New items have other levels of {column} than before: train anew.",
        "energy": f"New items differ in {column}: check how it is made, and train anew.",
    }
    return told[measure]

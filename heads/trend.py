"""Trend and hot items, read from the distribution of what is sold in the whole window."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from heads.base import Column, Floats
from heads.hot_item import top_threshold
from heads.sales_distribution import SalesDistribution

TRENDS = ("down", "flat", "up")


@dataclass(frozen=True)
class TrendRule:
    """Up or down: the window sells more or less a period than the recent past, by a stated share.

    Args:
        change: Share, in (0, 1): with 0.2 sales are up above 1.2 times the recent mean, and down
            below 0.8 times.
        beside: What it is held against, in words.

    Raises:
        ValueError: If the change is not in (0, 1).

    Example:
        >>> TrendRule().describe()
        'up: more than 20 % above the recent mean of a period; down: more than 20 % below it'
    """

    change: float = 0.2
    beside: str = "the recent mean of a period"

    def __post_init__(self) -> None:
        if not 0.0 < self.change < 1.0:
            raise ValueError(
                f"change must be in (0, 1), got {self.change}. Give 0.2 for a fifth more or less."
            )

    @property
    def columns(self) -> tuple[Column, ...]:
        """The trend, as a position in down, flat and up, and the probability of each."""
        return (
            Column("trend", "class"),
            *(Column(f"probability_{name}", "probability", label=name) for name in TRENDS),
        )

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild the rule."""
        return asdict(self)

    def read(self, sold: SalesDistribution, recent: Floats) -> Mapping[str, Floats]:
        """The columns `[n]` by name; NaN where nothing was sold before that it could rise above.

        The trend is that of the median of the window, so it never contradicts the volume. It is
        likelier than all else together, or no trend is.

        Args:
            sold: What is sold.
            recent: Mean units a period of the recent past, `[n]`; NaN for none.
        """
        window = recent * sold.periods_in_window
        low, high = self._ends(window)
        above = _beyond(sold, high)
        below = 1.0 - _at_least(sold, low)
        median = sold.quantile([0.5])[:, -1, 0]
        unknown = np.isnan(recent)
        values = (self.places(median, window), below, np.maximum(1.0 - above - below, 0.0), above)
        return {
            column.name: np.where(unknown, np.nan, each)
            for column, each in zip(self.columns, values, strict=True)
        }

    def places(self, window: Floats, recent: Floats) -> Floats:
        """Position in `TRENDS` of what a window sold, or is expected to, `[n]`; NaN where unknown.

        Args:
            window: Units of windows, or mean prices, `[n]`.
            recent: What each would be if it did not move, `[n]`.

        Example:
            >>> TrendRule().places(np.array([7.0, 10.0, 13.0]), np.full(3, 10.0)).tolist()
            [0.0, 1.0, 2.0]
        """
        low, high = self._ends(recent)
        found = 1.0 + (window > high) - (window < low)
        return np.where(np.isnan(window) | np.isnan(recent), np.nan, found)

    def _ends(self, recent: Floats) -> tuple[Floats, Floats]:
        """Below the first it is down, above the second up."""
        return (1.0 - self.change) * recent, (1.0 + self.change) * recent

    def describe(self) -> str:
        """The rule in one sentence."""
        share = f"{100 * self.change:g} %"
        return f"up: more than {share} above {self.beside}; down: more than {share} below it"


@dataclass(frozen=True)
class HotRule:
    """Hot: the whole window sells a stated number of units or more.

    Args:
        threshold: Units, > 0.

    Raises:
        ValueError: If the threshold is not above 0.

    Example:
        >>> HotRule.fitted(np.arange(1.0, 9.0)).describe()
        'hot item = 7 units or more in the window'
    """

    threshold: float

    def __post_init__(self) -> None:
        if not self.threshold > 0.0:
            raise ValueError(
                f"threshold must be above 0 units, got {self.threshold}. Else all items are hot."
            )

    @property
    def columns(self) -> tuple[Column, ...]:
        """The probability of a hot item."""
        return (Column("hot_probability", "probability", label="hot"),)

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild the rule."""
        return asdict(self)

    def read(self, sold: SalesDistribution) -> Mapping[str, Floats]:
        """The probability `[n]`: 0.5 or more where the median of the window is hot."""
        return {"hot_probability": _at_least(sold, np.full(len(sold.mean), self.threshold))}

    @classmethod
    def fitted(cls, totals: Floats, *, quantile: float = 0.75) -> Self:
        """The rule by which at most the share 1 - quantile of past windows was hot.

        Args:
            totals: Units of past windows, `[n]`.
            quantile: Level in (0, 1).
        """
        return cls(top_threshold(totals[np.isfinite(totals)], quantile))

    def describe(self) -> str:
        """The rule in one sentence."""
        return f"hot item = {self.threshold:g} units or more in the window"


def _at_least(sold: SalesDistribution, units: Floats) -> Floats:
    """Probability `[n]` that the window sells so many units `[n]` or more."""
    return sold.probability_above(units[:, None])[:, -1]


def _beyond(sold: SalesDistribution, units: Floats) -> Floats:
    """Probability `[n]` that the window sells more than so many units `[n]`."""
    more = np.floor(units) + 1.0 if sold.is_whole else np.nextafter(units, np.inf)
    return _at_least(sold, more)

"""What trees and a ridge read of examples: lags of the sales and the content of the item."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from encoders.series.known import known_mean
from encoders.series.lag_features import LagFeaturesEncoder
from encoders.series.windows import THURSDAY, Windows
from fusion.data.batch import chunks
from fusion.forecasting.examples import Examples, Floats, Ints
from fusion.members.base import State
from fusion.members.tree_features import TreeFeatures

Table = NDArray[np.float32]
CHUNK_EXAMPLES = 8192
"""Examples whose lags are made at a time."""
RECENT_PERIODS = 8
"""Periods whose mean a number known ahead is compared with."""


@dataclass(frozen=True)
class PathFeatures:
    """Turns examples into a table of numbers and codes, NaN where nothing is known.

    Args:
        lags: Features of the sales before each example; it is fitted.
        content: Columns of what is known of items beside their sales; it is fitted.
        known: Names of the numbers that are known ahead, of series and of the market.
    """

    lags: LagFeaturesEncoder
    content: TreeFeatures
    known: tuple[str, ...]

    @classmethod
    def fitted(cls, examples: Examples) -> Self:
        """Learned from training examples, and from the items that they are about."""
        content = TreeFeatures({})
        if examples.content is not None and examples.content_rows is not None:
            rows = np.unique(examples.content_rows[examples.windows.series])
            content = TreeFeatures.fitted(examples.content.take(rows))
        windows = examples.windows
        known = sorted(windows.known & (windows.columns.keys() | windows.market.keys()))
        return cls(LagFeaturesEncoder.fitted(windows), content, tuple(known))

    @property
    def n_columns(self) -> int:
        """Columns of the table."""
        return self.lags.embedding_dim + self.content.n_columns

    @property
    def categorical(self) -> list[int]:
        """Places of the columns that are codes."""
        return [self.lags.embedding_dim + place for place in self.content.categorical]

    def table(self, examples: Examples) -> Table:
        """`[n, n_columns]`: lags, then the content of the item."""
        n_lags = self.lags.embedding_dim
        table = np.empty((len(examples), self.n_columns), dtype=np.float32)
        for rows in chunks(len(examples), CHUNK_EXAMPLES):
            table[rows, :n_lags] = self.lags.encode(examples.windows.take(rows))
        if self.content.readers and len(examples):
            items, places = self._items(examples)
            table[:, n_lags:] = items[places]
        return table

    @property
    def reads_year(self) -> bool:
        """Whether the season of a step is read: only where training dates cover 1.5 years."""
        return bool(self.lags.columns.reads_dates)

    @property
    def reads_weekday(self) -> bool:
        """Whether the day of the week of a step is read: of sales by day."""
        return self.lags.columns.unit == "day"

    @property
    def n_of_step(self) -> int:
        """Columns of `of_steps`."""
        return 1 + int(self.reads_year) + int(self.reads_weekday) + 2 * len(self.known)

    def of_steps(self, windows: Windows) -> Table:
        """What is known ahead of each step: `[n, n_steps, n_of_step]`, NaN where unknown.

        The number of the step, its day of the year where that is read, of days that of the week (0
        is Monday), and each number that is known ahead: as it is, and less its mean in the last 8
        periods.
        """
        days = windows.step_dates()
        found: list[NDArray[Any]] = [np.broadcast_to(np.arange(windows.n_steps), days.shape)]
        if self.reads_year:
            found.append((days - days.astype("datetime64[Y]")).astype(np.int64))
        if self.reads_weekday:
            found.append((days.astype(np.int64) + THURSDAY) % 7)
        for name in self.known:
            is_own = name in windows.columns
            future = windows.future if is_own else windows.future_market
            past = windows.past if is_own else windows.past_market
            ahead = future(name)
            found += [ahead, ahead - known_mean(past(name, RECENT_PERIODS))[:, None]]
        return np.stack(found, axis=-1).astype(np.float32)

    def _items(self, examples: Examples) -> tuple[Floats, Ints]:
        """Columns of each item that examples are about, and the item of each example."""
        if examples.content is None or examples.content_rows is None:
            absent = [reader.absent() for reader in self.content.readers.values()]
            return np.concatenate(absent)[None], np.zeros(len(examples), dtype=np.int64)
        rows, places = np.unique(
            examples.content_rows[examples.windows.series], return_inverse=True
        )
        return self.content.table(examples.content.take(rows)), places

    @property
    def config(self) -> dict[str, Any]:
        """What rebuilds it beside its state, JSON-serialisable."""
        return {
            "lags": self.lags.config,
            "blocks": self.content.config,
            "known": list(self.known),
        }

    def state(self) -> State:
        """What was learned of the content."""
        return dict(self.content.state())

    @classmethod
    def of_state(cls, config: Mapping[str, Any], state: State) -> Self:
        """The features of a configuration and a state that may come from a stranger.

        Raises:
            ValueError: If something is missing or does not fit.
        """
        lags = LagFeaturesEncoder(**config["lags"])
        content = TreeFeatures.of_state(config["blocks"], state)
        return cls(lags, content, tuple(config["known"]))

"""Which examples are asked, and which may be learned from to answer them: time runs forward."""

import numpy as np

from fusion.forecasting.examples import Examples, Ints

ASKED_SHARE = 0.2
"""Share of the dates, the latest, on which what is learned is tried."""


def latest_origins(examples: Examples, share: float = ASKED_SHARE) -> tuple[Ints, Ints]:
    """Positions of earlier examples to learn from, and of the latest ones to be asked.

    Between them lies a gap, so that no step that is learned from lies in a period that is asked
    about. Asked are only examples whose steps are all over.

    Args:
        examples: Of any dates.
        share: Of the different dates that can be asked, the latest of it are; in (0, 1).

    Returns:
        `(learned, asked)`; both empty where there are not enough dates to part them.
    """
    horizon, as_of = examples.horizon, examples.as_of
    over = as_of + horizon <= examples.until
    dates = np.unique(as_of[over])
    n_asked = max(1, round(share * len(dates)))
    if n_asked >= len(dates):
        return np.arange(0), np.arange(0)
    first = dates[-n_asked]
    learned = np.flatnonzero(as_of + horizon <= first)
    if not len(learned):
        return np.arange(0), np.arange(0)
    return learned, np.flatnonzero(over & (as_of >= first))


def held_out_blocks(examples: Examples, *, share: float, most: int) -> list[Ints]:
    """Positions of the examples of the latest dates that can be asked, in blocks of near dates.

    Before the first date of each block there are examples to learn from, of which one is over.

    Args:
        examples: Of any dates.
        share: Of the different dates that can be asked, the latest of it are; in (0, 1).
        most: Blocks, at most; a date stands in one of them.

    Returns:
        One block or more, the earliest first; none where there are not enough dates.
    """
    horizon, as_of = examples.horizon, examples.as_of
    over = as_of + horizon <= examples.until
    dates = np.unique(as_of[over])
    latest = dates[-max(1, round(share * len(dates))) :]
    latest = latest[latest >= dates[:1] + horizon]
    blocks = np.array_split(latest, min(most, len(latest)) or 1)
    return [np.flatnonzero(over & np.isin(as_of, block)) for block in blocks if len(block)]

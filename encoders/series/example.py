"""Made-up series that encoders and members are tested on."""

import numpy as np

from encoders.series.windows import Calendar, Windows

N_PERIODS = 40
START = 2800
"""Number of the first week: in 2023."""


def example_windows(n: int = 12, *, seed: int = 0, n_steps: int = 4) -> Windows:
    """Windows of `n` weekly series at their ends: without history, with few weeks and with many.

    There is a price, known ahead, a number of visitors, known for the past alone, and an index of
    the market. Some values are unknown.
    """
    rng = np.random.default_rng(seed)
    lengths = np.array([[0, 1, 3, 8, 20, N_PERIODS][row % 6] for row in range(n)], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths + n_steps)]).astype(np.int64)
    n_values = int(offsets[-1])
    units = rng.poisson(6.0, n_values).astype(np.float32)
    units[rng.random(n_values) < 0.05] = np.nan
    begin, stop = offsets[:-1], offsets[1:]
    return Windows(
        columns={
            "units": units,
            "price": rng.uniform(5.0, 9.0, n_values).astype(np.float32),
            "visitors": rng.poisson(30.0, n_values).astype(np.float32),
        },
        series=np.arange(n),
        begin=begin,
        end=begin + lengths,
        stop=stop,
        is_cut=lengths == N_PERIODS,
        period=np.full(n, START + N_PERIODS),
        calendar=Calendar("week", shift=4),
        n_steps=n_steps,
        series_end=START + N_PERIODS + n_steps,
        market={
            "units": rng.poisson(6.0 * n, N_PERIODS + n_steps).astype(np.float32),
            "index": rng.uniform(0.0, 1.0, N_PERIODS + n_steps).astype(np.float32),
        },
        market_start=START,
        known=frozenset({"price"}),
    )

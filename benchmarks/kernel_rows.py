"""The kernel by the number of rows: time and memory, exact to 10,000 rows and by landmarks beyond.

Run: python benchmarks/kernel_rows.py
Needs about 4 GB of memory and about three minutes on two cores; nothing else should run.
"""

import argparse
import time
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from results import write_section
from wide_tables import measured

from fusion import FusionRegressor
from fusion.members.kernel import KernelMember

ROWS = (2_500, 5_000, 10_000, 20_000)
FIRST = ("wool", "silk", "linen", "warm", "light", "long", "short", "hood", "belt", "lace")
LAST = ("", "y", "ed", "less", "ish", "craft", "line", "wear", "flex", "more")
AIM_ROWS, AIM_S = 10_000, 15.0
WORDS = np.array([first + last for first in FIRST for last in LAST])
WORKLOAD = """
`FusionRegressor(members=["kernel"]).fit` on made-up items: texts of six words (TF-IDF), four
numbers, a category of 40 levels; target: a sum over them, with noise. Kernel: choices of width,
penalty and scales and the answers out of fold included. Whole training: also roles, encoders,
near-duplicate texts and the stack; it and its memory in a process of its own. Threads: the default.
"""


def fit(n_rows: int) -> None:
    """Trains the kernel alone on so many rows."""
    random = np.random.default_rng(0)
    words = random.choice(WORDS, (n_rows, 6))
    numbers = random.normal(size=(n_rows, 4))
    makers = random.integers(0, 40, n_rows)
    frame = pd.DataFrame(
        {
            "title": [" ".join(some) for some in words],
            "maker": [f"maker {maker}" for maker in makers],
            **{f"number {place}": numbers[:, place] for place in range(4)},
        }
    )
    target = (words == "wool").sum(axis=1) + numbers[:, 0] + np.sin(makers)
    target += np.abs(numbers[:, 1]) + random.normal(size=n_rows)
    model = FusionRegressor(members=["kernel"], encoders={"text": "tfidf"}, random_state=0)
    model.fit(frame, target)


def kernel_seconds(n_rows: int) -> float:
    """Seconds of such a training that the kernel itself takes."""
    taken = []
    own = KernelMember.fit

    def timed(member: KernelMember, *given: Any, **options: Any) -> Any:
        start = time.perf_counter()
        answers = own(member, *given, **options)
        taken.append(time.perf_counter() - start)
        return answers

    with patch.object(KernelMember, "fit", timed):
        fit(n_rows)
    return sum(taken)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS))
    options = parser.parse_args(arguments)
    # A new process begins with the peak of the one that starts it, so these come first.
    whole = {n_rows: measured(fit, n_rows) for n_rows in options.rows}
    rows = [
        {
            "rows": f"{n_rows:,}",
            "kernel s": f"{kernel_seconds(n_rows):.1f}",
            "aim": f"<= {AIM_S:.0f}" if n_rows == AIM_ROWS else "",
            "whole training s": f"{seconds:.1f}",
            "MB": f"{megabytes:.0f}",
        }
        for n_rows, (seconds, megabytes) in whole.items()
    ]
    write_section(
        "The kernel: time and memory by the number of rows",
        command="python benchmarks/kernel_rows.py",
        workload=WORKLOAD,
        rows=rows,
        trial=tuple(options.rows) != ROWS,
    )


if __name__ == "__main__":
    main()

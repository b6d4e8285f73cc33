"""Wide tables: time and memory of a training, and of reading a CSV file, by the number of columns.

Run: python benchmarks/wide_tables.py
Needs about 3 GB of memory and about four minutes on two cores.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pandas as pd
from results import write_section

from fusion import FusionRegressor
from fusion.data.infer import infer_schema
from fusion.data.tables import read_table
from fusion.shards.tables import column_names, first_rows

ROWS, FILE_ROWS = 200, 3
FITTED, READ = (100, 1_000, 5_000), (1_000, 10_000, 100_000)
WORKLOAD = f"""
`FusionRegressor().fit` on {ROWS} rows of normal numbers (target: the sum of five, and noise), and
CSV files of {FILE_ROWS} rows: `read_table`, the roles of the columns (`infer_schema`), and the
names and first rows as a job reads them. Each in a process of its own. Memory is the peak of that
process less what it holds after the imports.
"""


def fit(n_columns: int, n_rows: int = ROWS) -> None:
    """Trains on numbers alone."""
    random = np.random.default_rng(0)
    numbers = random.normal(size=(n_rows, n_columns))
    frame = pd.DataFrame(numbers, columns=[f"c{place}" for place in range(n_columns)])
    target = numbers[:, :5].sum(axis=1) + random.normal(size=n_rows)
    FusionRegressor(random_state=0).fit(frame, target)


def read(n_columns: int, n_rows: int = FILE_ROWS) -> None:
    """Reads a file of numbers, finds roles, and begins it as a job does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "items.csv"
        lines = [",".join(f"c{place}" for place in range(n_columns))]
        lines += [",".join([f"{row}.5"] * n_columns) for row in range(n_rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        infer_schema(read_table(path), photos=None)
        column_names(path)
        first_rows(path, n_rows=1)


def measured(work: Callable[[int], None], n_columns: int) -> tuple[float, float]:
    """Seconds of one call in a new process, and the MB that it adds to its peak."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(work, n_columns, theirs))
    process.start()
    theirs.close()
    try:
        found: tuple[float, float] = ours.recv()
    except EOFError:
        raise SystemExit(f"{work.__name__} of {n_columns} columns ended its process.") from None
    finally:
        process.join()
    return found


def _child(work: Callable[[int], None], n_columns: int, pipe: Connection) -> None:
    before, start = peak_mb(), time.perf_counter()
    work(n_columns)
    pipe.send((time.perf_counter() - start, peak_mb() - before))


def peak_mb() -> float:
    """The most memory that this process has held, in MB."""
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def rows_of(works: dict[str, tuple[Callable[[int], None], list[int]]]) -> list[dict[str, object]]:
    """The table."""
    rows: list[dict[str, object]] = []
    for name, (work, sizes) in works.items():
        for n_columns in sizes:
            seconds, megabytes = measured(work, n_columns)
            rows.append(
                {
                    "work": name,
                    "columns": f"{n_columns:,}",
                    "seconds": f"{seconds:.1f}",
                    "ms a column": f"{1e3 * seconds / n_columns:.2f}",
                    "memory (MB)": f"{megabytes:.0f}",
                }
            )
    return rows


def main() -> None:
    """Measures, prints, and writes the section unless sizes were chosen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fitted", type=int, nargs="+", default=list(FITTED))
    parser.add_argument("--read", type=int, nargs="+", default=list(READ))
    options = parser.parse_args()
    write_section(
        "Wide tables: time and memory by the number of columns",
        command="python benchmarks/wide_tables.py",
        workload=WORKLOAD,
        rows=rows_of({"fit": (fit, options.fitted), "read CSV": (read, options.read)}),
        trial=(options.fitted, options.read) != (list(FITTED), list(READ)),
    )


if __name__ == "__main__":
    main()

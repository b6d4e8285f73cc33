"""Sales tables into panels: rows a second and memory, from CSV and Parquet, with DuckDB or not.

Run: python benchmarks/sales_panel.py
Needs about 1.5 GB of disk, 2 GB of memory and about a quarter of an hour.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
from results import write_section
from wide_tables import peak_mb

from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.reading import read_panel
from fusion.shards.duckdb_sales import duckdb_parts
from fusion.shards.history import sales_parts

SIZES = (4_000, 50, 100)
COLUMNS = SalesColumns(price="price", shop="shop")
SINGLE = SalesColumns(price="price")
READERS = ("ours", "DuckDB")
LIMIT_MB = 2_048
WORKLOAD = """
`read_panel` by week with units and prices: {items:,} items x {weeks} weeks x {shops} shops, one
row each, in the order of the weeks; and the same rows as single sales of items, without shops,
each with a date and a time of day. DuckDB sums rows that differ in units alone up before they are
read. Each in a process of its own. Memory is the peak of the whole process, imports included; the
aim is at most 2,048 MB.
"""


def tables(n_items: int, n_weeks: int, n_shops: int, *, single: bool) -> Iterator[pa.Table]:
    """All rows, one table a week; single sales have a time of day and few prices."""
    random = np.random.default_rng(0)
    ids = pa.array([f"item-{item:05}" for item in range(n_items)] * n_shops)
    shops = pa.array(np.repeat([f"shop {shop:03}" for shop in range(n_shops)], n_items))
    n = n_items * n_shops
    for week in pd.date_range("2024-01-01", periods=n_weeks, freq="7D"):
        dates: list[str] | np.ndarray = [str(week.date())] * n
        if single:
            seconds = random.integers(0, 7 * 86_400, n).astype("timedelta64[s]")
            dates = np.datetime_as_string(week.to_numpy().astype("datetime64[s]") + seconds)
        yield pa.table(
            {
                "item_id": ids,
                "date": dates,
                "units": random.poisson(3, n),
                "price": random.integers(5, 7 if single else 90, n) + 0.99,
                "shop": shops,
            }
        )


def write_file(path: Path, sizes: tuple[int, int, int], *, single: bool) -> None:
    """Writes the rows as CSV or Parquet without holding them."""
    schema = next(tables(1, 1, 1, single=single)).schema
    if path.suffix == ".csv":
        with arrow_csv.CSVWriter(path, schema) as writer:
            for table in tables(*sizes, single=single):
                writer.write_table(table)
    else:
        with pq.ParquetWriter(path, schema) as writer:
            for table in tables(*sizes, single=single):
                writer.write_table(table)


def read(path: Path, single: bool, reader: str) -> tuple[float, float, int]:
    """Seconds of reading, MB of the process at most, and values of the panel."""
    columns = SINGLE if single else COLUMNS
    start = time.perf_counter()
    if reader == "DuckDB":
        with duckdb_parts(path, columns) as parts:
            panel = read_panel(parts, columns=columns, frequency="week")
    else:
        panel = read_panel(sales_parts(path, columns), columns=columns, frequency="week")
    return time.perf_counter() - start, peak_mb(), len(panel.units)


def measured(path: Path, single: bool, reader: str) -> tuple[float, float, int]:
    """`read` in a new process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(path, single, reader, theirs))
    process.start()
    theirs.close()
    try:
        found: tuple[float, float, int] = ours.recv()
    except EOFError:
        raise SystemExit(f"reading {path.name} ended its process.") from None
    finally:
        process.join()
    return found


def _child(path: Path, single: bool, reader: str, pipe: Connection) -> None:
    pipe.send(read(path, single, reader))


def rows_of(sizes: tuple[int, int, int], kinds: list[str]) -> list[dict[str, object]]:
    """The table."""
    n_rows = int(np.prod(sizes))
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, single in product(kinds, (False, True)):
            path = Path(folder) / f"sales.{kind}"
            write_file(path, sizes, single=single)
            for reader in READERS:
                seconds, megabytes, n_values = measured(path, single, reader)
                rows.append(
                    {
                        "table": f"{kind}, {'single sales' if single else 'weeks'}",
                        "read by": reader,
                        "rows": f"{n_rows:,}",
                        "values of the panel": f"{n_values:,}",
                        "seconds": f"{seconds:.1f}",
                        "rows a second": f"{n_rows / seconds:,.0f}",
                        "peak memory (MB)": f"{megabytes:,.0f}",
                        "within 2 GB": "yes" if megabytes <= LIMIT_MB else "no",
                    }
                )
            path.unlink()
    return rows


def main() -> None:
    """Measures, prints, and writes the section unless sizes were chosen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs=3, default=list(SIZES))
    parser.add_argument("--kinds", nargs="+", default=["parquet", "csv"])
    options = parser.parse_args()
    items, weeks, shops = sizes = tuple(options.sizes)
    write_section(
        "Sales tables into panels",
        command="python benchmarks/sales_panel.py",
        workload=WORKLOAD.format(items=items, weeks=weeks, shops=shops),
        rows=rows_of(sizes, options.kinds),
        trial=sizes != SIZES or options.kinds != ["parquet", "csv"],
    )


if __name__ == "__main__":
    sys.exit(main())

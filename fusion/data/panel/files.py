"""Rows of large files in parts, by Arrow's readers."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from fusion.data.frames import as_frame
from fusion.data.panel.cells import PART_ROWS

BLOCK_BYTES = 2**22


def csv_parts(path: Path, columns: Sequence[str], *, delimiter: str) -> Iterator[pd.DataFrame]:
    """Some columns of a CSV file: cells as they are written, missing where empty.

    Args:
        path: A plain CSV file.
        columns: Columns to read.
        delimiter: What separates its cells.

    Raises:
        pyarrow.ArrowException: If it lacks a column or a line is no row; rows before came out.
    """
    reader = arrow_csv.open_csv(
        path,
        read_options=arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
        parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            include_columns=list(columns),
            column_types=dict.fromkeys(columns, pa.string()),
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            null_values=[""],
        ),
    )
    for batch in reader:
        yield batch.to_pandas()


def parquet_parts(path: Path, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Some columns of a Parquet file; each group of rows is opened once.

    Raises:
        pyarrow.ArrowException: If it is damaged or lacks a column; rows before came out.
    """
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(PART_ROWS, columns=list(columns), use_threads=False):
            rows = pa.Table.from_batches([batch])
            rows.validate(full=True)  # text that is not UTF-8 would raise where nobody expects it
            frame = as_frame(rows.select(list(columns)).to_pandas(integer_object_nulls=True))
            yield frame[list(columns)]

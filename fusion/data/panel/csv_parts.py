"""Rows of a large CSV file in parts, by Arrow's reader."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv

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

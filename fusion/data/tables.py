"""Tables on disk: CSV and Parquet, read strictly and written whole or not at all."""

import csv
import io
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as arrow_parquet

from fusion.data.problems import Problem, raise_for, shown
from fusion.errors import CatalogueError
from fusion.files import write_atomically

FORMULA = re.compile(r"[=+\-@＝＋－＠\t\r\n]")
PLAIN_NUMBER = re.compile(
    r"[+-]?(?=\.?\d)(?:0|[1-9]\d{0,14})?(?:\.\d*)?(?:[eE][+-]?\d+)?", re.ASCII
)


def as_frame(data: Any) -> pd.DataFrame:
    """A table with unique text column names and rows counted from 0.

    Columns without names (an array, a frame made from one) become `x0`, `x1`, ...

    Raises:
        CatalogueError: If two columns have the same name.
    """
    frame = data if isinstance(data, pd.DataFrame) else pd.DataFrame(np.asarray(data))
    unnamed = isinstance(frame.columns, pd.RangeIndex)
    names = [f"x{name}" if unnamed else str(name) for name in frame.columns]
    _check_names(names, source="the table")
    frame = frame.reset_index(drop=True)
    # Labels stay Python objects: a text index cannot hold every string.
    frame.columns = pd.Index(names, dtype=object)
    return frame


def _check_names(names: list[str], *, source: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    message = "must be the name of one column, got it more than once. Rename the others."
    raise_for([Problem("column_twice", message, column=name) for name in twice], source=source)


def read_table(path: Path) -> pd.DataFrame:
    """A table from a CSV or Parquet file.

    CSV is UTF-8, comma separated, with one header line. An empty cell is missing and every other
    cell is text as it is written: what it means is the schema's question, never its neighbours'.
    Whole numbers of Parquet keep all their digits, missing cells beside them or not.

    Raises:
        CatalogueError: If the file is absent, of another kind, damaged, empty, not UTF-8 or has
            rows of the wrong length; lines are named.
    """
    path = Path(path)
    if not path.is_file():
        raise CatalogueError(f"{path} must be a file, got none. Check the name and the folder.")
    if _suffix(path) == ".csv":
        return _read_csv(path.read_bytes(), source=path.name)
    try:
        return as_frame(arrow_parquet.ParquetFile(path).read().to_pandas(integer_object_nulls=True))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CatalogueError(f"{path.name} must be a Parquet table: {error}") from error


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in (".csv", ".parquet"):
        return suffix
    raise CatalogueError(f"{path.name} must end in .csv or .parquet, got {suffix!r}. Rename it.")


def _read_csv(data: bytes, *, source: str) -> pd.DataFrame:
    text = _decoded(data, source=source)
    try:
        header = next(csv.reader(io.StringIO(text, newline="")), [])
        _check_names(header, source=source)
        table, n_skipped = _csv_cells(data, header=header)
    except (csv.Error, pa.ArrowException) as error:
        raise CatalogueError(f"{source} must be a CSV table: {error}. Save it again.") from error
    if n_skipped or text.count('"') % 2:
        raise_for(_bad_lines(text, n_columns=len(header)), source=source)
    columns = {name or "unnamed": table[name].to_pylist() for name in header}
    return pd.DataFrame(columns, dtype=object)


def _csv_cells(data: bytes, *, header: list[str]) -> tuple[pa.Table, int]:
    """All cells as text or null, and the number of rows whose length is wrong."""
    skipped: list[object] = []

    def skip(row: object) -> str:
        skipped.append(row)
        return "skip"

    body = data if data.endswith((b"\n", b"\r")) else data + b"\n"
    table = arrow_csv.read_csv(
        pa.BufferReader(body),
        read_options=arrow_csv.ReadOptions(use_threads=False, block_size=len(body) + 1),
        parse_options=arrow_csv.ParseOptions(
            newlines_in_values=True,
            invalid_row_handler=skip,
            ignore_empty_lines=len(header) > 1,  # else a blank line is a row with an empty cell
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()),
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            null_values=[""],
        ),
    )
    return table, len(skipped)


def _decoded(data: bytes, *, source: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = error.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        line = data.count(b"\n", 0, start) + 1
        place = start - (data.rfind(b"\n", 0, start) + 1) + 1
        raise CatalogueError(
            f"{source} must be UTF-8 text, got byte 0x{data[start]:02x} at line {line}, "
            f"byte {place} of the line. Save the table as CSV UTF-8."
        ) from error
    if not text.strip():
        raise CatalogueError(f"{source} must hold a header line and rows, got an empty file.")
    return text


def _bad_lines(text: str, *, n_columns: int) -> list[Problem]:
    """One problem for each line whose number of cells is wrong; slow, so for bad files only."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    problems: list[Problem] = []
    line = 1
    limit = csv.field_size_limit(len(text))
    try:
        for cells in reader:
            if len(cells) not in (0, n_columns):
                message = f"line {line} must have {n_columns} cells, got {len(cells)}: "
                problems.append(Problem("line_cells", message + shown(",".join(cells))))
            line = reader.line_num + 1
    except csv.Error as error:
        problems.append(Problem("line_quotes", f"line {line} must be a CSV row, got: {error}"))
    finally:
        csv.field_size_limit(limit)
    return problems


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a CSV or Parquet file at once: readers see the old file or the new one, never a part.

    In CSV, text that a spreadsheet would run as a formula (it begins with `= + - @`, tab or line
    end) gets an apostrophe in front; numbers, also as text, stay as they are.

    Raises:
        CatalogueError: If the suffix is unknown or the table cannot be written as such a file.
    """
    path = Path(path)
    suffix = _suffix(path)
    try:
        if suffix == ".csv":
            content = _csv_text(frame).encode("utf-8")
        else:
            content = frame.to_parquet(index=False)
    except (pa.ArrowException, UnicodeError, TypeError) as error:
        raise CatalogueError(f"{path.name} cannot hold this table: {error}") from error
    write_atomically(path, content)


def _csv_text(frame: pd.DataFrame) -> str:
    safe = frame.copy()
    safe.columns = pd.Index([_unarmed(str(name)) for name in frame.columns], dtype=object)
    for place, dtype in enumerate(frame.dtypes):
        if not pd.api.types.is_numeric_dtype(dtype):
            cells = [_unarmed(cell) for cell in frame.iloc[:, place].astype(object)]
            safe.isetitem(place, pd.array(cells, dtype=object))
    return str(safe.to_csv(index=False, lineterminator="\r\n"))


def _unarmed(cell: Any) -> Any:
    armed = isinstance(cell, str) and FORMULA.match(cell) and not PLAIN_NUMBER.fullmatch(cell)
    return f"'{cell}" if armed else cell

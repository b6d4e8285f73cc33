"""Tables on disk: read strictly, and written whole or not at all."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.feather as arrow_feather
import pyarrow.parquet as arrow_parquet

from fusion.data.delimiters import SAMPLE_BYTES, checked_delimiter, find_delimiter
from fusion.data.frames import as_frame, frame_of_arrow
from fusion.data.header import (
    DELIMITED,
    WRITTEN,
    arrow_file,
    check_names,
    check_width,
    csv_names,
    table_kind,
)
from fusion.data.json_lines import read_json_lines
from fusion.data.long_cells import long_cells
from fusion.data.packed import whole_text
from fusion.data.problems import Problem, raise_for, shown
from fusion.errors import CatalogueError
from fusion.system.files import expanded, write_atomically

FORMULA = re.compile(r"[=+\-@＝＋－＠\t\r\n]")
PLAIN_NUMBER = re.compile(
    r"[+-]?(?=[.,]?\d)(?:0|[1-9]\d{0,14})?(?:[.,]\d*)?(?:[eE][+-]?\d+)?", re.ASCII
)


def read_table(path: Path, *, delimiter: str | None = None) -> pd.DataFrame:
    """A table from a file: CSV, TSV, JSON lines (also with `.gz`), Parquet or Feather.

    CSV is UTF-8 with one header line, separated by comma, semicolon, tab or bar. An empty cell is
    missing and every other cell is text as it is written: what it means is the schema's question,
    never its neighbours'. Whole numbers of Parquet keep all their digits, missing cells beside them
    or not. Columns at the end without a name and without a value, as spreadsheets write them, are
    left out.

    Args:
        path: The file; its suffix says what it is.
        delimiter: What separates the cells of a CSV file; found in it where None.

    Raises:
        CatalogueError: If the file is absent, of another kind, damaged, empty, not UTF-8 or has
            rows of the wrong length; lines are named.
        ValueError: If the delimiter is none.
    """
    path = expanded(path)
    kind = table_kind(path)
    if delimiter is not None:
        checked_delimiter(delimiter)
        if kind not in DELIMITED:
            raise CatalogueError(
                f"delimiter must be left out where the table is no CSV file, got {shown(delimiter)}"
                f" for {path.name}. Leave it out."
            )
    if kind in DELIMITED:
        return _read_csv(whole_text(path), path=path, delimiter=delimiter)
    if kind == ".jsonl":
        return read_json_lines(_decoded(whole_text(path), source=path.name), source=path.name)
    reader = {".parquet": _parquet, ".feather": arrow_feather.read_table}[kind]
    name = {".parquet": "a Parquet", ".feather": "a Feather"}[kind]
    try:
        table = reader(arrow_file(path))
        table.validate(full=True)  # text that is not UTF-8 would raise where nobody expects it
        return as_frame(frame_of_arrow(table))
    except CatalogueError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CatalogueError(f"{path.name} must be {name} table: {error}") from error


def _parquet(file: pa.NativeFile) -> pa.Table:
    return arrow_parquet.ParquetFile(file).read()


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in WRITTEN:
        return suffix
    raise CatalogueError(f"{path.name} must end in .csv or .parquet, got {suffix!r}. Rename it.")


def _read_csv(data: bytes, *, path: Path, delimiter: str | None) -> pd.DataFrame:
    source = path.name
    text = _decoded(data, source=source)
    given = delimiter
    if delimiter is None:
        expected = "\t" if table_kind(path) == ".tsv" else None
        delimiter = find_delimiter(text[:SAMPLE_BYTES], source=source, expected=expected)
    try:
        header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        if not header or header[0].lower().startswith("sep="):  # as some programs write for Excel
            raise CatalogueError(
                f"{source} must begin with the header line, got {shown(text.splitlines()[0])}. "
                "Delete what stands before it."
            )
        check_width(len(header), source=source)
        check_names([name for name in header if name], source=source)
        table, n_skipped = _csv_cells(data, header=header, delimiter=delimiter)
    except (csv.Error, pa.ArrowException) as error:
        raise CatalogueError(f"{source} must be a CSV table: {error}. Save it again.") from error
    if n_skipped and given and len(header) == 1:
        raise CatalogueError(
            f"delimiter must stand in the header line, got {shown(given)} and the header "
            f"{shown(header[0])} ({source}). Name the right one, or none: then it is found."
        )
    if n_skipped or text.count('"') % 2:
        raise_for(_bad_lines(text, n_columns=len(header), delimiter=delimiter), source=source)
    cells = [column.to_pylist() for column in table.columns]
    names = csv_names(header, is_empty=lambda place: table.column(place).null_count == len(table))
    check_names(names, source=source)
    columns = dict(zip(names, cells, strict=False))
    return pd.DataFrame(columns, dtype=object)


def _csv_cells(data: bytes, *, header: list[str], delimiter: str) -> tuple[pa.Table, int]:
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
            delimiter=delimiter,
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


def _bad_lines(text: str, *, n_columns: int, delimiter: str) -> list[Problem]:
    """One problem for each line whose number of cells is wrong; slow, so for bad files only."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    problems: list[Problem] = []
    line = 1
    try:
        with long_cells():
            for cells in reader:
                if len(cells) not in (0, n_columns):
                    message = f"line {line} must have {n_columns} cells, got {len(cells)}: "
                    problems.append(Problem("line_cells", message + shown(delimiter.join(cells))))
                line = reader.line_num + 1
    except csv.Error as error:
        problems.append(Problem("line_quotes", f"line {line} must be a CSV row, got: {error}"))
    return problems


def write_table(frame: pd.DataFrame, path: Path, *, formula_safe: Sequence[str] = ()) -> None:
    """Write a CSV or Parquet file at once: readers see the old file or the new one, never a part.

    Cells are written as they are: an id such as `-A12` comes back as it went in.

    Args:
        frame: The table.
        path: The file, `.csv` or `.parquet`.
        formula_safe: Text columns for people, never ids: in CSV, a cell that a spreadsheet would
            run as a formula (it begins with `= + - @`, tab or line end) gets an apostrophe in
            front; numbers stay as they are.

    Raises:
        CatalogueError: If the suffix is unknown or the table cannot be written as such a file.
    """
    path = Path(path)
    suffix = _suffix(path)
    try:
        if suffix == ".csv":
            disarmed = {name: frame[name].astype(object).map(_disarmed) for name in formula_safe}
            text = frame.assign(**disarmed).to_csv(index=False, lineterminator="\r\n")
            content = text.encode("utf-8")
        else:
            content = frame.to_parquet(index=False)
    except (pa.ArrowException, UnicodeError, TypeError) as error:
        raise CatalogueError(f"{path.name} cannot hold this table: {error}") from error
    write_atomically(path, content)


def _disarmed(cell: Any) -> Any:
    armed = isinstance(cell, str) and FORMULA.match(cell) and not PLAIN_NUMBER.fullmatch(cell)
    return f"'{cell}" if armed else cell

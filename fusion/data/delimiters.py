"""Which character stands between the cells of a CSV file: found where only one is possible."""

import csv
import io
from itertools import islice

from fusion.data.problems import shown
from fusion.errors import CatalogueError

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_BYTES = 1 << 16
SAMPLE_ROWS = 100


def find_delimiter(sample: str, *, source: str, expected: str | None = None) -> str:
    r"""The delimiter under which the rows have as many cells as the header line.

    Args:
        sample: The beginning of the file, without a byte order mark.
        source: Name of the file in messages.
        expected: Taken wherever the header line has it, as the tab of a `.tsv` file.

    Returns:
        Comma, semicolon, tab or bar; comma where the header line has none of them.

    Raises:
        CatalogueError: If two of them fit equally well.

    Example:
        >>> find_delimiter("id;price\nA1;12,90\n", source="items.csv")
        ';'
    """
    counts = {mark: _cell_counts(sample, mark) for mark in DELIMITERS}
    fitting = {mark: _share_of_rows(n) for mark, n in counts.items() if n and n[0] > 1}
    if expected in fitting:
        return expected
    best = [mark for mark, share in fitting.items() if share == max(fitting.values())]
    if len(best) < 2:
        return best[0] if best else DELIMITERS[0]
    got = " and ".join(f"{shown(mark)} ({counts[mark][0]} columns)" for mark in best)
    raise CatalogueError(
        f"{source} must have one delimiter, got {got}, which both fit. Name it: `delimiter` under "
        "[data], or --delimiter."
    )


def checked_delimiter(delimiter: str) -> str:
    """A delimiter that somebody gave.

    Raises:
        ValueError: If it is not one ASCII character, or one that has another meaning in CSV.
    """
    if len(delimiter) == 1 and delimiter.isascii() and delimiter not in '"\r\n\0':
        return delimiter
    raise ValueError(
        f"delimiter must be one character such as ';' or a tab, got {shown(delimiter)}."
    )


def _cell_counts(sample: str, delimiter: str) -> list[int]:
    """Number of cells of the header line and of the first rows; blank lines are left out."""
    counts: list[int] = []
    try:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
        counts.extend(len(cells) for cells in islice(reader, SAMPLE_ROWS) if cells)
    except csv.Error:  # the reader of the table tells what and where
        pass
    return counts


def _share_of_rows(counts: list[int]) -> float:
    """Share of the rows that have as many cells as the header line, in [0, 1]; 1 of none."""
    rows = counts[1:]
    return sum(n == counts[0] for n in rows) / len(rows) if rows else 1.0

"""What a CSV file must be: every file that follows the rules is read cell by cell as it is."""

import csv
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fusion.errors import CatalogueError
from fusion.shards import DataPaths, InProcessEngine, embed_catalogue
from fusion.shards.ids import repeated_rows
from fusion.shards.shard import Shard
from fusion.shards.tables import column_names, read_rows, scan_file

HEADER, BODY = b"id,title\n", b'a,"x, ""y""\nz"\nb,12" tv\n'
CELLS = [["a", 'x, "y"\nz'], ["b", '12" tv']]


def cells_of(path: Path, *, shard_rows: int) -> list[list[str | None]]:
    """All cells of a table, read shard by shard."""
    names = column_names(path)
    scanned = scan_file(path, shard_rows=shard_rows, columns=names, id_column=None)
    found: list[list[str | None]] = []
    for piece in scanned.pieces:
        shard = Shard(0, 0, len(found), *piece)
        frame, problems = read_rows(path, shard, file=scanned.file, columns=names)
        assert problems == []
        found += frame.to_numpy().tolist()
    return found


@pytest.mark.parametrize(
    ("content", "cells"),
    [
        (HEADER + BODY, CELLS),
        (b"\xef\xbb\xbf" + HEADER + BODY, CELLS),
        (b'\xef\xbb\xbf"id","title"\n' + BODY, CELLS),
        ((HEADER + BODY).replace(b"\n", b"\r\n"), [["a", 'x, "y"\r\nz'], ["b", '12" tv']]),
        ((HEADER + b"a,x\nb,\n").replace(b"\n", b"\r\r\n"), [["a", "x"], ["b", None]]),
        (HEADER + BODY.rstrip(), CELLS),
        (HEADER + b"\n\n" + BODY.replace(b"b,", b"\n\r\nb,") + b"\n\n", CELLS),
        (b"id,title\na,x\xc2\xa0\nb,\n", [["a", "x\xa0"], ["b", None]]),
        (HEADER + b'a,"x\ry"\n', [["a", "x\ry"]]),
        (HEADER + b"a,x\0y\n", [["a", "x\0y"]]),
        (HEADER + b'a,"x\0end\n"\nb,\0end\n', [["a", "x\0end\n"], ["b", "\0end"]]),
        (b"id\na\n\0end\nb\n", [["a"], ["\0end"], ["b"]]),
        (b'id\na\n\n""\nb', [["a"], [None], [None], ["b"]]),
        (b"id\r\r\na\r\r\nb\r\r\n", [["a"], ["b"]]),
        (HEADER + b"a," + b"x" * 1_000_000 + b"\nb,y\n", [["a", "x" * 1_000_000], ["b", "y"]]),
        (HEADER, []),
    ],
)
@pytest.mark.parametrize("shard_rows", [1, 2, 100])
def test_every_csv_that_follows_the_rules_is_read(
    tmp_path: Path, content: bytes, cells: list[list[str | None]], shard_rows: int
) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    assert cells_of(tmp_path / "t.csv", shard_rows=shard_rows) == cells


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "must hold a header line and rows, got an empty file"),
        (b"\xef\xbb\xbf", "must hold a header line and rows, got an empty file"),
        (b"id,id\na,b\n", "got id twice"),
        (b",\na,b\n", "got unnamed twice"),
        (b"id,title\ra,b\r", "line ends LF or CRLF, got at line 1"),
        (HEADER + b"a,x\nb,y\rc,z\n", "line ends LF or CRLF, got at line 3"),
        (HEADER + b'a,x\nb,"y\nc,z\n', "close every quote, got one that is open to the end; the "
         "record begins at byte 13"),
        (b'"id,title\na,b\n', "close every quote"),
        (b"id,gr\xf6sse\na,b\n", "must be UTF-8 text"),
        ("id,title\na,b\n".encode("utf-16"), "must be UTF-8 text"),
    ],
)  # fmt: skip
def test_a_csv_that_breaks_the_rules_is_refused_by_name(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(CatalogueError, match=r"^t\.csv must ") as caught:
        scan_file(tmp_path / "t.csv", shard_rows=10, columns=[], id_column=None)
    assert words in str(caught.value)
    with pytest.raises(CatalogueError, match=r"^t\.csv must "):
        embed_catalogue(DataPaths(tmp_path / "t.csv"), tmp_path / "out", engine=InProcessEngine())


MARKS = st.sampled_from('ab ,"\n\r\0éÅ\xa0\u2028\x85;\t')
TEXT = st.text(MARKS, max_size=6) | st.text(st.characters(codec="utf-8"), max_size=4)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[list[str]], int, str]:
    n_columns = draw(st.integers(1, 4))
    row = st.lists(TEXT, min_size=n_columns, max_size=n_columns)
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    rows = draw(st.lists(row, max_size=8))
    # csv.writer quotes a lone CR only where CR is part of the line end.
    has_cr = quoting == csv.QUOTE_MINIMAL and any("\r" in cell for row in rows for cell in row)
    return rows, quoting, "\r\n" if has_cr else draw(st.sampled_from(["\n", "\r\n"]))


@given(tables(), st.integers(1, 5))
@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
def test_what_a_csv_writer_writes_is_what_shards_read(
    drawn: tuple[list[list[str]], int, str], shard_rows: int
) -> None:
    rows, quoting, line_end = drawn
    n_columns = len(rows[0]) if rows else 2
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file, quoting=quoting, lineterminator=line_end)
            lines.writerow([f"column {place}" for place in range(n_columns)])
            lines.writerows(rows)
        expected = [[cell or None for cell in row] for row in rows]
        assert cells_of(path, shard_rows=shard_rows) == expected
        name = "column 0"
        scanned = scan_file(path, shard_rows=shard_rows, columns=[name], id_column=name)
        assert sum(piece[0] for piece in scanned.pieces) == len(rows) == len(scanned.ids)
        seen: dict[str, int] = {}
        again = []
        for place, name in enumerate(row[0].strip() for row in rows):
            if name and seen.setdefault(name, place) != place:
                again.append([place, seen[name]])
        assert repeated_rows(scanned.ids).tolist() == again

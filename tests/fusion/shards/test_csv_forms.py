"""CSV as spreadsheets write it: other delimiters, empty columns; and tables that cannot be cut."""

from pathlib import Path
from typing import Any

import pytest

from fusion.errors import CatalogueError
from fusion.shards.settings import JobSettings
from fusion.shards.shard import Scanned, Shard
from fusion.shards.tables import column_names, first_rows, list_files, read_rows, scan_file


def scan(path: Path, **options: Any) -> Scanned:
    return scan_file(path, **{"shard_rows": 10, "columns": ["id"], "id_column": "id", **options})


def cells_of(path: Path, *, shard_rows: int, delimiter: str | None = None) -> list[list[object]]:
    """All cells of the columns with a name, read shard by shard."""
    names = column_names(path, delimiter=delimiter)
    named = [name for name in names if name]
    scanned = scan(path, shard_rows=shard_rows, columns=named, delimiter=delimiter)
    found: list[list[object]] = [named]
    for piece in scanned.pieces:
        shard = Shard(0, 0, len(found), *piece)
        frame, problems = read_rows(path, shard, file=scanned.file, columns=named)
        assert problems == []
        found += frame.to_numpy().tolist()
    sample = first_rows(path, n_rows=10, delimiter=delimiter)
    assert [list(sample.columns), *sample.to_numpy().tolist()] == found
    return found


@pytest.mark.parametrize("shard_rows", [1, 100])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
def test_the_delimiter_is_found_and_kept_in_every_shard(
    tmp_path: Path, name: str, delimiter: str, shard_rows: int
) -> None:
    rows = [["id", "price"], ["ä1", '"12,90 | 3; -"'], ["b", '"x\ny"'], ["c", ""]]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    (tmp_path / name).write_bytes(text.encode("utf-8-sig"))
    expected = [["id", "price"], ["ä1", "12,90 | 3; -"], ["b", "x\ny"], ["c", None]]
    assert cells_of(tmp_path / name, shard_rows=shard_rows) == expected


def test_a_delimiter_that_could_be_two_must_be_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id;price, EUR\nA;12,90\nB;7,50\n")
    with pytest.raises(CatalogueError, match=r"^t.csv must have one delimiter, got ',' .* and ';'"):
        scan(path)
    expected = [["id", "price, EUR"], ["A", "12,90"], ["B", "7,50"]]
    assert cells_of(path, shard_rows=1, delimiter=";") == expected
    assert scan(path, delimiter=";").file.columns == ["id", "price, EUR"]
    assert JobSettings(delimiter=";").to_dict(bundle=None)["delimiter"] == ";"
    with pytest.raises(ValueError, match="delimiter must be one character"):
        JobSettings(delimiter=";;")


def test_empty_columns_at_the_end_of_a_spreadsheet_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,title,,,\na,x,,,\nb,y,,,\n")
    assert cells_of(path, shard_rows=1) == [["id", "title"], ["a", "x"], ["b", "y"]]


def test_a_cell_below_no_name_is_never_lost_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,title,\n" + "a,x,\n" * 200 + "b,y,z\n")
    with pytest.raises(CatalogueError, match=r"must have a name over every cell, got .*'z'"):
        scan(path)
    path.write_text("id,title,\na,x,\nb,y,z\n")
    assert cells_of(path, shard_rows=1)[0] == ["id", "title", "unnamed"]


@pytest.mark.parametrize("name", ["t.csv.gz", "t.jsonl", "t.feather", "t.xlsx"])
def test_tables_that_cannot_be_cut_are_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").write_text("id,title\na,x\n")
    (tmp_path / name).write_bytes(b"x")
    for items in (tmp_path / name, tmp_path):
        with pytest.raises(CatalogueError, match=r"cannot be cut into shards: save them as CSV"):
            list_files(items)

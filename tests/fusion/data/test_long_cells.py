"""The limit that `csv` has for the whole process is as it was after every reading."""

import csv
from threading import Barrier, Thread

import pytest

from fusion.data import read_table
from fusion.data.long_cells import long_cells
from fusion.errors import CatalogueError
from fusion.shards.shard import Shard
from fusion.shards.tables import first_rows, read_rows, scan_file

LONG = "wool" * 100_000


@pytest.fixture
def limit():
    before = csv.field_size_limit(5_000)
    yield 5_000
    csv.field_size_limit(before)


def test_shards_read_cells_of_any_length_and_leave_the_limit(tmp_path, limit):
    path = tmp_path / "items.csv"
    path.write_text(f"id,title\na,{LONG}\nb,x\n")
    assert first_rows(path, n_rows=1)["title"].tolist() == [LONG]
    assert csv.field_size_limit() == limit
    found = scan_file(path, shard_rows=1, columns=["id", "title"], id_column="id")
    assert csv.field_size_limit() == limit
    shard = Shard(0, 0, 0, *found.pieces[0])
    frame, problems = read_rows(path, shard, file=found.file, columns=["title"])
    assert frame["title"].tolist() == [LONG] and not problems
    assert csv.field_size_limit() == limit


def test_a_table_with_bad_lines_leaves_the_limit(tmp_path, limit):
    path = tmp_path / "items.csv"
    path.write_text(f"id,title\na,{LONG}\nb\n")
    with pytest.raises(CatalogueError, match="line 3 must have 2 cells"):
        read_table(path)
    assert csv.field_size_limit() == limit


def test_a_reader_that_ends_does_not_lower_the_limit_of_one_that_goes_on(limit):
    both = Barrier(2, timeout=60)

    def short():
        with long_cells():
            both.wait()
            both.wait()

    other = Thread(target=short)
    other.start()
    both.wait()
    with long_cells():
        both.wait()
        other.join()
        assert csv.field_size_limit() > len(LONG)
    assert csv.field_size_limit() == limit

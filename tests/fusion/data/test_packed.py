"""Text that is read as a whole has a bound, packed or not: a small file may hold many gigabytes."""

import gzip

import pytest

from fusion.data import packed
from fusion.data.tables import read_table
from fusion.errors import CatalogueError


@pytest.mark.parametrize("name", ["items.csv", "items.csv.gz", "items.jsonl.gz"])
def test_a_table_that_is_too_large_to_be_read_as_a_whole_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "MAX_WHOLE_BYTES", 50)
    monkeypatch.setattr(packed, "BLOCK_BYTES", 10)
    text = b"id,title\n" + b"1,red\n" * 50
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    with pytest.raises(CatalogueError, match=r"must hold at most 50 bytes of text to be read as a"):
        read_table(tmp_path / name)

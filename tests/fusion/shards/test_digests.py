"""What a shard is known by covers all that is read of a file."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fusion.shards import csv_rows
from fusion.shards.shard import Shard
from fusion.shards.tables import input_digests, scan_file


def digests_of(path: Path, scanned: Any) -> list[str]:
    shards = [Shard(place, 0, 0, *piece) for place, piece in enumerate(scanned.pieces)]
    return list(input_digests(path, shards, file=scanned.file, columns=["id", "title"]))


def planned(scanned: Any) -> list[str]:
    return [scanned.file.header_sha256, *(piece[4] for piece in scanned.pieces)]


def scan(path: Path, *, shard_rows: int) -> Any:
    return scan_file(path, shard_rows=shard_rows, columns=["id", "title"], id_column="id")


@pytest.mark.parametrize("shard_rows", [1, 2, 100])
@pytest.mark.parametrize(
    "content",
    [
        b"id,title\na,x\nb,y\n",
        b"\xef\xbb\xbfid,title\r\n\r\na,\"x\r\ny\"\r\n\n\nb,y\n\n\n",
        b"id,title\na,x\nb,y",
        b"id,title\n\n\n",
    ],
)  # fmt: skip
def test_every_byte_of_a_csv_file_counts(tmp_path: Path, content: bytes, shard_rows: int) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    scanned = scan(path, shard_rows=shard_rows)
    assert digests_of(path, scanned) == planned(scanned) and scanned.file.size == len(content)
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert digests_of(path, scanned) != planned(scanned)


def test_every_byte_that_is_read_of_a_parquet_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pa.table({"id": [f"p{row}" for row in range(40)], "title": ["red wool"] * 40})
    pq.write_table(table, path, row_group_size=20)
    content = path.read_bytes()
    scanned = scan(path, shard_rows=10)
    assert digests_of(path, scanned) == planned(scanned)
    for place in range(4, len(content), 5):  # the first four are a mark that is not read
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert digests_of(path, scanned) != planned(scanned)


@pytest.mark.parametrize("block_bytes", [1, 7, 64])
def test_how_a_csv_file_is_read_does_not_change_what_it_is_known_by(
    tmp_path: Path, block_bytes: int, monkeypatch: Any
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(
        b'\xef\xbb\xbfid,title\r\na,"x\r\n\n""y"\r\n\n\nb,y\nc,"' + b"z\n" * 50 + b'"\n\n'
    )
    whole = scan(path, shard_rows=2)
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", block_bytes)
    cut = scan(path, shard_rows=2)
    assert cut.file == whole.file and cut.pieces == whole.pieces
    assert (cut.ids == whole.ids).all()

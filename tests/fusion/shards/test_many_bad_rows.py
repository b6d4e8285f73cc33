"""Bad rows of every kind: each becomes one record, and no other row changes by a bit."""

import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.promises.bad_rows import (
    BAD_LINES,
    HEAD,
    WITHOUT_ID,
    WORDS,
    Kind,
    bad_contents,
    drawn_kinds,
    embed,
    embed_with_and_without,
    encoded,
    lines,
    make_photos,
    noise,
    table_of,
    without_rows,
)
from encoders.image.photo_file import MAX_BYTES
from fusion.shards import job_status

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads do not survive a fork


@pytest.mark.parametrize(
    ("n_rows", "n_bad"), [(600, 60), pytest.param(10_000, 537, marks=pytest.mark.slow)]
)
def test_each_bad_row_is_a_record_and_the_others_are_equal_bit_by_bit(
    tmp_path: Path, n_rows: int, n_bad: int
) -> None:
    kinds = drawn_kinds(n_rows, n_bad, seed=0)
    result, clean = embed_with_and_without(kinds, tmp_path)
    assert (result.n_rows, result.n_failed, result.failed_shards) == (n_rows, n_bad, {})
    assert (clean.n_rows, clean.n_failed) == (n_rows - n_bad, 0)
    errors = table_of(tmp_path / "all", "errors").to_pylist()
    wanted = {row: kind for row, kind in enumerate(kinds) if kind is not None}
    assert len(errors) == n_bad
    assert {e["row"]: (e["stage"], e["reason"]) for e in errors} == wanted
    assert len(set(wanted.values())) == len(BAD_LINES) >= 14
    for error in errors:
        assert error["reason"] in WITHOUT_ID or error["id"] == f"item{error['row']}"
        assert error["message"] and error["file"] == "all.csv"
    status = job_status(tmp_path / "all")
    assert (status.n_answered, status.n_failed) == (n_rows - n_bad, n_bad)
    assert status.reasons == Counter(reason for _, reason in wanted.values())
    assert f"{n_bad} failed" in result.state
    assert without_rows(tmp_path / "all").num_rows == n_rows - n_bad
    assert without_rows(tmp_path / "all").equals(without_rows(tmp_path / "good"))


BYTES_FAULTS = [*(("encode", reason) for reason in bad_contents()), ("encode", "photo_too_large")]
CELL_FAULTS = {"text_nul": ("title", "a\0b"), "id_missing": ("id", None)}
CELL_FAULTS |= {"id_duplicate": ("id", "item0"), "text_too_long": ("title", "a" * 1_000_001)}


def parquet_rows(n_rows: int, n_bad: int) -> tuple[list[dict[str, Any]], dict[int, Kind]]:
    """Rows with photos as bytes, and which of them are bad, and why."""
    draw = random.Random(2)
    photos = [encoded(noise(number), "PNG") for number in range(20)]
    rows: list[dict[str, Any]] = [
        {"id": f"item{row}", "title": " ".join(draw.choices(WORDS, k=5)), "photo": photos[row % 20]}
        for row in range(n_rows)
    ]
    faults = BYTES_FAULTS + [("read", reason) for reason in CELL_FAULTS]
    wanted = {}
    for place, row in enumerate(draw.sample(range(1, n_rows), n_bad)):
        stage, reason = wanted[row] = faults[place % len(faults)]
        if stage == "encode":
            rows[row]["photo"] = bad_contents().get(reason, b"GIF89a" + bytes(MAX_BYTES))
        else:
            column, cell = CELL_FAULTS[reason]
            rows[row][column] = cell
    return rows, wanted


def test_bad_photo_bytes_in_a_parquet_column_are_records_and_change_no_other_row(
    tmp_path: Path,
) -> None:
    rows, wanted = parquet_rows(120, 24)
    good = [row for place, row in enumerate(rows) if place not in wanted]
    for name, some in {"all": rows, "good": good}.items():
        path = tmp_path / f"{name}.parquet"
        pq.write_table(pa.Table.from_pylist(some), path, row_group_size=50)
        embed(path, None, tmp_path / name, shard_rows=32)
    errors = table_of(tmp_path / "all", "errors").to_pylist()
    assert {e["row"]: (e["stage"], e["reason"]) for e in errors} == wanted
    assert without_rows(tmp_path / "all").equals(without_rows(tmp_path / "good"))


def test_with_absent_a_bad_value_is_named_and_the_rest_of_its_row_is_embedded(
    tmp_path: Path,
) -> None:
    make_photos(tmp_path)
    kinds = drawn_kinds(120, 50, seed=4)
    (tmp_path / "items.csv").write_bytes(HEAD + b"".join(lines(kinds, seed=5)))
    places = (tmp_path / "items.csv", tmp_path / "photos")
    embed(*places, tmp_path / "record", shard_rows=50)
    embed(*places, tmp_path / "absent", shard_rows=50, on_bad_rows="absent")
    rows = table_of(tmp_path / "absent", "embeddings").to_pylist()
    for row in rows:
        kind = kinds[row["row"]]
        assert row["warnings"] == ([] if kind is None else [kind[1]])
        assert (row["image_embedding"] is None) == (not row["image_present"])
        assert not (row["image_present"] and kind and kind[1].startswith("photo_"))
        assert not (row["text_present"] and kind and kind[1].startswith("text_"))
    left = {row["row"] for row in rows}
    gone = {row for row, kind in enumerate(kinds) if kind and kind[1].startswith(("line", "id"))}
    assert left == set(range(120)) - gone
    strict = table_of(tmp_path / "record", "embeddings").to_pylist()
    assert [row for row in rows if kinds[row["row"]] is None] == strict


def test_two_runs_write_the_same_records_of_bad_rows(tmp_path: Path) -> None:
    make_photos(tmp_path)
    kinds = drawn_kinds(60, 40, seed=6)
    (tmp_path / "items.csv").write_bytes(HEAD + b"".join(lines(kinds, seed=7)))
    for out in (tmp_path / "first", tmp_path / "second"):
        embed(tmp_path / "items.csv", tmp_path / "photos", out)
    for name in ("embeddings/part-000000.parquet", "errors/part-000000.parquet"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()

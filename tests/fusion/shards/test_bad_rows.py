"""What becomes of bad rows, and of those that are mended later."""

import pyarrow.parquet as pq
import pytest

from fusion.errors import CatalogueError
from fusion.shards import read_embeddings, verify_job

MISSING = [2, 7, 13]


def rows_of(output, kind):
    return [
        row for part in sorted((output / kind).iterdir()) for row in pq.read_table(part).to_pylist()
    ]


def test_record_writes_an_error_record_for_each_bad_row_and_nothing_else(tmp_path, photo_job):
    job = photo_job(tmp_path, rows=16, shard_rows=4, missing=MISSING)
    result = job.run(tmp_path / "out")
    records = rows_of(tmp_path / "out", "errors")
    assert result.n_failed == 3
    assert [(r["row"], r["id"], r["stage"], r["reason"]) for r in records] == [
        (row, f"p{row}", "read", "photo_missing") for row in MISSING
    ]
    kept = read_embeddings(tmp_path / "out", "image")
    assert kept.rows.tolist() == [row for row in range(16) if row not in MISSING]


def test_absent_keeps_bad_rows_without_an_embedding_and_names_the_fault(tmp_path, photo_job):
    job = photo_job(tmp_path, rows=16, shard_rows=4, missing=MISSING, on_bad_rows="absent")
    assert job.run(tmp_path / "out").n_failed == 0
    assert rows_of(tmp_path / "out", "errors") == []
    rows = rows_of(tmp_path / "out", "embeddings")
    assert [row["row"] for row in rows] == list(range(16))
    for row in rows:
        bad = row["row"] in MISSING
        assert row["image_present"] == (not bad)
        assert (row["image_embedding"] is None) == bad
        assert row["warnings"] == (["photo_missing"] if bad else [])


def test_raise_stops_at_the_first_shard_with_a_bad_row_and_keeps_what_was_done(
    tmp_path, photo_job, add_photo
):
    job = photo_job(tmp_path, rows=16, shard_rows=4, missing=[7], on_bad_rows="raise")
    with pytest.raises(CatalogueError, match=r"items\.csv(.|\n)*7\.png"):
        job.run(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out" / "receipts").iterdir()] == ["000000.json"]
    add_photo(tmp_path / "photos" / "7.png", seed=7)
    assert job.run(tmp_path / "out").n_already == 1
    assert verify_job(tmp_path / "out") == []


def test_retrying_failed_rows_embeds_those_whose_photo_came_later(
    tmp_path, photo_job, add_photo, files_of
):
    job = photo_job(tmp_path, rows=16, shard_rows=4, missing=MISSING)
    job.run(tmp_path / "out")
    whole_shard = tmp_path / "out" / "embeddings" / "part-000002.parquet"
    before = whole_shard.stat()
    for row in MISSING:
        add_photo(tmp_path / "photos" / f"{row}.png", seed=row)
    assert job.run(tmp_path / "out").n_failed == 3  # not asked for
    result = job.run(tmp_path / "out", retry_failed=True)
    assert (result.n_failed, result.n_already) == (0, 1)
    assert whole_shard.stat().st_mtime_ns == before.st_mtime_ns
    assert list((tmp_path / "out" / "errors").iterdir()) == []
    job.run(tmp_path / "straight")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "straight")
    assert verify_job(tmp_path / "out") == []


def test_retrying_without_a_change_gives_the_same_files(tmp_path, photo_job, files_of):
    job = photo_job(tmp_path, rows=16, shard_rows=4, missing=MISSING)
    job.run(tmp_path / "out")
    before = files_of(tmp_path / "out")
    job.run(tmp_path / "out", retry_failed=True)
    assert files_of(tmp_path / "out") == before


def test_other_rows_have_the_bits_of_a_job_without_bad_ones(tmp_path, photo_job, add_photo):
    bad = photo_job(tmp_path / "bad", rows=16, shard_rows=4, missing=MISSING)
    good = photo_job(tmp_path / "good", rows=16, shard_rows=4)
    bad.run(tmp_path / "out")
    good.run(tmp_path / "whole")
    ours, theirs = (read_embeddings(tmp_path / name, "image") for name in ("out", "whole"))
    assert ours.vectors.tobytes() == theirs.vectors[ours.rows].tobytes()

"""Files and folders whose names are no UTF-8, as old archives and foreign systems leave them."""

import os
from dataclasses import replace

import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from fusion.cli import app
from fusion.data.header import arrow_file
from fusion.shards import job_status, read_embeddings, verify_job


@pytest.fixture
def odd(tmp_path):
    """Makes paths in a folder whose name is no UTF-8, as theirs are not."""
    folder = tmp_path / os.fsdecode(b"d\xe9p\xf4t")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system has names in UTF-8 alone")
    return lambda name: folder / os.fsdecode(name)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_job_among_names_that_are_no_utf8_is_like_any_other(
    tmp_path, odd, photo_job, files_of, suffix
):
    job = photo_job(tmp_path / "in", rows=8, shard_rows=4, missing=[2])
    items, photos = odd(b"caf\xe9." + suffix.encode()), odd(b"ph\xe9")
    frame = pd.read_csv(job.paths.items)
    items.write_bytes(
        frame.to_csv(index=False).encode() if suffix == "csv" else frame.to_parquet(index=False)
    )
    job.paths.photos.rename(photos)
    out = odd(b"out\xe9")
    job = replace(job, paths=replace(job.paths, items=items, photos=photos, store=odd(b"s\xe9")))
    result = job.run(out)
    assert (result.n_failed, result.failed_shards) == (1, {})
    assert verify_job(out) == []
    assert job_status(out).finished
    assert len(read_embeddings(out, "image").ids) == 7
    (errors,) = (out / "errors").iterdir()
    assert pq.read_table(arrow_file(errors))["file"].to_pylist() == [rf"caf\xe9.{suffix}"]
    before = files_of(out)
    (out / "receipts" / "000000.json").unlink()
    (out / "manifest.json").unlink()
    job.run(out)  # goes on with the plan that was written
    assert files_of(out) == before


def test_messages_name_such_a_file_by_its_bytes(odd):
    arguments = ["embed", "--items", str(odd(b"caf\xe9.csv")), "--out", str(odd(b"out"))]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert r"d\xe9p\xf4t/caf\xe9.csv" in result.output


def test_each_of_such_tables_in_a_folder_is_named(tmp_path, odd, photo_job):
    job = photo_job(tmp_path / "in", rows=3, shard_rows=3, missing=[1])
    folder = odd(b"tables\xe9")
    folder.mkdir()
    content = job.paths.items.read_bytes()
    for name in (b"a\xe9.csv", b"b\xff.csv"):
        rows = content.replace(b"\np", b"\n" + name[:1])  # other ids in each
        (folder / os.fsdecode(name)).write_bytes(rows)
    out = odd(b"out\xe9")
    replace(job, paths=replace(job.paths, items=folder)).run(out)
    errors = [pq.read_table(arrow_file(path)) for path in (out / "errors").iterdir()]
    named = {name for table in errors for name in table["file"].to_pylist()}
    assert named == {r"a\xe9.csv", r"b\xff.csv"}

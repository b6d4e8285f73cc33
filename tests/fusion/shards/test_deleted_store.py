"""The store of a job may be deleted while it works."""

import shutil

import pytest

from fusion.shards import verify_job
from fusion.store import embed


@pytest.mark.parametrize("when", ["before encoding", "after encoding"])
def test_a_store_that_is_deleted_inside_a_shard_is_made_again(
    tmp_path, text_job, monkeypatch, files_of, when
):
    job = text_job(tmp_path / "in", rows=30, shard_rows=10, store=tmp_path / "store")
    job.run(tmp_path / "whole")
    shutil.rmtree(tmp_path / "store")
    encode = embed.encode_each

    def meanwhile(*arguments, **options):
        if when == "before encoding":
            shutil.rmtree(tmp_path / "store", ignore_errors=True)
        encoded = encode(*arguments, **options)
        if when == "after encoding":
            shutil.rmtree(tmp_path / "store", ignore_errors=True)
        return encoded

    monkeypatch.setattr(embed, "encode_each", meanwhile)
    assert job.run(tmp_path / "out").failed_shards == {}
    assert verify_job(tmp_path / "out") == []
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")
    assert list((tmp_path / "store").glob("*/*.safetensors"))

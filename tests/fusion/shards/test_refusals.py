"""A job goes on with what it was begun with, or says what is another."""

import os
import shutil
from dataclasses import replace
from functools import partial

import pytest

from fusion.choices.encoders import EncoderChoices
from fusion.errors import CatalogueError, ConfigError, JobError
from fusion.shards import (
    DataPaths,
    JobSettings,
    job_status,
    missing_shards,
    read_embeddings,
    run_shard,
    verify_job,
)


@pytest.fixture
def job(tmp_path, text_job):
    return text_job(tmp_path / "in", rows=30, shard_rows=10)


@pytest.fixture
def half_done(tmp_path, job, in_process):
    """An output folder in which the first shard is done."""

    class First(in_process):
        def run(self, folder, shards, log):
            super().run(folder, shards[:1], log)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.run(tmp_path / "out", engine=First())
    return tmp_path / "out"


def edit(path, old, new):
    content = path.read_bytes()
    assert content.count(old) >= 1
    path.write_bytes(content.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"item 7 ", b"item 8 ", " in rows 1 to 10\n"),  # of a finished shard
        (b"item 25", b"item 2525", "\n"),
        (b"id,title", b"id,titel", " in rows 1 to 10\n"),
    ],
)
def test_other_content_is_refused_by_the_name_of_the_file(job, half_done, old, new, told):
    before = job.paths.items.read_bytes()
    edit(job.paths.items, old, new)
    with pytest.raises(JobError, match=rf"- input file items\.csv: other content{told}"):
        job.run(half_done)
    job.paths.items.write_bytes(before)
    assert job.run(half_done).n_already == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"dtype": "float16"}, "dtype: begun with 'float32', now 'float16'"),
        ({"on_bad_rows": "absent"}, "on_bad_rows: begun with 'record', now 'absent'"),
        ({"normalize": True}, "normalize: begun with False, now True"),
        ({"shard_rows": 11}, "shard_rows: begun with 10, now 11"),
        ({"columns": {"id": [], "text": ["title"], "image": []}}, "columns: begun with"),
        ({"encoders": EncoderChoices({"text": "minilm"})}, "encoder text: begun with"),
    ],
)
def test_another_setting_is_refused_by_its_name(job, half_done, change, told):
    other = replace(job, settings=replace(job.settings, **change))
    with pytest.raises(JobError) as caught:
        other.run(half_done)
    assert f"- {told}" in str(caught.value)
    assert str(caught.value).count("\n- ") == 1
    assert job.run(half_done).n_already == 1


def test_everything_that_changed_is_told_at_once(job, half_done):
    edit(job.paths.items, b"item 25", b"item 2525")
    settings = replace(job.settings, dtype="float16", on_bad_rows="raise")
    with pytest.raises(JobError) as caught:
        replace(job, settings=settings).run(half_done)
    assert str(caught.value).count("\n- ") == 3


def test_other_weights_behind_the_same_name_are_refused(tmp_path, job, in_process):
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(job.settings.encoders["text"].options["checkpoint"], checkpoint)
    ours = replace(
        job, settings=replace(job.settings, encoders=EncoderChoices({"text": str(checkpoint)}))
    )

    class Stop(in_process):
        def run(self, folder, shards, log):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ours.run(tmp_path / "out", engine=Stop())
    weights = bytearray((checkpoint / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (checkpoint / "model.safetensors").write_bytes(weights)
    with pytest.raises(JobError, match="encoder of text must have the weights"):
        ours.run(tmp_path / "out")


def test_another_version_of_a_package_is_refused(job, half_done, monkeypatch):
    monkeypatch.setattr("fusion.shards.plan.version", lambda name: "0.0.1")
    with pytest.raises(JobError, match=r"version of torch: begun with .*, now 0\.0\.1"):
        job.run(half_done)


def test_the_same_content_with_another_change_time_is_accepted(job, half_done):
    os.utime(job.paths.items, (1, 1))
    assert job.run(half_done).n_already == 1
    assert verify_job(half_done) == []


def test_items_that_moved_to_another_folder_are_accepted(tmp_path, job, half_done, files_of):
    (tmp_path / "moved").mkdir()
    job.paths.items.rename(tmp_path / "moved" / "items.csv")
    os.utime(tmp_path / "moved" / "items.csv", (1, 1))
    moved = replace(job, paths=DataPaths(tmp_path / "moved" / "items.csv"))
    assert moved.run(half_done).n_already == 1
    moved.run(tmp_path / "anew")
    assert files_of(half_done) == files_of(tmp_path / "anew")


def test_an_output_folder_that_moved_is_accepted(tmp_path, job, half_done):
    half_done.rename(tmp_path / "moved")
    assert job.run(tmp_path / "moved").n_already == 1
    assert verify_job(tmp_path / "moved") == []


def test_new_gone_and_renamed_tables_are_named(tmp_path, job, in_process):
    folder = tmp_path / "tables"
    folder.mkdir()
    for name in ("a.csv", "b.csv"):
        shutil.copy(job.paths.items, folder / name)
    both = replace(job, paths=DataPaths(folder))
    both.run(tmp_path / "out")
    (folder / "b.csv").rename(folder / "c.csv")
    with pytest.raises(JobError, match=r"b\.csv: gone\n- input file c\.csv: new"):
        both.run(tmp_path / "out")


@pytest.mark.parametrize("name", ["notes.txt", "embeddings/part-000000.parquet"])
def test_a_folder_with_files_of_something_else_is_refused_and_kept(tmp_path, job, name):
    stranger = tmp_path / "out" / name
    stranger.parent.mkdir(parents=True)
    stranger.write_text("mine")
    with pytest.raises(JobError, match="must be new, empty or the folder of such a job"):
        job.run(tmp_path / "out")
    assert stranger.read_text() == "mine"


def test_receipts_without_their_plan_are_refused(job, half_done):
    (half_done / "plan.json").unlink()
    with pytest.raises(JobError, match="must be new"):
        job.run(half_done)


@pytest.mark.parametrize("name", [".lock", ".holder.json"])
def test_a_folder_in_the_place_of_a_lock_is_refused_by_its_name(tmp_path, job, name):
    (tmp_path / "out" / name).mkdir(parents=True)
    with pytest.raises(JobError, match=rf"out/\{name} must be a file, got a folder"):
        job.run(tmp_path / "out")


def test_files_in_the_place_of_folders_are_refused_together(tmp_path, job):
    (tmp_path / "out").mkdir()
    for name in ("receipts", "poison_rows"):
        (tmp_path / "out" / name).touch()
    with pytest.raises(
        JobError, match=r"something else named receipts, poison_rows\. Move it away"
    ):
        job.run(tmp_path / "out")


def test_a_file_in_the_place_of_the_receipts_is_named_by_all_that_read_them(half_done):
    shutil.rmtree(half_done / "receipts")
    (half_done / "receipts").touch()
    for read in (job_status, verify_job, missing_shards, partial(read_embeddings, name="text")):
        with pytest.raises(JobError, match=r"receipts must be a folder, got something else"):
            read(half_done)


@pytest.mark.parametrize("is_folder", [False, True], ids=["gone", "a folder now"])
def test_a_table_that_is_not_there_is_named_once(job, half_done, is_folder):
    job.paths.items.unlink()
    if is_folder:
        job.paths.items.mkdir()
    with pytest.raises(
        JobError, match=r"the table items\.csv, .* none of that name in .*/items\.csv"
    ):
        run_shard(half_done, missing_shards(half_done)[0])


def test_a_damaged_plan_is_named(job, half_done):
    edit(half_done / "plan.json", b'"shards"', b'"sharks"')
    with pytest.raises(JobError, match=r"plan\.json of .* is damaged"):
        job.run(half_done)


def test_missing_items_are_named(tmp_path, job):
    with pytest.raises(CatalogueError, match=r"items must be a \.csv, \.tsv or \.parquet file"):
        replace(job, paths=DataPaths(tmp_path / "none.csv")).run(tmp_path / "out")


@pytest.mark.parametrize("shard_rows", [0, -1, 2**31, 10**23])
def test_more_rows_in_a_shard_than_a_plan_can_hold_are_refused_before_any_work(shard_rows):
    with pytest.raises(ConfigError, match="shard_rows must be 1 to"):
        JobSettings(shard_rows=shard_rows)


def test_an_encoder_that_learns_from_a_training_is_refused_rather_than_left_out():
    with pytest.raises(ConfigError, match=r"encoders.text must be .* got 'tfidf'.* --bundle"):
        JobSettings(encoders=EncoderChoices({"text": "tfidf", "image": "colour_texture"}))


def test_a_finished_file_in_the_place_of_a_job_is_told_apart_from_a_folder(tmp_path):
    (tmp_path / "forecast.csv").write_text("id\n")
    for read in (job_status, verify_job):
        with pytest.raises(JobError, match=r"got a file\. .* lies in forecast\.csv\.job until"):
            read(tmp_path / "forecast.csv")

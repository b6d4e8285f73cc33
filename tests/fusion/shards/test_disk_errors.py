"""A disk that is full, failing or forbidden, at each place where a job writes."""

import json
import os
import re
import resource
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from encoders.image import photo_file
from encoders.stream import encode_each
from encoders.text.bert import BertEncoder
from fusion.errors import FusionError
from fusion.shards import missing_shards, run_shard, verify_job
from fusion.shards.poison_rows import PoisonRows, poison_rows_path

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

STEPS = ["open", "half", "fsync", "replace", "fsync_folder"]
PART = "embeddings/part-000001.parquet"


def name_of(handle):
    return Path(f"/proc/self/fd/{handle}").readlink().name


@pytest.fixture(scope="module")
def job(tmp_path_factory, text_job):
    return text_job(tmp_path_factory.mktemp("input"), rows=50, shard_rows=20)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, job):
    """Folder of a run on a good disk."""
    output = tmp_path_factory.mktemp("whole")
    job.run(output)
    return output


@pytest.fixture
def break_disk(tmp_path, job, watch_disk, disk_error, monkeypatch):
    """Runs a job whose disk fails at a step of writing a file; gives the output and the error."""

    def at(step, name, code, job=job):
        output = tmp_path / "out"

        def hook(now, what):
            if (now, what) == (step, name):
                raise disk_error(code, step, output / name)

        with monkeypatch.context() as patch:
            watch_disk(patch, output, hook)
            with pytest.raises((OSError, FusionError)) as caught:
                job.run(output)
        return output, caught.value

    return at


def check(output, error, name, code, job, whole, files_of):
    assert os.strerror(code) in str(error)
    assert name.split("/")[-1] in str(error)
    assert not list(output.rglob("*.tmp"))
    for path in output.rglob("*"):  # what has its final name is complete
        if path.suffix in (".parquet", ".npy") or path.parent.name == "receipts":
            assert path.read_bytes() == (whole / path.relative_to(output)).read_bytes()
    for lonely in ("plan.json", "manifest.json"):
        if (output / lonely).exists():
            assert (output / lonely).read_bytes() == (whole / lonely).read_bytes()
    job.run(output)
    assert files_of(output) == files_of(whole)
    assert verify_job(output) == []


@pytest.mark.parametrize("step", STEPS)
def test_a_disk_error_at_the_data_is_named_and_the_job_goes_on_later(
    step, code, break_disk, job, whole, files_of
):
    output, error = break_disk(step, PART, code)
    check(output, error, PART, code, job, whole, files_of)


def test_a_disk_error_at_the_folders_is_named_and_the_job_goes_on_later(
    code, break_disk, job, whole, files_of
):
    output, error = break_disk("mkdir", "receipts", code)
    check(output, error, "receipts", code, job, whole, files_of)


@pytest.mark.parametrize(
    ("step", "name"),
    [
        ("half", "repeated_ids.npy"),
        ("fsync", "plan.json"),
        ("replace", "plan.json"),
        ("half", "paths.json"),
        ("half", "errors/part-000001.parquet"),
        ("open", "receipts/000001.json"),
        ("half", "receipts/000001.json"),
        ("fsync", "receipts/000001.json"),
        ("fsync_folder", "receipts/000001.json"),
        ("half", "manifest.json"),
        ("replace", "manifest.json"),
        ("append", "events.jsonl"),
        ("plain", ".holder.json"),
    ],
)
def test_a_full_disk_at_any_other_file_is_named_and_the_job_goes_on_later(
    step, name, break_disk, job, whole, files_of
):
    code = 28
    output, error = break_disk(step, name, code)
    check(output, error, name, code, job, whole, files_of)


def test_a_file_that_reads_back_otherwise_gets_no_name(tmp_path, job, monkeypatch, files_of, whole):
    output = tmp_path / "out"
    fsync = os.fsync

    def rotting(number):
        if "part-000001" in name_of(number):
            os.pwrite(number, b"rot", 30)
        fsync(number)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", rotting)
        with pytest.raises(OSError, match=r"part-000001.* reads back with other bytes"):
            job.run(output)
    assert not (output / PART).exists()
    job.run(output)
    assert files_of(output) == files_of(whole)


def test_a_full_disk_under_the_store_is_named(tmp_path, text_job, monkeypatch, disk_error, whole):
    job = text_job(tmp_path / "in", rows=50, shard_rows=20, store=tmp_path / "store")

    def full(number):
        if "safetensors" in name_of(number):
            raise disk_error(28, "fsync", tmp_path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(FusionError, match=r"store .* cannot be written: .*No space left"):
            job.run(tmp_path / "out")
    assert not list((tmp_path / "store").rglob("*.safetensors"))
    job.run(tmp_path / "out")
    for part in sorted((whole / "embeddings").iterdir()):
        assert (tmp_path / "out" / "embeddings" / part.name).read_bytes() == part.read_bytes()


def no_handles(path, *arguments):
    raise OSError(24, os.strerror(24), str(path))


def error_records(output):
    return [
        row for part in (output / "errors").iterdir() for row in pq.read_table(part).to_pylist()
    ]


@pytest.mark.parametrize("careful", [False, True])
def test_no_file_handles_for_a_photo_stops_the_job_and_blames_no_row(
    careful, tmp_path, photo_job, monkeypatch, in_process
):
    job = photo_job(tmp_path, rows=8, shard_rows=4)
    output = tmp_path / "out"
    opened = os.open

    class Careful(in_process):
        def run(self, folder, shards, log):
            for shard in shards:
                log.done(run_shard(folder, shard, careful=careful))
            return {}

    def few(path, *arguments):
        return no_handles(path) if str(path).endswith("/6.png") else opened(path, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(photo_file.os, "open", few)
        with pytest.raises(OSError, match=r"Too many open files.*6\.png"):
            job.run(output, engine=Careful())
    assert missing_shards(output) == [1]
    assert error_records(output) == []
    assert PoisonRows.read(poison_rows_path(output, 1)).blamed == {}
    assert job.run(output).n_failed == 0
    assert verify_job(output) == []


def test_no_number_of_file_handles_turns_sound_photos_into_error_records(
    tmp_path, photo_job, forked, ended, files_of
):
    job = photo_job(tmp_path, rows=4, shard_rows=2)
    job.run(tmp_path / "enough")  # what is imported late is imported now
    codes = []
    for spare in (*range(10), 40):
        output = tmp_path / f"out{spare}"

        def run(output=output, spare=spare):
            leave_handles(spare)
            try:
                job.run(output)
            except (OSError, FusionError) as error:
                assert "Too many open files" in str(error), error
                os._exit(7)

        codes.append(ended(forked(run)))
        if (output / "errors").exists():
            assert error_records(output) == []
        job.run(output)
        assert files_of(output) == files_of(tmp_path / "enough")
    assert codes[0] == 7
    assert codes[-1] == 0
    assert set(codes) == {0, 7}


def leave_handles(spare):
    """Takes all file handles of this process but a few."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    taken = []
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        for handle in taken[:spare]:
            os.close(handle)


def test_events_stay_readable_line_by_line_after_a_torn_one(tmp_path, job):
    output = tmp_path / "out"
    job.run(output)
    path = output / "events.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    job.run(output)
    lines = path.read_text().splitlines()
    torn = [line for line in lines if not line.endswith("}")]
    assert len(torn) == 1
    assert [json.loads(line)["event"] for line in lines if line not in torn][-2:] == [
        "started",
        "ended",
    ]
    assert re.fullmatch(r'\{"time".*', torn[0])


@pytest.mark.parametrize("code", [23, 24, 12], ids=["ENFILE", "EMFILE", "ENOMEM"])
def test_a_machine_fault_in_an_encoder_that_reads_late_is_no_fault_of_its_parts(code, monkeypatch):
    encoder = BertEncoder.tiny()

    def busy(values):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(encoder, "collate", busy)
    with pytest.raises(OSError, match=os.strerror(code)):
        encode_each(encoder, ["a red dress", "a blue hat"])

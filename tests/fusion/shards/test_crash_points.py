"""A process that ends at each step of writing each kind of file, and the run that goes on."""

import pytest

from fusion.shards import embed_catalogue, run_shard, verify_job
from fusion.shards.commit import receipt_path

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

NAMES = [
    "repeated_ids.npy",
    "plan.json",
    "paths.json",
    "embeddings/part-000001.parquet",
    "errors/part-000001.parquet",
    "receipts/000001.json",
    "manifest.json",
]
STEPS = ["half", "fsync", "replace", "fsync_folder", "synced"]


@pytest.fixture(scope="module")
def job(tmp_path_factory, text_job):
    return text_job(tmp_path_factory.mktemp("input"), rows=50, shard_rows=20)


@pytest.fixture(scope="module")
def straight(tmp_path_factory, job, files_of):
    """Files of a run that nobody stopped."""
    output = tmp_path_factory.mktemp("straight")
    job.run(output)
    return files_of(output)


def states(output):
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes())
        for kind in ("embeddings", "errors")
        for path in (output / kind).glob("*.parquet")
        if receipt_path(output, int(path.stem[5:])).exists()
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("step", STEPS)
def test_a_job_goes_on_after_a_crash_at(step, name, tmp_path, job, straight, crash, files_of):
    output = tmp_path / "out"
    crash(step, name, output, lambda: job.run(output))
    before = states(output)
    job.run(output)
    assert files_of(output) == straight
    assert {path: state for path, state in states(output).items() if path in before} == before
    assert not list(output.rglob("*.tmp"))
    assert verify_job(output) == []


@pytest.mark.parametrize(
    ("step", "name"),
    [("mkdir", f) for f in ("embeddings", "errors", "receipts", "poison_rows")]
    + [("plain", ".holder.json"), ("append", "events.jsonl"), ("unlink", ".holder.json")],
)
def test_a_job_goes_on_after_a_crash_beside_its_output_at(
    step, name, tmp_path, job, straight, crash, files_of
):
    output = tmp_path / "out"
    crash(step, name, output, lambda: job.run(output))
    job.run(output)
    assert files_of(output) == straight


@pytest.mark.parametrize(
    ("step", "name"),
    [
        ("unlink", "manifest.json"),
        ("unlink", "receipts/000000.json"),
        ("unlink", "receipts/000001.json"),
        ("replace", "embeddings/part-000000.parquet"),
        ("replace", "receipts/000001.json"),
    ],
)
def test_a_crash_while_failed_shards_are_dropped_leaves_no_false_manifest(
    step, name, tmp_path, job, straight, crash, files_of
):
    output = tmp_path / "out"
    job.run(output)
    crash(step, name, output, lambda: job.run(output, retry_failed=True))
    problems = verify_job(output)
    assert (problems == []) == (step == "unlink" and name == "manifest.json")
    assert (output / "manifest.json").exists() == (problems == [])
    job.run(output)
    assert files_of(output) == straight


def test_data_of_a_crashed_shard_that_is_written_otherwise_later_is_swept(
    tmp_path, photo_job, crash, files_of, add_photo
):
    output = tmp_path / "out"
    job = photo_job(tmp_path, rows=8, shard_rows=4, missing=[5])
    crash("open", "receipts/000001.json", output, lambda: job.run(output))
    assert (output / "errors" / "part-000001.parquet").exists()
    add_photo(tmp_path / "photos" / "5.png", seed=5)
    job.run(output)
    assert not (output / "errors" / "part-000001.parquet").exists()
    job.run(tmp_path / "straight")
    assert files_of(output) == files_of(tmp_path / "straight")


def test_a_receipt_that_an_outliving_worker_writes_late_has_its_data(
    tmp_path, job, straight, crash, files_of, in_process
):
    """Data is on disk, its worker is about to write the receipt, and the next run begins."""
    output = tmp_path / "out"
    crash("open", "receipts/000001.json", output, lambda: job.run(output))

    class Late(in_process):
        def run(self, folder, shards, log):
            receipt_path(folder, 1).write_bytes(straight["receipts/000001.json"])
            return super().run(folder, shards, log)

    job.run(output, engine=Late())
    assert files_of(output) == straight
    assert verify_job(output) == []


def test_a_shard_that_is_done_twice_gives_the_same_files(tmp_path, job, straight, files_of):
    output = tmp_path / "out"
    job.run(output)
    receipt_path(output, 1).unlink()
    run_shard(output, 1)
    before = states(output)
    run_shard(output, 1)  # has its receipt: nothing is written
    assert states(output) == before
    assert files_of(output) == straight


def test_an_engine_that_leaves_shards_out_gives_no_manifest(tmp_path, job):
    class Idle:
        def run(self, folder, shards, log):
            return {}

    with pytest.raises(RuntimeError, match="3 that are neither"):
        embed_catalogue(job.paths, tmp_path / "out", job.settings, engine=Idle())
    assert not (tmp_path / "out" / "manifest.json").exists()

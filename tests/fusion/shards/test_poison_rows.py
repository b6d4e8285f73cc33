"""Photos that end, hang or upset the process that reads them: found, recorded, and left out."""

import ctypes
import faulthandler
import io
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from fusion.cli import app
from fusion.errors import ConfigError, JobError
from fusion.progress import Work
from fusion.shards import read_embeddings, verify_job, worker
from fusion.shards.events import EventLog
from fusion.shards.layout import Layout
from fusion.shards.poison_rows import (
    MOST_BLAMED,
    PoisonRows,
    note_end,
    poison_rows_path,
    touch_alone,
)
from fusion.shards.pool import LocalEngine
from fusion.shards.retries import TaskQueue
from fusion.shards.run import run_shard

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-c", "from fusion.cli import app; app()"]

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

ENDS = {
    b"KILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    b"SEGV": lambda: (faulthandler.disable(), os.kill(os.getpid(), signal.SIGSEGV)),
    b"HANG": lambda: time.sleep(3600),
    b"LOCK": lambda: ctypes.PyDLL(None).sleep(3600),  # keeps Python's lock: no other thread runs
}


@pytest.fixture
def poisonous(monkeypatch):
    """Photos with a mark behind their end do to the process what the mark says."""
    opened = Image.open

    def poisoned(source, *arguments, **options):
        if isinstance(source, io.BytesIO):
            ENDS.get(source.getvalue()[-4:], lambda: None)()
        return opened(source, *arguments, **options)

    monkeypatch.setattr(Image, "open", poisoned)


def errors_of(output):
    records = [
        row
        for part in sorted((output / "errors").iterdir())
        for row in pq.read_table(part).to_pylist()
    ]
    return {row["row"]: (row["id"], row["stage"], row["reason"]) for row in records}


def same_as_without(output, whole, bad):
    ours, theirs = read_embeddings(output, "image"), read_embeddings(whole, "image")
    assert ours.rows.tolist() == [row for row in theirs.rows.tolist() if row not in bad]
    assert ours.vectors.tobytes() == theirs.vectors[ours.rows].tobytes()


def embed_arguments(job, output, *more):
    """What the command line says for a job of photos, with shards of six rows."""
    places = ["--items", job.paths.items, "--photos", job.paths.photos, "--out", output]
    columns = ["--column", "id=id", "--column", "image=photo", "--encoder", "image=colour_texture"]
    return [*map(str, ["embed", *places, *columns, "--shard-rows", 6, "--quiet", *more])]


def test_rows_that_end_or_hang_a_worker_get_a_record_and_the_others_their_bits(
    tmp_path, photo_job, forked_pool, poisonous
):
    marks = {1: b"KILL", 4: b"SEGV", 7: b"HANG", 13: b"LOCK"}
    job = photo_job(tmp_path / "in", rows=18, shard_rows=6, marks=marks)
    output = tmp_path / "out"
    arguments = embed_arguments(job, output, "--workers", 3, "--stall-seconds", 2)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert errors_of(output) == {
        1: ("p1", "worker", "worker_died"),
        4: ("p4", "worker", "worker_died"),
        7: ("p7", "worker", "worker_hung"),
        13: ("p13", "worker", "worker_hung"),
    }
    photo_job(tmp_path / "good", rows=18, shard_rows=6).run(tmp_path / "whole")
    same_as_without(output, tmp_path / "whole", marks)
    assert verify_job(output) == []


def test_a_mended_photo_is_embedded_when_failed_rows_are_retried(
    tmp_path, photo_job, forked_pool, poisonous, add_photo, files_of
):
    job = photo_job(tmp_path / "in", rows=6, shard_rows=6, marks={2: b"KILL"})
    engine = LocalEngine(layout=Layout(1, 1), stall_s=30.0)
    assert job.run(tmp_path / "out", engine=engine).n_failed == 1
    add_photo(tmp_path / "in" / "photos" / "2.png", seed=2)
    assert job.run(tmp_path / "out", engine=engine, retry_failed=True).n_failed == 0
    job.run(tmp_path / "whole")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def test_a_row_that_raises_what_nobody_foresaw_gets_a_record(
    tmp_path, photo_job, forked_pool, monkeypatch
):
    job = photo_job(tmp_path / "in", rows=6, shard_rows=3)
    with Image.open(tmp_path / "in" / "photos" / "4.png") as photo:
        corner = photo.getpixel((0, 0))
    resize = Image.Image.resize

    def upset(image, *arguments, **options):
        if image.getpixel((0, 0)) == corner:
            raise RuntimeError("nobody foresaw this")
        return resize(image, *arguments, **options)

    monkeypatch.setattr(Image.Image, "resize", upset)
    job.run(tmp_path / "out", engine=LocalEngine(layout=Layout(1, 1), stall_s=30.0))
    assert errors_of(tmp_path / "out") == {4: ("p4", "worker", "worker_error")}


def test_a_worker_that_is_killed_once_by_chance_costs_no_row(
    tmp_path, photo_job, forked_pool, monkeypatch, files_of
):
    job = photo_job(tmp_path / "in", rows=12, shard_rows=6)
    job.run(tmp_path / "straight")
    opened = Image.open

    def unlucky(source, *arguments, **options):
        if not (tmp_path / "killed").exists():
            (tmp_path / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return opened(source, *arguments, **options)

    monkeypatch.setattr(Image, "open", unlucky)
    result = job.run(tmp_path / "out", engine=LocalEngine(layout=Layout(2, 1), stall_s=30.0))
    assert result.n_failed == 0
    assert files_of(tmp_path / "out") == files_of(tmp_path / "straight")


def claimed(path):
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_workers_that_cannot_start_end_no_job_that_others_bring_on(
    tmp_path, photo_job, forked_pool, monkeypatch
):
    n_shards = 6
    marks = [tmp_path / f"done{n}" for n in range(n_shards + 1)]
    begun = [tmp_path / f"begun{n}" for n in range(n_shards + 1)]

    def begin(folder):  # the first works, each of the others dies when one more shard is done
        mine = next(n for n, path in enumerate(begun) if claimed(path))
        if mine:
            until(marks[mine].exists)
            os._exit(9)

    def run(folder, number, **options):
        outcome = run_shard(folder, number)
        n_done = sum(path.exists() for path in marks) + 1
        marks[n_done].touch()
        until(lambda: n_done == n_shards or begun[n_done + 1].exists())
        return outcome

    monkeypatch.setattr(worker, "ShardRunner", begin)
    monkeypatch.setattr(worker, "run_shard", run)
    job = photo_job(tmp_path / "in", rows=2 * n_shards, shard_rows=2)
    result = job.run(tmp_path / "out", engine=LocalEngine(layout=Layout(2, 1), stall_s=60.0))
    assert (result.n_shards, result.failed_shards) == (n_shards, {})


def test_workers_that_never_start_end_the_job(tmp_path, photo_job, forked_pool, monkeypatch):
    monkeypatch.setattr(worker, "ShardRunner", lambda folder: os._exit(9))
    job = photo_job(tmp_path / "in", rows=2, shard_rows=2)
    with pytest.raises(JobError, match=r"workers must start, got 4 in a row that died"):
        job.run(tmp_path / "out", engine=LocalEngine(layout=Layout(1, 1), stall_s=60.0))


@pytest.mark.parametrize("stall_s", [float("nan"), float("inf"), 0.0, -1.0])
def test_an_engine_refuses_seconds_that_measure_nothing(stall_s):
    with pytest.raises(ConfigError, match="stall seconds must be positive and finite, got"):
        LocalEngine(stall_s=stall_s)


def test_a_worker_that_hangs_with_pythons_lock_ends_with_its_killed_parent(
    tmp_path, photo_job, forked_pool, monkeypatch, forked, ended
):
    job = photo_job(tmp_path / "in", rows=4, shard_rows=4)

    def hang(*arguments, **options):
        (tmp_path / "worker").write_text(str(os.getpid()))
        (tmp_path / "hangs").touch()
        ENDS[b"LOCK"]()

    monkeypatch.setattr(Image, "open", hang)
    parent = forked(lambda: job.run(tmp_path / "out", engine=LocalEngine(layout=Layout(1, 1))))
    deadline = time.monotonic() + 60
    while not (tmp_path / "hangs").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    worker = int((tmp_path / "worker").read_text())
    os.kill(parent, signal.SIGKILL)
    ended(parent)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        if "\nState:\tZ" in Path(f"/proc/{worker}/status").read_text():
            return
        time.sleep(0.02)
    assert not Path(f"/proc/{worker}").exists()


def test_a_row_is_blamed_at_its_second_end_and_only_that_row(tmp_path):
    path = poison_rows_path(tmp_path, 0)
    path.parent.mkdir()
    touched = []

    def touch(row):
        touched.append(row)
        if row == 2:
            raise KeyboardInterrupt  # the process ends here

    for ends in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            touch_alone(path, range(4), touch)
        assert PoisonRows.read(path).blamed == {}
        note_end(path, "died")
        assert PoisonRows.read(path).blamed == ({2: "died"} if ends == 2 else {})
    touch_alone(path, range(4), touch)
    assert touched == [0, 1, 2, 2, 0, 1, 3]
    assert PoisonRows.read(path) == PoisonRows({2: "died"})


def test_the_longest_errors_of_as_many_rows_as_are_blamed_are_read_back(tmp_path):
    known = PoisonRows()
    for row in range(MOST_BLAMED + 1):
        known.blame(row, "\U0001f9e5" * 100_000)
    known.write(tmp_path / "poison_rows.json")
    assert PoisonRows.read(tmp_path / "poison_rows.json") == known


def test_a_machine_fault_while_a_row_is_touched_alone_blames_no_row(tmp_path):
    path = poison_rows_path(tmp_path, 0)
    path.parent.mkdir()

    def touch(row):
        raise BrokenPipeError("the parent is gone")

    with pytest.raises(BrokenPipeError):
        touch_alone(path, range(4), touch)
    assert PoisonRows.read(path).blamed == {}


def test_where_every_row_raises_the_shard_is_given_up_and_no_row_is_lost(tmp_path):
    path = poison_rows_path(tmp_path, 0)
    path.parent.mkdir()

    def touch(row):
        raise ValueError("no kernel image is available")

    with pytest.raises(RuntimeError, match=r"more than 20 rows .* no kernel image"):
        touch_alone(path, range(100), touch)
    log = EventLog(tmp_path, n_before=0, work=Work("embedding", 100, "rows"))
    queue = TaskQueue(tmp_path, [0], log)
    queue.ended(queue.take(), "raised", reason="x")
    assert list(queue.failed) == [0] and len(queue) == 0
    assert PoisonRows.read(path) == PoisonRows()


POISON = """
import io, os, signal, time
from PIL import Image
opened = Image.open
def poisoned(source, *arguments, **options):
    mark = source.getvalue()[-4:] if isinstance(source, io.BytesIO) else b""
    if mark == b"KILL":
        os.kill(os.getpid(), signal.SIGKILL)
    if mark == b"HANG":
        time.sleep(3600)
    return opened(source, *arguments, **options)
Image.open = poisoned
"""


@pytest.mark.slow
def test_the_command_in_new_processes_ends_well_with_photos_that_kill_and_hang(tmp_path, photo_job):
    job = photo_job(tmp_path / "in", rows=12, shard_rows=6, marks={1: b"KILL", 8: b"HANG"})
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(POISON))
    arguments = embed_arguments(job, tmp_path / "out", "--workers", 1, "--stall-seconds", 6)
    done = subprocess.run(
        [*COMMAND, *arguments],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=1200,  # it starts six interpreters
    )
    assert done.returncode == 0, done.stderr
    assert errors_of(tmp_path / "out") == {
        1: ("p1", "worker", "worker_died"),
        8: ("p8", "worker", "worker_hung"),
    }
    photo_job(tmp_path / "good", rows=12, shard_rows=6).run(tmp_path / "whole")
    same_as_without(tmp_path / "out", tmp_path / "whole", {1, 8})

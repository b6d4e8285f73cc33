"""One writer a folder."""

import os
import socket
import time
from contextlib import suppress
from functools import partial

import pytest
from typer.testing import CliRunner

from benchmarks.promises.two_writers import hold_alone
from fusion.cli import app
from fusion.system.lock import LockedError, locked_file

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


@pytest.fixture
def job(tmp_path, text_job):
    return text_job(tmp_path / "in", rows=20, shard_rows=10)


@pytest.fixture
def holder(tmp_path, job, forked, in_process):
    """Number of a process that holds the folder in the middle of its work."""

    class Slow(in_process):
        def run(self, folder, shards, log):
            (tmp_path / "busy").touch()
            time.sleep(60)

    number = forked(lambda: job.run(tmp_path / "out", engine=Slow()))
    deadline = time.monotonic() + 30
    while not (tmp_path / "busy").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return number


def test_the_second_writer_learns_who_holds_the_folder(tmp_path, job, holder):
    with pytest.raises(LockedError) as caught:
        job.run(tmp_path / "out")
    assert f"process {holder} on {socket.gethostname()} since 20" in str(caught.value)


def test_the_command_line_gives_code_4_to_the_second_writer(tmp_path, job, holder):
    choice = job.settings.encoders["text"].options["checkpoint"]
    arguments = ["--items", str(job.paths.items), "--out", str(tmp_path / "out"), "--quiet"]
    arguments += ["--column", "id=id", "--column", "text=title", "--encoder", f"text={choice}"]
    arguments += ["--shard-rows", "10"]
    result = CliRunner().invoke(app, ["embed", *arguments])
    assert result.exit_code == 4
    assert f"process {holder} on {socket.gethostname()}" in result.stderr


def test_the_lock_of_a_killed_process_is_free(tmp_path, job, holder, ended):
    os.kill(holder, 9)
    assert ended(holder) == -9
    assert (tmp_path / "out" / ".holder.json").exists()
    assert job.run(tmp_path / "out").failed_shards == {}
    assert not (tmp_path / "out" / ".holder.json").exists()


def test_many_that_begin_at_once_leave_one_at_work_at_a_time(tmp_path, forked, ended):
    for _ in range(5):
        children = [forked(partial(hold_alone, tmp_path)) for _ in range(4)]
        codes = [ended(child) for child in children]
        assert set(codes) <= {0, 4}
        assert 0 in codes


@pytest.mark.skipif(os.name != "posix", reason="an open file can be removed on POSIX alone")
def test_a_lock_file_that_its_holder_removes_meanwhile_lets_no_two_inside(tmp_path, monkeypatch):
    import fcntl

    path = tmp_path / "answers.csv"
    ask = fcntl.flock
    asked = []

    def flock(file, operation):
        if not asked:  # who held it ends between the second one's opening and locking of the file
            (tmp_path / ".answers.csv.lock").unlink()
        asked.append(operation)
        ask(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with suppress(LockedError), locked_file(path):
        with pytest.raises(LockedError):
            locked_file(path).__enter__()
    with locked_file(path), pytest.raises(LockedError):
        locked_file(path).__enter__()
    assert len(asked) > 2 and list(tmp_path.iterdir()) == []

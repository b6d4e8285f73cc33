"""Who holds a folder: a name, a sign of life, and a way to take over."""

import json
import os
import time

import pytest

from fusion.jobs.embed import status_lines
from fusion.shards import job_status
from fusion.system import lock
from fusion.system.lock import LockedError, check_free, holder_of, locked, locked_file


def note(folder, *, age_s=0.0, **changes):
    """What a process of another machine has left behind."""
    folder.mkdir(exist_ok=True)
    found = {"host": "far", "process": 12, "since": "2026-11-01T08:00:00+00:00"} | changes
    path = folder / ".holder.json"
    path.write_text(json.dumps(found))
    then = time.time() - age_s
    os.utime(path, (then, then))


def test_a_holder_gives_signs_of_life_while_it_works(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_S", 0.01)
    with locked(tmp_path):
        os.utime(tmp_path / ".holder.json", (0, 0))
        deadline = time.monotonic() + 30
        while not holder_of(tmp_path).is_heard:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert not holder_of(tmp_path).is_gone
    assert holder_of(tmp_path) is None


def test_a_process_of_another_machine_that_was_just_heard_is_believed(tmp_path):
    note(tmp_path, age_s=5)
    with (
        pytest.raises(LockedError, match="process 12 on far since 2026") as caught,
        locked(tmp_path),
    ):
        pass
    assert "If it was killed, run the same command again in 60 seconds." in str(caught.value)
    with pytest.raises(LockedError):
        check_free(tmp_path)


def test_one_that_is_silent_for_long_is_taken_over_from(tmp_path):
    note(tmp_path, age_s=3 * 3600)
    check_free(tmp_path)
    with locked(tmp_path):
        assert holder_of(tmp_path).process == os.getpid()


def test_a_lock_that_a_dead_machine_left_behind_is_explained(tmp_path):
    with locked(tmp_path):
        note(tmp_path, age_s=3 * 3600)
        with (
            pytest.raises(LockedError, match=r"last sign of life 3 h ago") as caught,
            locked(tmp_path),
        ):
            pass
    told = f"If its machine is gone for good, delete {tmp_path / '.lock'} and run the same"
    assert told in str(caught.value)


def huge(path):
    path.write_bytes(b" " * 20_000_000)


STRANGE = {
    "pipe": os.mkfifo,
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "huge": huge,
    "torn": lambda path: path.write_text('{"host": "far", "pro'),
    "a list": lambda path: path.write_text("[]"),
    "deeply nested": lambda path: path.write_text("[" * 9000),
    "text for a number": lambda path: note(path.parent, process="12"),
    "a huge number": lambda path: note(path.parent, process=10**30),
    "no process": lambda path: note(path.parent, process=0),
    "one key more": lambda path: note(path.parent, more=1),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_no_note_names_nobody_and_stops_nobody(tmp_path, name):
    STRANGE[name](tmp_path / ".holder.json")
    assert holder_of(tmp_path) is None
    with locked(tmp_path):
        (tmp_path / ".holder.json").unlink()
        STRANGE[name](tmp_path / ".holder.json")
        with pytest.raises(LockedError, match="got another: a process that has just begun"):
            check_free(tmp_path)


def test_a_file_has_one_writer_and_other_files_others(tmp_path):
    path = tmp_path / "new" / "answers.csv"
    with locked_file(path), locked_file(path.with_name("other.csv")):
        with pytest.raises(LockedError, match=r"answers\.csv must have one writer"):
            locked_file(path).__enter__()
    assert list(path.parent.iterdir()) == []


@pytest.fixture
def job(tmp_path, text_job):
    done = text_job(tmp_path, rows=20, shard_rows=10)
    done.run(tmp_path / "out")
    (tmp_path / "out" / "manifest.json").unlink()
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("age_s", "changes", "state", "told"),
    [
        (4, {}, "running", "held by process 12 on far since 2026"),
        (200, {}, "silent", "(last sign of life 3 min ago)"),
        (4 * 86400, {}, "silent", "(last sign of life 4 days ago)"),
        (4, {"host": lock.socket.gethostname(), "process": 2**31 - 1}, "stopped", "left by"),
        (4, {"host": lock.socket.gethostname(), "process": os.getpid()}, "running", "held by"),
        (999, {"host": lock.socket.gethostname(), "process": os.getpid()}, "silent", "17 min ago"),
    ],
)
def test_the_status_says_who_works_how_long_ago_it_was_heard_and_how_to_take_over(
    job, age_s, changes, state, told
):
    note(job, age_s=age_s, **changes)
    status = job_status(job)
    assert status.running == (state == "running")
    lines = status_lines(status)
    assert lines[0] == f"{state}: 2 of 2 shards" and told in "\n".join(lines)
    assert ("run the same command again" in lines[-1]) == (state != "running")


def test_the_status_of_a_job_that_nobody_holds_is_stopped(job):
    assert status_lines(job_status(job))[0] == "stopped: 2 of 2 shards"


def test_who_was_taken_over_from_leaves_the_name_of_the_new_holder(tmp_path):
    with locked(tmp_path):
        note(tmp_path)
    assert holder_of(tmp_path).host == "far"

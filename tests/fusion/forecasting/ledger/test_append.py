"""Entries are appended whole, one writer at a time, whenever a writer is stopped."""

import logging
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from fusion.errors import JobError, LedgerError
from fusion.forecasting.ledger import append
from fusion.forecasting.ledger.append import append_entry, check_ledger
from fusion.forecasting.ledger.chain import LEDGER, read_ledger
from fusion.system.lock import LockedError, locked


@pytest.fixture
def add(run_of, answers_of):
    return lambda folder, as_of="2024-05-27": append_entry(
        folder, run_of(as_of), answers_of(as_of, {"A": 9})
    )


def cut_line(folder, n_bytes):
    """The last line, of which all but some bytes were never written."""
    *lines, last = (folder / LEDGER).read_bytes().splitlines(keepends=True)
    (folder / LEDGER).write_bytes(b"".join(lines) + last[:n_bytes])


def test_what_was_answered_comes_back(tmp_path, add, answers_of):
    found = add(tmp_path / "ledger")
    file = tmp_path / "ledger" / "answers" / found.entry.file
    table = answers_of("2024-05-27", {"A": 9})
    pd.testing.assert_frame_equal(pd.read_parquet(file), table, check_dtype=False)
    assert read_ledger(tmp_path / "ledger").last_hash == found.sha256


@pytest.mark.parametrize("n_bytes", [1, 5, 11, 12, 40, 500, -3, -2])
def test_a_line_that_breaks_off_is_told_and_mended(ledger, add, caplog, n_bytes):
    cut_line(ledger, n_bytes)
    found = read_ledger(ledger)
    assert len(found.entries) == 2 and "breaks off" in found.notes[0]
    assert "000003.parquet belongs to no entry" in found.notes[1]
    with caplog.at_level(logging.WARNING):
        assert add(ledger).entry.number == 3
    assert "breaks off" in caplog.text and "kept as unfinished-" in caplog.text
    assert read_ledger(ledger).notes == [] and len(list((ledger / "answers").iterdir())) == 4


def test_a_whole_last_line_without_its_end_is_an_entry(ledger, add):
    cut_line(ledger, -1)
    found = read_ledger(ledger)
    assert len(found.entries) == 3 and "lacks the end" in found.notes[0]
    assert add(ledger).entry.number == 4 and read_ledger(ledger).notes == []


def test_answers_without_an_entry_are_kept_under_another_name(ledger, add):
    (ledger / "answers" / "000004.parquet").write_bytes(b"half a fi")
    assert "000004.parquet belongs to no entry" in read_ledger(ledger).notes[0]
    assert add(ledger).entry.number == 4
    kept = list((ledger / "answers").glob("unfinished-*"))
    assert [one.read_bytes() for one in kept] == [b"half a fi"]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_writer_that_is_killed_at_any_sync_leaves_a_valid_ledger(ledger, add, monkeypatch):
    is_done, n_syncs = False, 0
    while not is_done:
        n_syncs += 1
        before = len(read_ledger(ledger).entries)
        child = os.fork()
        if not child:
            _killed_at(n_syncs, monkeypatch)
            add(ledger)
            os._exit(0)
        is_done = os.waitpid(child, 0)[1] == 0
        assert len(read_ledger(ledger).entries) in (before, before + 1)
        add(ledger)
        assert not read_ledger(ledger).notes
    assert n_syncs > 3


def _killed_at(n_syncs, monkeypatch):
    """Has this process die at a call of fsync."""
    left, sync = [n_syncs], os.fsync

    def counted(number):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(number)

    monkeypatch.setattr(os, "fsync", counted)


def test_several_writers_append_one_behind_the_other(tmp_path, add):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: add(tmp_path / "ledger"), range(8)))
    assert sorted(one.entry.number for one in found) == list(range(1, 9))
    assert len(read_ledger(tmp_path / "ledger").entries) == 8


def test_a_ledger_that_begins_while_its_folder_is_looked_at_is_one(tmp_path, add, monkeypatch):
    folder, names_of = tmp_path / "ledger", Path.iterdir
    folder.mkdir()

    def after_another_writer(path):
        with monkeypatch.context() as inner:
            inner.setattr(Path, "iterdir", names_of)
            add(folder)
        return names_of(path)

    monkeypatch.setattr(Path, "iterdir", after_another_writer)
    assert len(check_ledger(folder).entries) == 1


def test_a_ledger_that_stays_held_is_told(ledger, add, monkeypatch):
    monkeypatch.setattr(append, "WAIT_S", 0.1)
    with locked(ledger), pytest.raises(LockedError, match="must have one writer"):
        add(ledger)
    assert len(read_ledger(ledger).entries) == 3


def test_nothing_is_appended_to_a_ledger_that_was_changed(ledger, add):
    lines = (ledger / LEDGER).read_bytes()
    (ledger / LEDGER).write_bytes(lines.replace(b"2024-04-01", b"2024-04-08"))
    names = sorted(path.name for path in (ledger / "answers").iterdir())
    with pytest.raises(LedgerError, match=r"line 2 of ledger\.jsonl"):
        add(ledger)
    assert sorted(path.name for path in (ledger / "answers").iterdir()) == names


def test_a_folder_of_something_else_is_refused(tmp_path, add):
    (tmp_path / "notes.txt").write_text("mine")
    for refused in (check_ledger, add):
        with pytest.raises(JobError, match=r"a ledger of forecasts, got one with notes\.txt"):
            refused(tmp_path)


def test_a_full_disk_leaves_the_lines_as_they_were(ledger, add, monkeypatch):
    before = (ledger / LEDGER).read_bytes()

    def full(number):
        if os.fstat(number).st_size > len(before):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(append.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        add(ledger)
    assert (ledger / LEDGER).read_bytes() == before

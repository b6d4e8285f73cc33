"""Folders are replaced as a whole: a process that ends at any step, several writers, strangers."""

import os
import threading
from functools import partial
from pathlib import Path

import pytest

from benchmarks.kill_job import fork
from fusion.errors import JobError
from fusion.system import folders
from fusion.system.folders import claim_empty, replace_folder, restore_folder, strangers

pytestmark = [
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
    pytest.mark.skipif(os.name == "nt", reason="needs fork"),
]

STEPS = ("mkdir", "chmod", "fsync", "rename", "unlink", "rmdir")


def files(word):
    return {"a": word, "inner/b": word * 1000}


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def is_whole(folder):
    return content(folder) in (files(b"old"), files(b"new"))


def dies_at(step):
    """Ends this process before its n-th step of changing the disk; true if it got so far."""
    done = 0

    def counted(function):
        def call(*arguments, **options):
            nonlocal done
            done += 1
            if done == step:
                os._exit(9)
            return function(*arguments, **options)

        return call

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))
    folders.exchange_folders = counted(folders.exchange_folders)


def ends_at(step, function):
    def run():
        dies_at(step)
        function()

    return os.waitstatus_to_exitcode(os.waitpid(fork(run), 0)[1]) == 9


def test_a_process_that_ends_at_any_step_leaves_the_old_or_the_new_folder(
    tmp_path, exchanged_or_moved
):
    place, seen = tmp_path / "place", []
    for step in range(1, 100):
        replace_folder(place, files(b"old"))
        assert [path.name for path in tmp_path.iterdir()] == ["place"]  # what died is swept
        if not ends_at(step, partial(replace_folder, place, files(b"new"))):
            break
        restore_folder(place, is_whole=is_whole)
        assert is_whole(place)
        seen.append(content(place)["a"])
    assert len(seen) > 10 and set(seen) == {b"old", b"new"}
    assert seen == sorted(seen, reverse=True)  # once it is new, it stays


def test_a_first_save_that_dies_leaves_nothing_or_the_whole(tmp_path):
    place = tmp_path / "place"
    for step in range(1, 100, 2):
        if not ends_at(step, partial(replace_folder, place, files(b"new"))):
            break
        restore_folder(place, is_whole=is_whole)
        assert not place.exists() or is_whole(place)
    assert content(place) == files(b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_several_writers_each_write_a_whole_folder_and_leave_nothing_else(
    tmp_path, exchanged_or_moved
):
    place, wrong = tmp_path / "place", []

    def write(word):
        for _ in range(20):
            replace_folder(place, files(word))

    def look():
        while any(writer.is_alive() for writer in writers):
            restore_folder(place, is_whole=is_whole)

    writers = [threading.Thread(target=write, args=(word,)) for word in (b"old", b"new", b"new")]
    reader = threading.Thread(target=look)
    for thread in (*writers, reader):
        thread.start()
    child = fork(lambda: write(b"old"))
    for thread in (*writers, reader):
        thread.join()
    assert os.waitpid(child, 0)[1] == 0 and wrong == []
    replace_folder(place, files(b"new"))
    assert is_whole(place)
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_what_a_living_writer_has_begun_is_not_swept(tmp_path):
    place = tmp_path / "place"
    with folders._held_scratch(place) as scratch:
        (scratch / "a").write_bytes(b"half")
        replace_folder(place, files(b"new"))
        assert (scratch / "a").exists()
    replace_folder(place, files(b"new"))
    assert not scratch.exists()


def test_files_of_strangers_are_never_removed(tmp_path, exchanged_or_moved):
    place = tmp_path / "place"
    replace_folder(place, files(b"old"))
    (place / "thesis.txt").write_text("ten years of work")
    (left,) = replace_folder(place, files(b"new"))
    assert left.name == "thesis.txt" and left.read_text() == "ten years of work"
    assert content(place) == files(b"new")
    replace_folder(place, files(b"new"))
    assert left.read_text() == "ten years of work"


def test_names_that_only_look_like_left_overs_are_let_be(tmp_path):
    place = tmp_path / "place"
    others = [".place.backup", ".place.old", f".place.{'0' * 31}", f".place.{'g' * 32}"]
    for name in others:
        (tmp_path / name).mkdir()
    (tmp_path / f".place.{'0' * 32}").write_text("a file")
    replace_folder(place, files(b"new"))
    assert len(list(tmp_path.iterdir())) == len(others) + 2


def test_strangers_are_all_that_is_no_named_regular_file(tmp_path):
    for name in ("a", "more/b", "links/c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    names = ["a", "links/c", "link", "absent"]
    assert strangers(tmp_path, names) == ["empty", "link", "more", "more/b"]


def test_what_is_gone_before_it_was_looked_at_is_no_stranger(tmp_path, monkeypatch):
    (tmp_path / "a").touch()
    monkeypatch.setattr(Path, "rglob", lambda folder, pattern: [folder / "a", folder / "gone"])
    assert strangers(tmp_path, ["gone"]) == ["a"]


def test_a_folder_is_claimed_where_it_is_new_or_empty_alone(tmp_path):
    claim_empty(tmp_path / "new" / "run", kind="the folder of a run")
    (tmp_path / "new" / "run" / ".lock").touch()  # hidden files are nobody's
    claim_empty(tmp_path / "new" / "run", kind="the folder of a run")
    for name in "cab":
        (tmp_path / "new" / "run" / name).touch()
    rule = r"run must be new, empty or the folder of a run, got one with a, b, c\. Choose another"
    with pytest.raises(JobError, match=rule):
        claim_empty(tmp_path / "new" / "run", kind="the folder of a run")


def test_the_new_folder_is_as_open_to_others_as_the_old_one_was(tmp_path):
    place = tmp_path / "place"
    replace_folder(place, files(b"old"))
    place.chmod(0o700)
    replace_folder(place, files(b"new"))
    assert place.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("fails", ["fsync", "rename"])
def test_a_disk_error_leaves_the_old_folder_as_it_was(tmp_path, monkeypatch, fails):
    place = tmp_path / "place"
    replace_folder(place, files(b"old"))

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, fails, full)
        with pytest.raises(OSError, match="No space left"):
            replace_folder(place, files(b"new"))
    assert content(place) == files(b"old")
    assert [path.name for path in Path(tmp_path).iterdir()] == ["place"]

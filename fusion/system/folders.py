"""Replacing a whole folder in one step: at any moment the old one or the new one is there.

```
NAME/                  what lies there now
.NAME.<32 hex digits>/ the next one while it is written, then the one before until it is removed
```

A folder is written beside its place and exchanged with what lies there by a single rename. Where
the file system cannot exchange, the old one is moved aside first; whoever finds the place empty
then, since the writer died in between, puts a whole one back (`restore_folder`). Names are unique,
so writers do not meet. What dead writers left is swept by the next one; the system's lock on a
folder that is being written tells that its writer lives.
"""

import errno
import os
import re
import shutil
import stat
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Literal

from fusion.errors import JobError
from fusion.system.files import named_errors, sync_folder
from fusion.system.platforms import exchange_folders, is_windows

MOST_TOLD = 100


def _no_more(folder: Path) -> Collection[str]:
    return ()


def replace_folder(
    folder: Path,
    files: Mapping[str, bytes],
    *,
    owned: Callable[[Path], Collection[str]] = _no_more,
) -> list[Path]:
    """Writes a folder that is there as a whole or not at all, and survives a power cut.

    Args:
        folder: Its place, no link.
        files: Relative path -> content.
        owned: Gives relative paths of further files that may be removed from a folder that is
            replaced, or that a dead writer left; it is asked about each, as another writer may have
            put one with other files in place meanwhile. What it reads should stand first in
            `files`: it is written first and removed last, so that the others are known until then.

    Returns:
        Files that somebody put into the old folder meanwhile; they lie where these paths say.

    Raises:
        OSError: If it cannot be written; then the old folder is as it was.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _held_scratch(folder) as scratch:
        try:
            _write(scratch, files)
            with suppress(FileNotFoundError):  # there is none yet
                scratch.chmod(stat.S_IMODE(folder.stat().st_mode))
            before = _put_in_place(scratch, folder)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
    if not is_windows():  # which refuses to open a folder
        sync_folder(folder.parent)

    def names(old: Path) -> Sequence[str]:
        return list(dict.fromkeys([*files, *owned(old)]))

    left = [path for old in before for path in _remove(old, names(old))]
    _sweep(folder, names)
    return left


def restore_folder(folder: Path, *, is_whole: Callable[[Path], bool]) -> None:
    """Puts back the newest whole folder that a dead writer left, where the place itself is empty.

    Args:
        folder: The place, no link.
        is_whole: True for a folder that can be put back.
    """
    if folder.exists():
        return
    found: dict[Path, int] = {}
    for path in _left_over(folder):
        with _writer(path) as state, suppress(FileNotFoundError):  # it has just ended its work
            if state != "lives" and is_whole(path):
                found[path] = path.stat().st_mtime_ns
    if found:
        with suppress(OSError):  # another one was quicker, or nobody may write here
            max(found, key=found.__getitem__).rename(folder)


def _mode(path: Path) -> int | None:
    """Kind and rights of what a path leads to, links not followed; None where nothing is there."""
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return None


def strangers(folder: Path, names: Collection[str]) -> list[str]:
    """Relative paths below a folder, sorted, of what is none of the named regular files.

    The first hundred: somebody may have named a folder of a million files. What is gone before it
    was looked at is none: another one may be replacing the folder.
    """
    known = {folder / name for name in names}
    parents = {parent for path in known for parent in path.parents}
    found = (
        path
        for path in folder.rglob("*")
        if (mode := _mode(path)) is not None
        and not (path in parents and stat.S_ISDIR(mode))
        and not (path in known and stat.S_ISREG(mode))
    )
    return sorted(path.relative_to(folder).as_posix() for path in islice(found, MOST_TOLD))


def claim_empty(folder: Path, *, kind: str) -> None:
    """Makes a folder where it is absent, and refuses one with files that are somebody else's.

    Args:
        folder: Its place; hidden files in it do not count.
        kind: What it may be besides new or empty, such as `the folder of a tuning`.

    Raises:
        JobError: With the names of the first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    refuse_names(folder, (path.name for path in folder.iterdir()), kind=kind)


def refuse_names(folder: Path, names: Iterable[str], *, kind: str) -> None:
    """Refuses a folder for what lies in it that is not hidden.

    Raises:
        JobError: With the names of the first.
    """
    seen = sorted(name for name in names if not Path(name).name.startswith("."))
    if seen:
        raise JobError(
            f"{folder} must be new, empty or {kind}, got one with {', '.join(seen[:5])}. "
            "Choose another."
        )


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with named_errors(path), path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    if not is_windows():
        for inner in {(folder / name).parent for name in files} | {folder}:
            sync_folder(inner)


def _put_in_place(scratch: Path, folder: Path) -> list[Path]:
    """Gives a written folder its name; where what lay there is now."""
    aside: list[Path] = []
    while True:
        try:
            scratch.rename(folder)  # over nothing, or an empty folder
            return aside
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EACCES):
                _put_back(aside, folder)
                raise
        with suppress(FileNotFoundError):  # another writer is between its two steps
            if exchange_folders(scratch, folder):
                return [*aside, scratch]
            old = _unique(folder)
            folder.rename(old)
            aside.append(old)


def _put_back(aside: list[Path], folder: Path) -> None:
    if aside and not folder.exists():
        aside.pop().rename(folder)


def _remove(folder: Path, names: Sequence[str]) -> list[Path]:
    """Removes the named files, the last first, and the folder; what else is there is given back.

    Two may do so at once: a writer whose folder was replaced, and one that sweeps.
    """
    for name in reversed(names):
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)
    inner = {parent for name in names for parent in Path(name).parents}
    for path in sorted(inner, key=lambda path: len(path.parts), reverse=True):  # the deepest first
        with suppress(OSError):
            (folder / path).rmdir()
    with suppress(FileNotFoundError):  # it is gone, which is what was wanted
        return [path for path in folder.rglob("*") if not path.is_dir()]
    return []


def _sweep(folder: Path, names: Callable[[Path], Sequence[str]]) -> None:
    for path in _left_over(folder):
        with _writer(path) as state:
            if state == "dead":
                _remove(path, names(path))


def _left_over(folder: Path) -> list[Path]:
    """Folders beside a place that are being written, or that dead writers left."""
    pattern = re.compile(rf"\.{re.escape(folder.name)}\.[0-9a-f]{{32}}")
    with suppress(FileNotFoundError):
        return [
            path
            for path in folder.parent.iterdir()
            if pattern.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
        ]
    return []


def _unique(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")


@contextmanager
def _held_scratch(folder: Path) -> Iterator[Path]:
    """A new folder beside a place, locked as long as the block runs and its writer lives."""
    while True:
        scratch = _unique(folder)
        scratch.mkdir()
        with _opened(scratch) as number:
            if number is not None:
                with suppress(OSError):  # no locks here: others then let it be
                    _lock(number, shared=True)
            if scratch.exists():  # else it was swept in the moment before it was locked
                yield scratch
                return


@contextmanager
def _writer(folder: Path) -> Iterator[Literal["lives", "dead", "unknown"]]:
    """What is known of the writer of a folder; nobody else does away with it inside the block."""
    with _opened(folder) as number:
        state: Literal["lives", "dead", "unknown"] = "unknown"
        if number is not None:
            try:
                _lock(number, shared=False)
                state = "dead"
            except BlockingIOError:
                state = "lives"
            except OSError:  # a file system without locks
                pass
        yield state


def _lock(number: int, *, shared: bool) -> None:
    """Locks a folder until its handle is closed: shared and waiting, or alone and at once."""
    import fcntl  # Windows has none

    fcntl.flock(number, fcntl.LOCK_SH if shared else fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def _opened(folder: Path) -> Iterator[int | None]:
    """A handle of a folder; None where it is gone, or on Windows, which opens none."""
    number = None
    with suppress(FileNotFoundError):
        number = None if is_windows() else os.open(folder, os.O_RDONLY)
    try:
        yield number
    finally:
        if number is not None:
            os.close(number)

"""Ways to stop or break the disk at any step of writing."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

Hook = Callable[[str, str], object]


def watch_disk(patch: Any, output: Path, hook: Hook) -> None:
    """Calls `hook(step, name)` before every step of writing below a folder.

    Steps: mkdir, open, write, half (half of the bytes are written), fsync, replace, fsync_folder,
    synced (all is done), append (events), plain (any other write), unlink.

    Args:
        patch: pytest's `MonkeyPatch`; undoing it ends the watching.
        output: The folder.
        hook: Called with the step and the file's final name in the folder.
    """
    opened, fsync, replace = Path.open, os.fsync, Path.replace
    mkdir, unlink = Path.mkdir, Path.unlink
    last = ""

    def name_of(path: Path) -> str:
        name = path.relative_to(output)
        if name.suffix == ".tmp":
            name = name.with_name(name.name[1:].rsplit(".", 2)[0])
        return name.as_posix()

    def tell(step: str, path: Path) -> None:
        if path.is_relative_to(output):
            hook(step, name_of(path))

    def watched_open(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        if "r" in mode or not path.is_relative_to(output):
            return opened(path, mode, *args, **options)
        if path.suffix != ".tmp":
            tell("append" if mode == "a" else "plain", path)
            return opened(path, mode, *args, **options)
        tell("open", path)
        return HalfWriter(
            opened(path, mode, *args, **options), lambda step: hook(step, name_of(path))
        )

    def watched_fsync(number: int) -> None:
        path = Path(f"/proc/self/fd/{number}").readlink()
        if not path.is_relative_to(output):
            fsync(number)
        elif path.is_dir():
            hook("fsync_folder", last)
            fsync(number)
            hook("synced", last)
        else:
            tell("fsync", path)
            fsync(number)

    def watched_replace(path: Path, target: Path) -> Path:
        nonlocal last
        tell("replace", Path(target))
        done = replace(path, target)
        if Path(target).is_relative_to(output):
            last = name_of(Path(target))
        return done

    def watched_mkdir(path: Path, *args: Any, **options: Any) -> None:
        tell("mkdir", path)
        mkdir(path, *args, **options)

    def watched_unlink(path: Path, *args: Any, **options: Any) -> None:
        if path.exists():
            tell("unlink", path)
        unlink(path, *args, **options)

    patch.setattr(Path, "open", watched_open)
    patch.setattr(os, "fsync", watched_fsync)
    patch.setattr(Path, "replace", watched_replace)
    patch.setattr(Path, "mkdir", watched_mkdir)
    patch.setattr(Path, "unlink", watched_unlink)


class HalfWriter:
    """A file that is written in two halves, with a call before and between them."""

    def __init__(self, file: Any, tell: Callable[[str], object]) -> None:
        self._file = file
        self._tell = tell

    def __enter__(self) -> "HalfWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, content: bytes) -> None:
        """Writes one half, then the other."""
        self._tell("write")
        middle = len(content) // 2
        self._file.write(content[:middle])
        self._file.flush()
        self._tell("half")
        self._file.write(content[middle:])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def disk_error(code: int, step: str, path: Path) -> OSError:
    """The error that the system raises at a step of writing a file."""
    reason = os.strerror(code)
    if step in ("half", "fsync", "fsync_folder", "write"):
        return OSError(code, reason)  # the system knows no name here
    if step == "replace":
        return OSError(code, reason, str(path), None, str(path))
    return OSError(code, reason, str(path))

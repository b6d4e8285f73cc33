"""Small jobs, an engine without processes, and ways to break the disk at any step of writing."""

import csv
import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.kill_job import fork
from encoders.tiny_bert import tiny_checkpoint
from fusion.build import EncoderChoice
from fusion.shards import JobSettings, Places, embed_catalogue, run_shard

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads do not survive a fork

KEPT = ("embeddings", "errors", "receipts")


class InProcess:
    """An engine that does one shard after the other where it is called."""

    def run(self, folder: Path, shards: Sequence[int], log: Any) -> dict[int, str]:
        for shard in shards:
            log.done(run_shard(folder, shard))
        return {}


@dataclass(frozen=True)
class Job:
    """What is embedded and how; `run` does it, without processes unless told otherwise."""

    places: Places
    settings: JobSettings

    def run(self, output: Path, *, engine: Any = None, **options: Any) -> Any:
        return embed_catalogue(
            self.places, output, self.settings, engine=engine or InProcess(), **options
        )


@pytest.fixture
def in_process() -> type[InProcess]:
    return InProcess


@pytest.fixture(scope="session")
def text_job() -> Callable[..., Job]:
    """Makes a job of short texts in which every 17th row is bad."""

    def make(folder: Path, *, rows: int, shard_rows: int, store: Path | None = None) -> Job:
        folder.mkdir(exist_ok=True, parents=True)
        items = folder / "items.csv"
        with items.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file)
            lines.writerow(["id", "title"])
            for row in range(rows):
                name = "p0" if row % 17 == 5 else f"p{row}"  # its id stood before
                lines.writerow([name, f"item {row} " + "red wool " * (row % 5)])
        settings = JobSettings(
            choice=EncoderChoice(text=str(tiny_checkpoint())),
            columns={"id": ["id"], "text": ["title"], "image": []},
            shard_rows=shard_rows,
        )
        return Job(Places(items, store=store), settings)

    return make


@pytest.fixture(scope="session")
def photo_job() -> Callable[..., Job]:
    """Makes a job of tiny photos; those of `missing` rows are not there."""

    def make(
        folder: Path,
        *,
        rows: int,
        shard_rows: int,
        missing: Sequence[int] = (),
        marks: Mapping[int, bytes] | None = None,
        **settings: Any,
    ) -> Job:
        photos = folder / "photos"
        photos.mkdir(exist_ok=True, parents=True)
        items = folder / "items.csv"
        with items.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file)
            lines.writerow(["id", "photo"])
            for row in range(rows):
                lines.writerow([f"p{row}", f"{row}.png"])
                if row not in missing:
                    draw_photo(photos / f"{row}.png", seed=row, mark=(marks or {}).get(row, b""))
        chosen = JobSettings(
            choice=EncoderChoice(image="colour_texture"),
            columns={"id": ["id"], "image": ["photo"]},
            shard_rows=shard_rows,
            **settings,
        )
        return Job(Places(items, photos=photos), chosen)

    return make


def draw_photo(path: Path, *, seed: int, mark: bytes = b"") -> None:
    """A tiny photo of its own colours; `mark` is bytes behind its end, which decoders skip."""
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes() + mark)


@pytest.fixture
def add_photo() -> Callable[..., None]:
    return draw_photo


def _files_of(output: Path) -> dict[str, bytes]:
    paths = [path for kind in KEPT for path in (output / kind).iterdir()]
    paths += [output / "manifest.json"]
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in sorted(paths)}


@pytest.fixture(scope="session")
def files_of() -> Callable[[Path], dict[str, bytes]]:
    """Name -> bytes of everything that a finished job keeps."""
    return _files_of


@pytest.fixture
def forked() -> Iterator[Callable[[Callable[[], object]], int]]:
    """Runs a function in a forked process; gives its number. What is left is killed at the end."""
    children: list[int] = []

    def start(function: Callable[[], object]) -> int:
        children.append(fork(function))
        return children[-1]

    yield start
    for child in children:
        try:
            os.kill(child, 9)
            os.waitpid(child, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


@pytest.fixture
def ended() -> Callable[[int], int]:
    """Waits for a forked process; its exit code, minus the signal if it was killed."""
    return lambda number: os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


Hook = Callable[[str, str], object]
Install = Callable[[Any, Path, Hook], None]


@pytest.fixture(scope="session")
def watch_disk() -> Install:
    """Calls `hook(step, name)` before every step of writing below a folder.

    Steps: mkdir, open, write, half (half of the bytes are written), fsync, replace, fsync_folder,
    synced (all is done), append (events), plain (any other write), unlink.
    """
    return _watch_disk


def _watch_disk(patch: Any, output: Path, hook: Hook) -> None:
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
        self._tell("write")
        middle = len(content) // 2
        self._file.write(content[:middle])
        self._file.flush()
        self._tell("half")
        self._file.write(content[middle:])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _disk_error(code: int, step: str, path: Path) -> OSError:
    reason = os.strerror(code)
    if step in ("half", "fsync", "fsync_folder", "write"):
        return OSError(code, reason)  # the system knows no name here
    if step == "replace":
        return OSError(code, reason, str(path), None, str(path))
    return OSError(code, reason, str(path))


@pytest.fixture(scope="session")
def disk_error() -> Callable[[int, str, Path], OSError]:
    """The error that the system raises at a step of writing a file."""
    return _disk_error


@pytest.fixture(params=["ENOSPC", "EIO", "EROFS", "EACCES", "EMFILE"])
def code(request: Any) -> int:
    """An errno."""
    return int(getattr(errno, request.param))

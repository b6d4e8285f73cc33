"""Small jobs and an engine without processes."""

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
from benchmarks.promises.disk import disk_error, watch_disk
from encoders.text.tiny_bert import tiny_checkpoint
from fusion.choices.encoders import EncoderChoices
from fusion.shards import DataPaths, JobSettings, embed_catalogue, run_shard

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

    paths: DataPaths
    settings: JobSettings

    def run(self, output: Path, *, engine: Any = None, **options: Any) -> Any:
        return embed_catalogue(
            self.paths, output, self.settings, engine=engine or InProcess(), **options
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
            encoders=EncoderChoices({"text": str(tiny_checkpoint())}),
            columns={"id": ["id"], "text": ["title"], "image": []},
            shard_rows=shard_rows,
        )
        return Job(DataPaths(items, store=store), settings)

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
            encoders=EncoderChoices({"image": "colour_texture"}),
            columns={"id": ["id"], "image": ["photo"]},
            shard_rows=shard_rows,
            **settings,
        )
        return Job(DataPaths(items, photos=photos), chosen)

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


Install = Callable[[Any, Path, Callable[[str, str], object]], None]


@pytest.fixture(scope="session", name="watch_disk")
def watched() -> Install:
    """Calls `hook(step, name)` before every step of writing below a folder."""
    return watch_disk


@pytest.fixture
def crash(
    forked: Callable[[Callable[[], object]], int],
    ended: Callable[[int], int],
    watch_disk: Install,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., None]:
    """Runs a function in a process that ends at a step of writing a file below a folder."""

    def at(step: str, name: str, folder: Path, function: Callable[[], object]) -> None:
        def hook(now: str, what: str) -> None:
            if (now, what) == (step, name):
                os.kill(os.getpid(), 9)

        def run() -> None:
            watch_disk(monkeypatch, folder, hook)
            function()

        assert ended(forked(run)) == -9, f"{step} {name} was never reached"

    return at


@pytest.fixture(scope="session", name="disk_error")
def error_of_the_disk() -> Callable[[int, str, Path], OSError]:
    """The error that the system raises at a step of writing a file."""
    return disk_error


@pytest.fixture(params=["ENOSPC", "EIO", "EROFS", "EACCES", "EMFILE"])
def code(request: Any) -> int:
    """An errno."""
    return int(getattr(errno, request.param))

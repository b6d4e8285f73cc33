"""Saved models made by somebody else, and a process with a limit on memory and time."""

import hashlib
import json
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SPARE_BYTES = 2**30
CASE_SECONDS = 20


@pytest.fixture
def write_crafted() -> Callable[[Path, Any], None]:
    """Writes another description into a saved model, with checksums that fit."""

    def write(folder: Path, document: Any) -> None:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        description = _description(folder)
        description.write_bytes(content)
        description.with_suffix(".sha256").write_text(hashlib.sha256(content).hexdigest())

    return write


@pytest.fixture
def write_weights(write_crafted: Callable[[Path, Any], None]) -> Callable[..., None]:
    """Writes another file into a saved model, with size and checksum that fit."""

    def write(folder: Path, content: bytes, name: str = "weights.safetensors") -> None:
        document = json.loads(_description(folder).read_text())
        stated = {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
        document["files"][name] = stated
        (folder / name).write_bytes(content)
        write_crafted(folder, document)

    return write


@pytest.fixture
def short_of_memory(tmp_path: Path) -> Iterator[Callable[..., list[str]]]:
    """Runs cases in a forked process with 1 GiB more memory and 20 s each; what went wrong."""
    import resource  # not on Windows

    from benchmarks.kill_job import fork

    told = tmp_path / "told.txt"

    def run(cases: Any) -> list[str]:
        """Cases are pairs of a name and a function that gives a complaint, or nothing."""

        def all_of_them() -> None:
            size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
            _, most = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (size + SPARE_BYTES, most))
            signal.signal(signal.SIGALRM, _too_long)
            with told.open("w") as file:
                for name, function in cases:
                    signal.alarm(CASE_SECONDS)
                    try:
                        complaint = function()
                    except BaseException:
                        complaint = traceback.format_exc(limit=-3)
                    signal.alarm(0)
                    if complaint:
                        file.write(f"{name}: {complaint}\n\0")
                file.write("end")

        child = fork(all_of_them)
        os.waitpid(child, 0)
        *complaints, end = told.read_text().split("\0")
        return complaints if end == "end" else [*complaints, "the process did not come to its end"]

    yield run


class TooLong(BaseException):
    pass


def _too_long(*_: object) -> None:
    raise TooLong


def _description(folder: Path) -> Path:
    (description,) = folder.glob("*.json")
    return description

"""Saved models made by somebody else, and a process with a limit on memory and time."""

import copy
import hashlib
import json
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SPARE_BYTES = 2**30
CASE_SECONDS = 20
WEIGHTS = "weights.safetensors"
Complaint = Callable[[Path], str | None]
"""What is wrong with what became of the saved model of a folder, or nothing."""
Cases = Iterator[tuple[str, Callable[[], str | None]]]

Kinds = Mapping[str, Callable[[float], Any]]

GONE = object()
DEEP = json.loads("[" * 200 + "]" * 200)
ODD = [
    GONE, None, True, -1, 0, 3, 10**9, 1e308, 10**400, "x", "", [], {}, DEEP, "y" * 10**6,
    "../x", "/dev/zero", [None], {"x": 1}, ["x", -1],
]  # fmt: skip


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

    def write(folder: Path, content: bytes, name: str = WEIGHTS) -> None:
        document = _described(folder)
        stated = {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
        document["files"][name] = stated
        (folder / name).write_bytes(content)
        write_crafted(folder, document)

    return write


@pytest.fixture
def write_odd(
    write_crafted: Callable[[Path, Any], None],
) -> Callable[[Path, tuple[Any, ...], Any], None]:
    """Writes another value at one place of the description of a saved model."""
    return lambda folder, path, value: write_crafted(
        folder, _replaced(_described(folder), path, value)
    )


@pytest.fixture
def odd_descriptions(write_crafted: Callable[[Path, Any], None]) -> Callable[..., Cases]:
    """Cases for `short_of_memory`: each has one odd value at one place of a description."""

    def cases(
        folder: Path, complaint_about: Complaint, *, every: int, more: tuple[Any, ...] = ()
    ) -> Cases:
        """Each `every`-th of all pairs of a place and a value; `more` are values beside `ODD`."""
        document = _described(folder)
        pairs = [(path, odd) for path in _places(document) for odd in (*ODD, *more)]
        for path, odd in pairs[every // 2 :: every]:

            def case(path: Any = path, odd: Any = odd) -> str | None:
                write_crafted(folder, _replaced(document, path, odd))
                return complaint_about(folder)

            yield f"{path} -> {str(odd)[:20]}", case
        write_crafted(folder, document)

    return cases


@pytest.fixture
def hostile_weights(write_weights: Callable[..., None]) -> Callable[..., Cases]:
    """Cases for `short_of_memory`: each has one tensor of floats with other numbers."""
    import torch
    from safetensors.torch import load, save

    def cases(
        folder: Path, complaint_about: Complaint, kinds: Kinds, *, every: int, file: str = WEIGHTS
    ) -> Cases:
        """Each `every`-th of all pairs of a tensor and a kind, numbers by its type's largest."""
        content = (folder / file).read_bytes()
        tensors = load(content)
        floats = [name for name, tensor in tensors.items() if tensor.is_floating_point()]
        pairs = [(name, how) for name in floats for how in kinds]
        for name, how in pairs[every // 2 :: every]:

            def case(name: str = name, how: str = how) -> str | None:
                old = tensors[name]
                numbers = np.resize(kinds[how](torch.finfo(old.dtype).max), tuple(old.shape))
                changed = {**tensors, name: torch.from_numpy(numbers).to(old.dtype)}
                write_weights(folder, save(changed), file)
                return complaint_about(folder)

            yield f"{name} {how}", case
        write_weights(folder, content, file)

    return cases


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


def _described(folder: Path) -> Any:
    return json.loads(_description(folder).read_text())


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all parts of a description; of a list its first entry stands for all."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else ()
    for key, part in enumerate(value[:1]) if isinstance(value, list) else inner:
        yield from _places(part, (*path, key))


def _replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    *before, last = path
    parent = changed
    for key in before:
        parent = parent[key]
    if value is GONE:
        del parent[last]
    else:
        parent[last] = value
    return changed

"""Whatever becomes of a job's documents: an error that names the file, or the same output again."""

import copy
import json
import os
import random
import shutil
from collections.abc import Iterator

import pytest

from fusion.errors import CatalogueError, ConfigError, JobError
from fusion.shards import (
    InProcessEngine,
    job_status,
    missing_shards,
    read_embeddings,
    verify_job,
)
from fusion.shards.poison_rows import PoisonRows, poison_rows_path
from fusion.system.documents import sealed

DOCUMENTS = [
    "plan.json",
    "paths.json",
    "receipts/000001.json",
    "poison_rows/000001.json",
    "manifest.json",
]
FILES = [*DOCUMENTS, "repeated_ids.npy", "events.jsonl"]
GIB = 2**30


def _write(content):
    return lambda path: path.write_bytes(content(path.read_bytes()))


def _replaced(make):
    def change(path):
        path.unlink()
        make(path)

    return change


DAMAGES = {
    "gone": lambda path: path.unlink(),
    "empty": _write(lambda content: b""),
    "truncated": _write(lambda content: content[: len(content) // 2]),
    "longer": _write(lambda content: content + b" "),
    "flipped": _write(lambda content: content[:-9] + bytes([content[-9] ^ 4]) + content[-8:]),
    "not UTF-8": _write(lambda content: content[:-1] + b"\xff"),
    "a list": _write(lambda content: b"[]"),
    "another object": _write(lambda content: b'{"sha256": 3}'),
    "nested": _write(lambda content: b"[" * 100_000),
    "nested and sealed": _write(lambda content: sealed(b'{"a": ' + b"[" * 100_000)),
    "huge": lambda path: os.truncate(path, 10 * GIB),
    "a folder": _replaced(lambda path: path.mkdir()),
    "a pipe": _replaced(os.mkfifo),
    "a device": _replaced(lambda path: path.symlink_to("/dev/full")),
    "a dangling link": _replaced(lambda path: path.symlink_to("nowhere")),
}
NO_FILES = ("a folder", "a pipe", "a device", "a dangling link")
ODD = [
    None,
    True,
    -1,
    0,
    1,
    1.5,
    10**15,
    10**30,
    float("nan"),
    float("inf"),
    "",
    "x",
    "../x",
    "/dev/zero",
    "\x00",
    "\udcff",
    "x" * 200_000,
    [],
    [[]],
    {},
    {"x": 1},
    json.loads("[" * 50 + "]" * 50),
]


@pytest.fixture(scope="module")
def job(tmp_path_factory, text_job):
    return text_job(tmp_path_factory.mktemp("input"), rows=12, shard_rows=5)


@pytest.fixture(scope="module")
def straight(tmp_path_factory, job):
    """A finished job, with poison rows that blame no row."""
    output = tmp_path_factory.mktemp("straight")
    job.run(output)
    PoisonRows(row=2, ends=1).write(poison_rows_path(output, 1))
    return output


@pytest.fixture
def check(tmp_path, job, straight, files_of):
    """Damages a copy of a finished job in one way; it must be refused or come out the same."""

    def run(name, damage, *, same_plan=True):
        output = tmp_path / "out"
        shutil.rmtree(output, ignore_errors=True)
        shutil.copytree(straight, output)
        if not name.startswith("receipts"):  # a shard is left that is done by what was damaged
            (output / "receipts" / "000001.json").unlink()
        damage(output / name)
        told = []
        for ask in (
            job_status,
            verify_job,
            missing_shards,
            lambda out: read_embeddings(out, "text"),
        ):
            try:
                ask(output)
            except (ConfigError, JobError) as error:
                told.append(str(error))
        try:
            result = job.run(output, engine=InProcessEngine())
        except (CatalogueError, ConfigError, JobError) as error:
            return [*told, str(error)]
        assert result.failed_shards == {}
        again = files_of(output)
        whole = files_of(straight)
        if not same_plan:  # the manifest has its hash
            del again["manifest.json"], whole["manifest.json"]
        problems = verify_job(output)
        assert problems if again != whole else not problems
        assert job_status(output).finished
        return told

    return run


PAIRS = [(name, damage) for name in FILES for damage in DAMAGES]
IN_FRONT = PAIRS[:: len(FILES) - 3]  # each damage and each file several times


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        pytest.param(*pair, marks=() if pair in IN_FRONT else pytest.mark.slow, id=", ".join(pair))
        for pair in PAIRS
    ],
)
def test_a_damaged_document_is_named_or_the_job_goes_on_to_the_same_output(check, name, damage):
    told = check(name, DAMAGES[damage])
    assert all(name in message for message in told) or (name, damage) == ("plan.json", "gone")
    if name == "plan.json":
        assert told
    elif damage in NO_FILES:
        assert told
    elif name in DOCUMENTS:
        assert told == []


def nodes_of(value, place=()) -> Iterator[tuple]:
    """The place of everything inside a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in inner:
        yield (*place, key)
        if isinstance(child, dict | list):
            yield from nodes_of(child, (*place, key))


def changed(document, place, value):
    """A copy with another value at a place; without it where the value is `...`."""
    document = copy.deepcopy(document)
    *above, last = place
    inner = document
    for key in above:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return document


def cases_of(document):
    for place in nodes_of(document):
        for value in (..., *ODD):
            yield place, value
    for key in document:
        yield (f"{key}2",), 1


def crafted(document):
    """Writes a document with a fitting SHA-256."""
    return lambda path: path.write_bytes(sealed(json.dumps(document, indent=1).encode()))


def document_of(straight, name):
    document = json.loads((straight / name).read_bytes())
    del document["sha256"]
    return document


def try_all(check, name, document, cases):
    wrong = []
    for place, value in cases:
        try:
            check(name, crafted(changed(document, place, value)), same_plan=name != "plan.json")
        except BaseException as error:
            wrong.append((place, str(value)[:20], f"{type(error).__name__}: {str(error)[:300]}"))
            if isinstance(error, KeyboardInterrupt):
                raise
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_some_crafted_documents_are_refused_or_change_nothing(check, straight, name):
    document = document_of(straight, name)
    cases = random.Random(15).sample(list(cases_of(document)), 8)
    try_all(check, name, document, cases)


@pytest.mark.slow
@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_crafted_document_is_refused_or_changes_nothing(check, straight, name):
    document = document_of(straight, name)
    try_all(check, name, document, cases_of(document))

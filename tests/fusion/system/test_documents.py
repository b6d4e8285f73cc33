"""Sealed documents and the reader of regular files, on their own."""

import json
import os
from dataclasses import dataclass

import pytest
from pydantic import with_config

from fusion.system.documents import (
    EXACT,
    MOST_NESTED,
    Count,
    Finite,
    Nested,
    Sha256,
    Text,
    parse_document,
    read_document,
    sealed,
)
from fusion.system.files import read_regular_file


@with_config(EXACT)
@dataclass
class Document:
    """One of each type."""

    count: Count
    share: Finite
    name: Text
    sha256s: list[Sha256]
    free: Nested


GOOD = {"count": 3, "share": 0.5, "name": "\udcff", "sha256s": ["0" * 64], "free": {"a": [1, {}]}}


def nested(depth):
    return json.loads('{"a": ' + "[" * depth + "]" * depth + "}")


def parsed(values):
    return parse_document(sealed(json.dumps(values).encode()), Document)


def test_a_document_comes_back_and_is_json_that_others_read(tmp_path):
    content = sealed(json.dumps(GOOD).encode())
    assert json.loads(content).keys() == {"sha256", *GOOD}
    (tmp_path / "a.json").write_bytes(content)
    assert read_document(tmp_path / "a.json", Document) == Document(**GOOD)


def test_any_changed_byte_is_found():
    content = sealed(json.dumps(GOOD).encode())
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        with pytest.raises(ValueError, match="must"):
            parse_document(bytes(changed), Document)
        with pytest.raises(ValueError, match="must"):
            parse_document(content[:place], Document)


@pytest.mark.parametrize(
    "change",
    [
        {"count": True},
        {"count": 3.0},
        {"count": "3"},
        {"count": -1},
        {"count": 2**53},
        {"count": None},
        {"share": float("nan")},
        {"share": "0.5"},
        {"name": 3},
        {"name": "x" * 100_001},
        {"sha256s": ["0" * 63]},
        {"sha256s": ["0" * 64 + "\n"]},
        {"sha256s": {}},
        {"free": []},
        {"free": nested(MOST_NESTED)},
        {"more": 1},
    ],
)
def test_what_does_not_fit_is_refused_by_name(change):
    with pytest.raises(ValueError, match=f"{next(iter(change))}|finite"):
        parsed(GOOD | change)


@pytest.mark.parametrize(
    "body",
    [
        b'{"count": 3, "count": 3}',
        b'{"share": 1e999}',
        b'{"share": -Infinity}',
        b'{"count": ' + b"9" * 5000 + b"}",
        b'{"free": ' + b"[" * 100_000 + b"}",
        b'{"free": ' + b'{"a":' * 100_000 + b"}",
        b"[]",
        b"3",
        b'{"name": "\xff"}',
    ],
)
def test_what_is_no_plain_json_object_is_refused(body):
    with pytest.raises(ValueError):
        parse_document(sealed(body), Document)


def test_only_regular_files_of_a_stated_size_are_read(tmp_path):
    (tmp_path / "file").write_bytes(b"1234")
    (tmp_path / "link").symlink_to("file")
    assert read_regular_file(tmp_path / "file", max_bytes=4) == b"1234"
    assert read_regular_file(tmp_path / "link", max_bytes=4) == b"1234"
    with pytest.raises(ValueError, match="must have at most 3 bytes, got 4"):
        read_regular_file(tmp_path / "file", max_bytes=3)
    with (tmp_path / "huge").open("wb") as file:
        os.truncate(file.fileno(), 10 * 2**30)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    for name, told in {
        "huge": "must have at most",
        "pipe": "got a pipe or device",
        "device": "got a pipe or device",
        "": "got a folder",
    }.items():
        with pytest.raises(ValueError, match=told):
            read_regular_file(tmp_path / name, max_bytes=1_000_000)
    with pytest.raises(FileNotFoundError):
        read_regular_file(tmp_path / "gone", max_bytes=1)

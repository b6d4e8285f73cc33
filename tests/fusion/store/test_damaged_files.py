"""Whatever lies in a store under a name that it reads: right vectors, and a store that works on."""

import json
import os
import shutil
import socket
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from fusion.errors import StoreError
from fusion.store import SegmentStore, embed_values, index, merge_stores
from fusion.store.run_file import CRC, FOOTER, FileRun, UnusableRun

KEYS = np.asarray([bytes([value]) * 32 for value in (1, 2, 3)], dtype="S32")
VECTORS = np.asarray([[1, 2], [3, 4], [5, 6]], dtype=np.float32)


def opened(folder):
    return SegmentStore(folder, fingerprint="f", description={"encoder": "E"}, dim=2)


def segment_of(folder):
    return next((folder / "f").glob("*.safetensors"))


def assert_works(folder):
    """A look-up finds right vectors or none; what is missing is added, and found from then on."""
    store = opened(folder)
    found = store.find(KEYS)
    if found.vectors is not None:
        assert np.array_equal(found.vectors, VECTORS[found.mask])
    missing = np.flatnonzero(~found.mask)
    if len(missing):
        assert store.n_corrupted >= 1
        store.add(KEYS[missing], VECTORS[missing], warnings={0: ("odd",)})
    again = opened(folder)
    found = again.find(KEYS)
    assert found.mask.all() and np.array_equal(found.vectors, VECTORS)
    assert again.n_corrupted == 0


def flip(folder, content, bit):
    """The store with one flipped bit in its only segment."""
    shutil.rmtree(folder / "f", ignore_errors=True)
    opened(folder)
    broken = bytearray(content)
    broken[bit // 8] ^= 1 << bit % 8
    (folder / "f" / "a.safetensors").write_bytes(broken)


@pytest.fixture(params=["plain", "with warnings"])
def content(request, tmp_path):
    """A tiny segment."""
    odd = {1: ("rotated_by_exif",)} if request.param == "with warnings" else {}
    opened(tmp_path / "made").add(KEYS, VECTORS, warnings=odd)
    return segment_of(tmp_path / "made").read_bytes()


def n_header_bits(content):
    return 8 * (8 + int.from_bytes(content[:8], "little"))


def test_a_flipped_bit_of_a_header_costs_what_it_hit_and_no_more(tmp_path, content):
    sample = [*range(0, 64, 9), *range(64, n_header_bits(content), 37)]
    for bit in sample:
        flip(tmp_path, content, bit)
        assert_works(tmp_path)


@pytest.mark.slow
def test_every_flipped_bit_of_a_header_costs_what_it_hit_and_no_more(tmp_path, content):
    for bit in range(n_header_bits(content)):
        flip(tmp_path, content, bit)
        assert_works(tmp_path)


def with_header(content, change):
    n_header = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + n_header])
    change(header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + n_header :]


def overlap(header):
    header["keys"]["data_offsets"] = [0, 96]
    header["vectors"]["data_offsets"] = [0, 24]


def shrink(header):
    header["vectors"]["shape"] = [3, 1]


HEADERS = {
    "fewer rows": lambda header: header["checks"].update(shape=[2]),
    "negative rows": lambda header: header["checks"].update(shape=[-3]),
    "another dtype": lambda header: header["vectors"].update(dtype="I32"),
    "arrays on top of each other": overlap,
    "shorter vectors": shrink,
    "one axis more": lambda header: header["keys"].update(shape=[3, 32, 1]),
    "one array more": lambda header: header.update(more=header["keys"]),
    "no shape": lambda header: header["keys"].pop("shape"),
    "text for numbers": lambda header: header["checks"].update(shape=["3"]),
    "fractions": lambda header: header["checks"].update(shape=[3.0]),
    "warnings of a row beyond": lambda header: header.update(
        __metadata__={"warnings": '{"9": ["odd"]}'}
    ),
    "warnings that are no list": lambda header: header.update(
        __metadata__={"warnings": '{"1": "odd"}'}
    ),
    "other metadata": lambda header: header.update(__metadata__={"warnimgs": "{}"}),
}
CONTENTS = {
    "empty": b"",
    "eight bytes": bytes(8),
    "a longer header than file": (2**63).to_bytes(8, "little") + b"{}",
    "a list": (2).to_bytes(8, "little") + b"[]",
    "a number": (1).to_bytes(8, "little") + b"7",
    "not UTF-8": (2).to_bytes(8, "little") + b"\xff\xfe",
    "deeply nested": (200_000).to_bytes(8, "little") + b"[" * 200_000,
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_does_not_fit_its_file_is_no_segment(tmp_path, name):
    opened(tmp_path).add(KEYS, VECTORS)
    path = segment_of(tmp_path)
    path.write_bytes(with_header(path.read_bytes(), HEADERS[name]))
    assert_works(tmp_path)
    assert len(list(tmp_path.glob("f/*.corrupt"))) == 1


@pytest.mark.parametrize("name", CONTENTS)
def test_other_bytes_under_the_name_of_a_segment_are_set_aside(tmp_path, name):
    opened(tmp_path).add(KEYS, VECTORS)
    segment_of(tmp_path).write_bytes(CONTENTS[name])
    assert_works(tmp_path)
    assert len(list(tmp_path.glob("f/*.corrupt"))) == 1


def test_a_segment_that_is_cut_off_anywhere_is_set_aside(tmp_path):
    opened(tmp_path / "made").add(KEYS, VECTORS)
    content = segment_of(tmp_path / "made").read_bytes()
    for size in range(0, len(content), 13):
        shutil.rmtree(tmp_path / "f", ignore_errors=True)
        opened(tmp_path)
        (tmp_path / "f" / "a.safetensors").write_bytes(content[:size])
        assert_works(tmp_path)


def socket_at(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


THINGS = {
    "a folder": lambda path: (path.mkdir(), (path / "file").touch()),
    "a pipe": os.mkfifo,
    "a socket": socket_at,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
}


@pytest.fixture(params=THINGS)
def thing(request, monkeypatch, tmp_path):
    """Makes something that is no file; names of sockets must be short."""
    monkeypatch.chdir(tmp_path)
    return THINGS[request.param]


def test_what_is_no_file_is_not_read_as_a_segment(thing):
    opened(Path("s")).add(KEYS, VECTORS)
    path = segment_of(Path("s"))
    path.with_suffix(".corrupt").mkdir()  # a name that is taken
    thing(path.with_name("b.safetensors"))
    assert opened(Path("s")).find(KEYS).mask.all()
    assert_works(Path("s"))
    path.unlink()
    thing(path)
    store = opened(Path("s"))
    assert not store.find(KEYS).mask.any()
    store.add(KEYS, VECTORS)
    assert_works(Path("s"))


def test_what_is_no_file_is_not_read_as_an_index(thing, monkeypatch):
    monkeypatch.setattr(index, "MOST_LOOSE", 2)
    store = opened(Path("s"))
    for row in range(3):
        store.add(KEYS[[row]], VECTORS[[row]])
    (path,) = Path("s").glob("f/*.index")
    path.unlink()
    thing(path)
    assert_works(Path("s"))
    assert_works(Path("s"))


def test_an_index_becomes_a_pipe_while_it_is_used(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "MOST_LOOSE", 2)
    store = opened(tmp_path)
    for row in range(3):
        store.add(KEYS[[row]], VECTORS[[row]])
    (path,) = tmp_path.glob("f/*.index")
    path.unlink()
    os.mkfifo(path)
    assert store.find(KEYS).mask.all()


def test_what_is_no_file_is_not_taken_for_the_description(thing):
    opened(Path("s")).add(KEYS, VECTORS)
    path = Path("s/f/encoder.json")
    path.unlink()
    thing(path)
    assert_works(Path("s"))
    assert json.loads(path.read_text()) == {"encoder": "E"}


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff", "[" * 100_000])
def test_a_damaged_description_is_written_again(tmp_path, text):
    opened(tmp_path).add(KEYS, VECTORS)
    path = tmp_path / "f" / "encoder.json"
    path.write_text(text, encoding="latin-1")
    assert_works(tmp_path)
    assert json.loads(path.read_text()) == {"encoder": "E"}


def crafted(tables, *, n_blocks, n_entries, names):
    """An index whose checksums fit, whatever it says."""
    text = json.dumps(names).encode()
    footer = FOOTER.pack(b"fsnidx01", n_blocks, n_entries, len(text))
    tables += text
    return tables + footer + CRC.pack(zlib.crc32(footer, zlib.crc32(tables)))


@pytest.mark.parametrize(
    "content",
    [
        crafted(b"", n_blocks=0, n_entries=0, names=7),
        crafted(b"", n_blocks=0, n_entries=0, names=[7]),
        crafted(b"", n_blocks=0, n_entries=9, names=["a"]),
        bytes(2048 * 2)
        + crafted(struct.pack("<4Q", 9, 1, 0, 0), n_blocks=2, n_entries=200, names=[]),
        b"",
        bytes(44),
    ],
    ids=["a number", "numbers", "entries of nothing", "not sorted", "empty", "zeros"],
)
def test_an_index_that_makes_no_sense_is_not_used(tmp_path, content):
    path = tmp_path / "a.index"
    path.write_bytes(content)
    with pytest.raises(UnusableRun) as caught:
        FileRun.open(path)
    assert caught.value.damaged


def test_an_index_that_names_segments_which_it_has_not_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "MOST_LOOSE", 2)
    store = opened(tmp_path)
    for row in range(3):
        store.add(KEYS[[row]], VECTORS[[row]])
    (path,) = tmp_path.glob("f/*.index")
    run = FileRun.open(path)
    content = path.read_bytes()
    tables = content[2048 * len(run.firsts) : 2048 * len(run.firsts) + 16 * len(run.firsts)]
    kept = [name for name in run.names if name == run.names[0]]
    bad = crafted(tables, n_blocks=len(run.firsts), n_entries=run.n_entries, names=kept)
    path.write_bytes(content[: 2048 * len(run.firsts)] + bad)
    assert_works(tmp_path)


def test_a_segment_of_another_length_is_set_aside(tmp_path):
    SegmentStore(tmp_path, fingerprint="f", description={}).add(KEYS, np.ones((3, 5), np.float32))
    assert_works(tmp_path)
    assert len(list(tmp_path.glob("f/*.corrupt"))) == 1


def test_vectors_of_two_lengths_are_an_error_where_nobody_says_which_is_right(tmp_path):
    store = SegmentStore(tmp_path, fingerprint="f", description={})
    for row, dim in enumerate((4, 5)):
        store.add(KEYS[[row]], np.ones((1, dim), np.float32))
    with pytest.raises(StoreError, match=r"must have one length in a store, got (4 and 5|5 and 4)"):
        store.find(KEYS)


def test_a_store_without_descriptions_is_merged_all_the_same(tmp_path):
    opened(tmp_path / "a").add(KEYS, VECTORS)
    (tmp_path / "a" / "f" / "encoder.json").unlink()
    (tmp_path / "a" / "note.txt").touch()
    assert merge_stores([tmp_path / "a"], tmp_path / "c") == {"f": 3}


def test_damage_is_told_once(tmp_path, caplog):
    for _ in range(2):
        opened(tmp_path).add(KEYS, VECTORS)
        segment_of(tmp_path).write_bytes(b"")
        assert_works(tmp_path)
    told = [record.message for record in caplog.records if "damaged files" in record.message]
    assert len(told) == 1 and str(tmp_path) in told[0] and "encoded again" in told[0]


def test_a_damaged_segment_counts_in_the_report(tmp_path):
    from PIL import Image

    from encoders import ColourTextureEncoder

    photos = [Image.new("RGB", (8, 8), "red")]
    first = embed_values(ColourTextureEncoder(), photos, store=tmp_path)
    next(tmp_path.glob("*/*.safetensors")).write_bytes(b"")
    again = embed_values(ColourTextureEncoder(), photos, store=tmp_path)
    assert (again.report.n_corrupted, again.report.n_encoded) == (1, 1)
    assert np.array_equal(first.vectors, again.vectors)

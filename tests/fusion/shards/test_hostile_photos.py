"""Photos and texts made to break a decoder: refused by name, or embedded with a warning."""

import gzip
import os
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
import pytest
from PIL import Image

from benchmarks.children import cost_of
from benchmarks.photo_files import encoded, turned, with_scans
from benchmarks.photo_mutations import mutated_photo, originals
from encoders.image.photo import PhotoError, load_photo
from encoders.image.photo_pixels import Preprocessing, resize_and_crop
from encoders.text.tiny_bert import tiny_checkpoint
from fusion.choices.encoders import EncoderChoices
from fusion.shards import DataPaths, InProcessEngine, JobSettings, embed_catalogue, verify_job

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads do not survive a fork

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]
MOST_MEGABYTES = 300


def run(folder: Path, out: Path, *, store: Path | None = None, shard_rows: int = 100) -> Any:
    asked = JobSettings(
        encoders=EncoderChoices({"text": str(tiny_checkpoint()), "image": "colour_texture"}),
        columns={"id": ["id"], "text": ["title"], "image": ["photo"]},
        shard_rows=shard_rows,
    )
    paths = DataPaths(folder / "items.csv", folder / "photos", store)
    result = embed_catalogue(paths, out, asked, engine=InProcessEngine())
    assert verify_job(out) == []
    return result


def rows_of(out: Path, kind: str) -> list[dict[str, Any]]:
    if not any((out / kind).iterdir()):
        return []
    return [dict(row) for row in ds.dataset(out / kind).to_table().sort_by("row").to_pylist()]


def noise(side: int = 24) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def chunk(name: bytes, data: bytes) -> bytes:
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(width: int, height: int, *, packed: bytes, before: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = before + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + body


def packed_zeros(n_megabytes: int) -> bytes:
    packer = zlib.compressobj(9)
    pieces = [packer.compress(bytes(1_000_000)) for _ in range(n_megabytes)]
    return b"".join([*pieces, packer.flush()])


def gif_of_20000_frames() -> bytes:
    small = encoded(Image.new("P", (8, 8)), "GIF")
    start = small.index(b",", 13)
    frame = b"!\xf9\x04\0\x01\0\0\0" + small[start:-1]
    return small[:start] + frame * 20_000 + b";"


def colour_profile_bomb() -> bytes:
    row = zlib.compress(b"\0" + bytes(24))
    return png(8, 1, packed=row, before=chunk(b"iCCP", b"p\0\0" + packed_zeros(400)))


def claimed_webp() -> bytes:
    bits = struct.pack("<I", 6_999 | 6_999 << 14)
    body = b"WEBPVP8L" + struct.pack("<I", 15) + b"\x2f" + bits + b"\0" * 11
    return b"RIFF" + struct.pack("<I", len(body)) + body


WARNINGS = ("first_frame_of_several", "rotated_by_exif", "transparency_over_white")
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a header of 400 megapixels": (lambda: png(20_000, 20_000, packed=b"x"), "too_many_pixels"),
    "a header of 2^62 pixels": (lambda: png(2**31 - 1, 2**31 - 1, packed=b"x"), "too_many_pixels"),
    "a GIF of 20,000 frames": (gif_of_20000_frames, "first_frame_of_several"),
    "pixels that unpack to 500 MB": (lambda: png(8, 8, packed=packed_zeros(500)), ""),
    "a profile that unpacks to 400 MB": (colour_profile_bomb, "too_large"),
    "a gzip file of 1 GB": (lambda: gzip.compress(bytes(10**7)) * 100, "not_an_image"),
    "a strip of 1 x 50,000": (lambda: encoded(Image.new("RGB", (1, 50_000)), "PNG"), ""),
    "a WebP of 34 bytes and 49 megapixels": (claimed_webp, "too_many_pixels"),
    "a JPEG of 10,000 scans": (
        lambda: with_scans(encoded(noise(640), "JPEG", progressive=True), 10_000),
        "too_many_parts",
    ),
    "a JPEG of 49 megapixels on its side": (
        lambda: encoded(Image.new("RGB", (8_000, 6_125)), "JPEG", exif=turned(6)),
        "rotated_by_exif",
    ),
    "a PNG of 37 megapixels with transparency": (
        lambda: encoded(Image.new("RGBA", (6_100, 6_100)), "PNG", compress_level=1),
        "transparency_over_white",
    ),
    "entities that multiply": (
        lambda: b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "' + b"x" * 10**6 + b'">]>',
        "not_an_image",
    ),
}


def megabytes_of(work: Callable[[], object]) -> float:
    """How much more memory a forked process needs for some work; fails if the work does."""

    def done() -> None:
        work()

    cost = cost_of(done)
    assert not cost.raised, cost.answer
    return cost.megabytes


def test_the_measure_sees_memory() -> None:
    assert megabytes_of(lambda: np.ones(200_000_000, dtype=np.uint8)) > 150


@pytest.mark.parametrize("name", BOMBS)
def test_a_photo_that_is_a_bomb_costs_little_memory(tmp_path: Path, name: str) -> None:
    make, code = BOMBS[name]
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "bomb.jpg").write_bytes(make())
    (tmp_path / "photos" / "good.png").write_bytes(encoded(noise(), "PNG"))
    (tmp_path / "items.csv").write_text("id,title,photo\na,x,good.png\n", encoding="utf-8")
    run(tmp_path, tmp_path / "warm")  # imports are not the bomb's cost
    lines = "id,title,photo\na,red coat,bomb.jpg\nb,blue coat,good.png\n"
    (tmp_path / "items.csv").write_text(lines, encoding="utf-8")
    assert megabytes_of(lambda: run(tmp_path, tmp_path / "out")) < MOST_MEGABYTES
    errors, done = rows_of(tmp_path / "out", "errors"), rows_of(tmp_path / "out", "embeddings")
    refused = code not in ("", *WARNINGS)
    assert [e["reason"] for e in errors] == ([f"photo_{code}"] if refused else [])
    assert [row["id"] for row in done] == (["b"] if refused else ["a", "b"])
    if not refused:
        assert done[0]["warnings"] == ([f"image:{code}"] if code else [])


TEXTS = {
    "10 MB of words": ("word " * 2_000_000, "text_too_long"),
    "a word of 10 MB": ("a" * 10_000_000, "text_too_long"),
    "a million combining marks": ("e" + "\u0301" * 999_999, ""),
    "a million words": ("a " * 500_000, ""),
    "a million line ends": ("a" + "\n" * 999_998 + "b", ""),
    "a million emoji": ("\U0001f469\u200d\U0001f4bb" * 333_333, ""),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_is_a_bomb_costs_little_memory(tmp_path: Path, name: str) -> None:
    text, code = TEXTS[name]
    (tmp_path / "photos").mkdir()
    (tmp_path / "items.csv").write_text("id,title,photo\na,x,\n", encoding="utf-8")
    run(tmp_path, tmp_path / "warm")
    lines = f'id,title,photo\na,"{text}",\nb,blue coat,\n'
    (tmp_path / "items.csv").write_text(lines, encoding="utf-8")
    assert megabytes_of(lambda: run(tmp_path, tmp_path / "out")) < MOST_MEGABYTES
    errors, done = rows_of(tmp_path / "out", "errors"), rows_of(tmp_path / "out", "embeddings")
    assert [e["reason"] for e in errors] == ([code] if code else [])
    assert [row["id"] for row in done] == (["b"] if code else ["a", "b"])


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of broken EXIF blocks
def test_1500_damaged_photos_are_decoded_or_refused_by_name() -> None:
    small = Preprocessing(resize=36, crop=32)
    seen: Counter[str] = Counter()
    for seed in range(1500):
        content = mutated_photo(seed)
        try:
            photo = load_photo(content)
            assert resize_and_crop(photo, small).shape == (32, 32, 3)
            seen["decoded"] += 1
        except PhotoError as error:
            assert str(error).startswith("a photo must ") and " at 0x" not in str(error)
            seen[error.code] += 1
    assert seen["decoded"] > 200
    assert {"corrupt", "truncated", "not_an_image", "too_many_pixels"} <= seen.keys()


def test_damaged_photos_are_the_same_in_every_run() -> None:
    photos = [mutated_photo(seed) for seed in range(50)]
    assert photos == [mutated_photo(seed) for seed in range(50)]
    assert len(set(photos)) == 50
    for content in originals():
        assert load_photo(content).image.mode == "RGB"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_photos_change_no_row_beside_them(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "good.png").write_bytes(encoded(noise(), "PNG"))
    lines = ["id,title,photo"]
    for seed in range(200):
        (tmp_path / "photos" / f"{seed}.jpg").write_bytes(mutated_photo(seed))
        lines += [f"bad{seed},red coat,{seed}.jpg", f"good{seed},blue coat,good.png"]
    (tmp_path / "items.csv").write_text("\n".join(lines), encoding="utf-8")
    result = run(tmp_path, tmp_path / "out")
    done = rows_of(tmp_path / "out", "embeddings")
    good = [row for row in done if row["id"].startswith("good")]
    assert len(good) == 200
    assert 100 < result.n_failed < 200
    assert {(tuple(r["image_embedding"]), tuple(r["text_embedding"])) for r in good} == {
        (tuple(good[0]["image_embedding"]), tuple(good[0]["text_embedding"]))
    }
    assert all(row["warnings"] == [] for row in good)


def odd_photos() -> dict[str, tuple[bytes, list[str]]]:
    """Photos that can be used and are odd, with their warnings."""
    turned = Image.Exif()
    turned[0x0112] = 6
    clear = noise()
    clear.putalpha(100)
    both = clear.copy()
    deep = Image.fromarray(np.arange(576, dtype=np.uint16).reshape(24, 24) * 100)
    frames = {"save_all": True, "append_images": [noise().rotate(90)]}
    return {
        "plain.png": (encoded(noise(), "PNG"), []),
        "turned.jpg": (encoded(noise(), "JPEG", exif=turned), ["rotated_by_exif"]),
        "deep.png": (encoded(deep, "PNG"), ["rescaled_from_16_bit"]),
        "clear.png": (encoded(clear, "PNG"), ["transparency_over_white"]),
        "both.png": (
            encoded(both, "PNG", exif=turned),
            ["rotated_by_exif", "transparency_over_white"],
        ),
        "frames.gif": (encoded(noise(), "GIF", **frames), ["first_frame_of_several"]),
        "cmyk.jpg": (encoded(noise().convert("CMYK"), "JPEG"), ["converted_from_cmyk"]),
    }


@pytest.fixture
def odd_shop(tmp_path: Path) -> Iterator[tuple[Path, list[list[str]]]]:
    """A table of odd photos and texts, and the warnings of each row."""
    (tmp_path / "photos").mkdir()
    lines, wanted = ["id,title,photo"], []
    for number, (name, (content, codes)) in enumerate(odd_photos().items()):
        (tmp_path / "photos" / name).write_bytes(content)
        for title, more in (("red coat", []), ("a b c " * 100, ["text:text_truncated"])):
            lines.append(f"{number}{len(more)},{title},{name}")
            wanted.append([f"image:{code}" for code in codes] + more)
    (tmp_path / "items.csv").write_text("\n".join(lines), encoding="utf-8")
    yield tmp_path, wanted


@pytest.mark.parametrize("shard_rows", [1, 5, 100])
def test_what_is_odd_about_a_row_stands_in_its_warnings(
    odd_shop: tuple[Path, list[list[str]]], shard_rows: int
) -> None:
    folder, wanted = odd_shop
    run(folder, folder / "out", shard_rows=shard_rows)
    done = rows_of(folder / "out", "embeddings")
    assert [row["warnings"] for row in done] == wanted


def test_warnings_and_bits_are_the_same_when_the_store_is_warm(
    odd_shop: tuple[Path, list[list[str]]],
) -> None:
    folder, wanted = odd_shop
    run(folder, folder / "cold", store=folder / "store", shard_rows=3)
    run(folder, folder / "warm", store=folder / "store", shard_rows=3)
    run(folder, folder / "none", shard_rows=3)
    cold = rows_of(folder / "cold", "embeddings")
    assert [row["warnings"] for row in cold] == wanted
    for other in ("warm", "none"):
        assert rows_of(folder / other, "embeddings") == cold
    events = (folder / "warm" / "events.jsonl").read_text(encoding="utf-8")
    assert '"encoded": 0' in events and '"encoded": 1' not in events


def test_a_photo_has_the_same_warnings_under_any_name(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    clear = noise()
    clear.putalpha(100)
    names = ["a.jpg", "b.png", "c.gif"]
    for name in names:
        (tmp_path / "photos" / name).write_bytes(encoded(clear, "PNG"))
    lines = ["id,title,photo", *(f"{name},red coat,{name}" for name in names)]
    (tmp_path / "items.csv").write_text("\n".join(lines), encoding="utf-8")
    for shard_rows in (1, 3):
        out, store = tmp_path / f"out{shard_rows}", tmp_path / "store"
        run(tmp_path, out, store=store, shard_rows=shard_rows)
        found = [row["warnings"] for row in rows_of(out, "embeddings")]
        assert found == [["image:transparency_over_white"]] * 3

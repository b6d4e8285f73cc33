"""Limits on what a decoder allocates and repeats, and pixels that are the same in any pieces."""

import struct
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from PIL import Image

from benchmarks.photo_files import (
    chunk,
    encoded,
    packed_zeros,
    png,
    rgb_tags,
    segment,
    shared_bytes,
    tiff,
    turned,
    with_scans,
    with_segments,
)
from encoders.image import photo as photo_module
from encoders.image.photo import PhotoError, load_photo

STRIP_OFFSETS, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, PROFILE = 273, 322, 323, 324, 34675


def colours(width: int = 60, height: int = 44, channels: int = 3) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(pixels)


def claimed_png(width: int, height: int, bits: int = 8, colour: int = 2) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1_000)))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


def claimed_webp(width: int, height: int) -> bytes:
    bits = (width - 1) | (height - 1) << 14
    body = b"WEBPVP8L" + struct.pack("<IBI", 5, 0x2F, bits) + b"\0"
    return b"RIFF" + struct.pack("<I", len(body)) + body


def claimed_jpeg(width: int, height: int, **options: object) -> bytes:
    small = encoded(Image.new("RGB", (8, 8)), "JPEG", **options)
    frame = small.index(b"\xff\xc2" if options.get("progressive") else b"\xff\xc0")
    return small[: frame + 5] + struct.pack(">HH", height, width) + small[frame + 9 :]


def claimed_bmp(width: int, height: int) -> bytes:
    size = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + size


def claimed_tiff(more: dict[int, tuple[int, list[int]]], compression: int = 1) -> bytes:
    return tiff(rgb_tags(100, 100, compression) | more, bytes(30_000))


def fractions_for_a_profile() -> bytes:
    content = claimed_tiff({STRIP_OFFSETS: (4, [8]), PROFILE: (4, [1] * 400_000)})
    old, new = struct.pack("<HHI", PROFILE, 4, 400_000), struct.pack("<HHI", PROFILE, 5, 200_000)
    assert content.count(old) == 1
    return content.replace(old, new)


def jpeg_in_tiff() -> bytes:
    jpeg = with_scans(encoded(colours(), "JPEG", progressive=True), 1_000)
    tags = {STRIP_OFFSETS: (4, [8]), 278: (4, [44]), 279: (4, [len(jpeg)])}
    return tiff(rgb_tags(60, 44, 7) | tags | {262: (3, [6])}, jpeg)


def progressive() -> bytes:
    return encoded(colours(), "JPEG", progressive=True)


TILES = {TILE_WIDTH: (4, [30_000]), TILE_HEIGHT: (4, [30_000]), TILE_OFFSETS: (4, [8])}
BEYOND: dict[str, tuple[Callable[[], bytes], str]] = {
    "a PNG 50,000,000 high": (lambda: claimed_png(1, 50_000_000, 1, 0), "too_many_pixels"),
    "a PNG 50,000,000 wide": (lambda: claimed_png(50_000_000, 1, 1, 0), "too_many_pixels"),
    "a PNG 65,536 wide": (lambda: claimed_png(65_536, 1), "too_many_pixels"),
    "a PNG that unpacks to 294 MB": (lambda: claimed_png(7_000, 7_000, 16), "too_many_pixels"),
    "a WebP of 30 bytes and 49 megapixels": (lambda: claimed_webp(7_000, 7_000), "too_many_pixels"),
    "a JPEG of 60 megapixels": (lambda: claimed_jpeg(10_000, 6_000), "too_many_pixels"),
    "a progressive JPEG of 49 megapixels": (
        lambda: claimed_jpeg(7_000, 7_000, progressive=True),
        "too_many_pixels",
    ),
    "a BMP of runs and 49 megapixels": (lambda: claimed_bmp(7_000, 7_000), "too_many_pixels"),
    "TIFF tiles of 30,000 for 100 x 100": (lambda: claimed_tiff(TILES, 8), "too_many_pixels"),
    "a TIFF of 60,000 strips": (
        lambda: claimed_tiff({STRIP_OFFSETS: (4, [8] * 60_000)}),
        "too_many_parts",
    ),
    "a TIFF with 200,000 fractions for a profile": (fractions_for_a_profile, "too_many_parts"),
    "a TIFF whose tags share bytes": (lambda: shared_bytes(500, 1_000_000), "corrupt"),
    "a TIFF that says its width twice": (
        lambda: claimed_tiff({STRIP_OFFSETS: (4, [8])}).replace(
            struct.pack("<H", 257) + b"\4\0", struct.pack("<H", 256) + b"\4\0"
        ),
        "corrupt",
    ),
    "a TIFF under LZMA": (
        lambda: claimed_tiff({STRIP_OFFSETS: (4, [8])}, 34_925),
        "unsupported_format",
    ),
    "a TIFF of a JPEG of 1,000 scans": (jpeg_in_tiff, "too_many_parts"),
    "a JPEG of 1,000 scans": (lambda: with_scans(progressive(), 1_000), "too_many_parts"),
    "a JPEG of 30,000 comments": (
        lambda: with_segments(progressive(), segment(0xFE, b"") * 30_000),
        "too_many_parts",
    ),
    "a JPEG of 100 EXIF blocks": (
        lambda: with_segments(progressive(), segment(0xE1, b"Exif\0\0" + bytes(9)) * 100),
        "too_many_parts",
    ),
    "a JPEG whose EXIF tags share bytes": (
        lambda: with_segments(
            progressive(), segment(0xE1, b"Exif\0\0" + shared_bytes(5_000, 65_000))
        ),
        "corrupt",
    ),
    "a JPEG with arithmetic codes": (
        lambda: progressive().replace(b"\xff\xc2", b"\xff\xca", 1),
        "unsupported_format",
    ),
    "a PNG text that unpacks to 20 MB": (
        lambda: png(8, 8, before=chunk(b"zTXt", b"key\0\0" + packed_zeros(20))),
        "too_large",
    ),
    "ten PNG profiles that unpack to 1 MB": (
        lambda: png(8, 8, before=chunk(b"iCCP", b"key\0\0" + packed_zeros(1)) * 10),
        "too_large",
    ),
}


@pytest.mark.parametrize("name", BEYOND)
def test_what_asks_for_too_much_is_refused_before_a_decoder_sees_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, code = BEYOND[name]
    content = make()

    def must_not_be_called(*args: object, **options: object) -> None:
        pytest.fail("the decoder was called")

    monkeypatch.setattr(Image, "open", must_not_be_called)
    with pytest.raises(PhotoError) as caught:
        load_photo(content)
    assert caught.value.code == code
    assert str(caught.value).startswith("a photo must ")


@pytest.mark.parametrize("filler", [b"!\xfe" + b"\1a" * 500_000 + b"\0", b"\1" * 500_000])
def test_a_gif_of_half_a_million_blocks_is_refused_after_some_of_them(filler: bytes) -> None:
    content = encoded(Image.new("P", (8, 8)), "GIF")
    start = content.index(b",", 13)
    with pytest.raises(PhotoError, match="a photo must have at most 400,000 reads") as caught:
        load_photo(content[:start] + filler + content[start:])
    assert caught.value.code == "too_many_parts"


ORDINARY: dict[str, Callable[[], bytes]] = {
    "a JPEG that lies on its side": lambda: encoded(colours(), "JPEG", exif=turned(6)),
    "a progressive JPEG": progressive,
    "a progressive JPEG of 60 scans": lambda: with_scans(progressive(), 50),
    "a JPEG with scans in what follows its end": lambda: progressive() + b"\xff\xda" * 1_000,
    "a JPEG with scans in a comment": lambda: with_segments(
        progressive(), segment(0xFE, b"\xff\xda" * 1_000)
    ),
    "a JPEG 65,500 wide": lambda: encoded(Image.new("RGB", (65_500, 1)), "JPEG"),
    "a PNG 65,535 high": lambda: encoded(Image.new("L", (1, 65_535)), "PNG"),
    "a PNG with texts": lambda: png(
        8, 8, before=chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(900_000)))
    ),
    "a PNG in 1,000 chunks": lambda: png(8, 8, before=chunk(b"prVt", b"") * 1_000),
    "an animated WebP": lambda: encoded(
        colours(), "WEBP", save_all=True, append_images=[colours().rotate(180)]
    ),
    **{
        f"a TIFF under {name}": partial(encoded, colours(), "TIFF", compression=name)
        for name in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd")
    },
    "a faxed TIFF": lambda: encoded(Image.new("1", (64, 64)), "TIFF", compression="group4"),
    "a TIFF in tiles": lambda: tiff(
        rgb_tags(64, 64)
        | {TILE_WIDTH: (3, [32]), TILE_HEIGHT: (3, [32]), TILE_OFFSETS: (4, [8] * 4)},
        bytes(3 * 32 * 32),
    ),
    "a TIFF with EXIF and places": lambda: encoded(colours(), "TIFF", exif=exif_of_a_camera()),
    "a TIFF of many bytes for a profile": lambda: encoded(
        colours(), "TIFF", icc_profile=bytes(300_000)
    ),
}


def exif_of_a_camera() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010E] = "a coat"
    exif.get_ifd(0x8769)[0x9003] = "2024:01:31 10:00:00"
    exif.get_ifd(0x8825)[1] = "N"
    return exif


@pytest.mark.parametrize("name", ORDINARY)
def test_what_cameras_and_programs_write_is_decoded(name: str) -> None:
    assert load_photo(ORDINARY[name]()).image.mode == "RGB"


def test_an_exif_block_that_would_take_gigabytes_costs_its_own_content_only() -> None:
    content = png(8, 8, before=chunk(b"eXIf", shared_bytes(5_000, 1_000_000)))
    photo = load_photo(content)
    assert photo.warnings == ("exif_unreadable",)
    assert photo.image.size == (8, 8)


KINDS: dict[str, Callable[[], Image.Image]] = {
    "RGB": colours,
    "L": lambda: colours().convert("L"),
    "1": lambda: colours().convert("1"),
    "P": lambda: colours().quantize(16),
    "RGBA": lambda: colours(channels=4),
    "LA": lambda: colours(channels=4).convert("LA"),
    "CMYK": lambda: colours().convert("CMYK"),
    "I;16": lambda: Image.fromarray(np.arange(2640, dtype=np.uint16).reshape(44, 60) * 24),
    "F": lambda: Image.fromarray(np.linspace(-1, 3, 2640, dtype=np.float32).reshape(44, 60)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_the_same_in_strips_and_in_one_piece(
    kind: str, orientation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photo_module, "STRIP_PIXELS", 300)
    image = KINDS[kind]()
    image.getexif()[0x0112] = orientation
    photo = load_photo(image)
    expected = photo.convert(image)
    if orientation > 1:
        expected = expected.transpose(photo_module.UPRIGHT[orientation])
    assert photo.size == expected.size
    np.testing.assert_array_equal(np.asarray(photo.image), np.asarray(expected))
    for method in (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.BOX):
        for size, box in (((20, 20), None), ((20, 24), (3.3, 1.7, 38.2, 40.9)), ((90, 70), None)):
            ours = photo.resized(size, method, box=box)
            theirs = expected.resize(size, method, box)
            np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    ours = photo.grey.resized((17, 17), Image.Resampling.BOX)
    theirs = expected.convert("L").resize((17, 17), Image.Resampling.BOX)
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))

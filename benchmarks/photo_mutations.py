"""Damaged photos without end: a number gives a photo file with the damage that it stands for."""

import io
import random
import struct
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image

Damage = Callable[[bytearray, random.Random], None]
EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
MAX_FAULTS = 4
HEADER_BYTES = 96  # where most of what a decoder believes is written


def encoded(image: Image.Image, format_name: str, **options: object) -> bytes:
    """The bytes of a picture file."""
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


@cache
def originals() -> tuple[bytes, ...]:
    """Sound photos of the six formats in many of their ways to hold pixels."""
    y, x = np.mgrid[:30, :40]
    noise = np.random.default_rng(0).integers(0, 60, (30, 40, 3))
    pixels = np.stack([x * 5, y * 6, (x + y) * 2], axis=-1) + noise
    rgb = Image.fromarray(pixels.astype(np.uint8))
    clear = rgb.copy()
    clear.putalpha(Image.fromarray((x * 6).astype(np.uint8)))
    deep = Image.fromarray((x * 1600).astype(np.uint16))
    real = Image.fromarray((x / np.float32(40)).astype(np.float32))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a dress"
    frames = {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(180)]}
    return (
        encoded(rgb, "JPEG", exif=exif),
        encoded(rgb, "JPEG", progressive=True, quality=40),
        encoded(rgb.convert("CMYK"), "JPEG"),
        encoded(rgb, "PNG", exif=exif),
        encoded(clear, "PNG"),
        encoded(deep, "PNG"),
        encoded(rgb.quantize(16), "PNG", transparency=3),
        encoded(rgb, "PNG", **frames),
        encoded(rgb, "GIF"),
        encoded(rgb.quantize(64), "GIF", **frames),
        encoded(rgb, "WEBP"),
        encoded(clear, "WEBP", lossless=True, exif=exif),
        encoded(rgb, "WEBP", **frames),
        encoded(rgb, "BMP"),
        encoded(rgb.quantize(16), "BMP"),
        encoded(rgb, "TIFF", exif=exif),
        encoded(rgb, "TIFF", compression="tiff_lzw"),
        encoded(rgb, "TIFF", compression="jpeg"),
        encoded(deep, "TIFF", compression="tiff_adobe_deflate"),
        encoded(real, "TIFF"),
        encoded(rgb, "TIFF", **frames),
    )


def flip_bits(content: bytearray, draw: random.Random) -> None:
    """Some bits anywhere."""
    for _ in range(draw.randint(1, 8)):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)


def change_header(content: bytearray, draw: random.Random) -> None:
    """Some bytes near the beginning."""
    for _ in range(draw.randint(1, 4)):
        content[draw.randrange(min(HEADER_BYTES, len(content)))] = draw.randrange(256)


def edit_number(content: bytearray, draw: random.Random) -> None:
    """A length, offset or size becomes an extreme one."""
    form = draw.choice(("B", "<H", ">H", "<I", ">I"))
    size = struct.calcsize(form)
    if len(content) > size:
        value = draw.choice(EXTREMES) & ((1 << 8 * size) - 1)
        last = len(content) - size
        place = draw.randrange(min(HEADER_BYTES, last) if draw.random() < 0.5 else last)
        struct.pack_into(form, content, place, value)


def cut_end(content: bytearray, draw: random.Random) -> None:
    """The file ends early."""
    del content[draw.randrange(1, len(content) + 1) :]


def splice_other(content: bytearray, draw: random.Random) -> None:
    """A piece of another photo, of any format, in place of a piece."""
    other = draw.choice(originals())
    start, place = draw.randrange(len(other)), draw.randrange(len(content))
    piece = other[start : start + draw.randint(1, 400)]
    content[place : place + draw.choice((0, len(piece)))] = piece


def drop_piece(content: bytearray, draw: random.Random) -> None:
    """A piece is lost."""
    place = draw.randrange(len(content))
    del content[place : place + draw.randint(1, 64)]


def repeat_piece(content: bytearray, draw: random.Random) -> None:
    """A piece stands there twice."""
    place = draw.randrange(len(content))
    content[place:place] = content[place : place + draw.randint(1, 400)]


def zero_piece(content: bytearray, draw: random.Random) -> None:
    """A piece of zeros, as a failing disk leaves it."""
    place = draw.randrange(len(content))
    n_bytes = min(draw.randint(1, 200), len(content) - place)
    content[place : place + n_bytes] = bytes(n_bytes)


DAMAGES: tuple[Damage, ...] = (
    *(flip_bits, change_header, edit_number, edit_number),
    *(cut_end, splice_other, drop_piece, repeat_piece, zero_piece),
)


def mutated_photo(seed: int) -> bytes:
    """A photo file with 1 to 4 faults; equal numbers give equal files."""
    draw = random.Random(seed)
    content = bytearray(draw.choice(originals()))
    for _ in range(draw.randint(1, MAX_FAULTS)):
        if content:
            draw.choice(DAMAGES)(content, draw)
    return bytes(content)

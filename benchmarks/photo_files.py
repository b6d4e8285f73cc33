"""Photo files byte by byte: what no program writes, and what would take one too long to write."""

import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache

import numpy as np
from PIL import Image

ADAM7 = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PAETH = 4
NOISY_BYTES = 12_000_000


@cache
def grain(strength: int) -> np.ndarray:
    """Noise `[512, 512, 4]` from 0 to `strength`."""
    return np.random.default_rng(0).integers(0, strength + 1, (512, 512, 4), dtype=np.uint8)


@lru_cache(maxsize=1)
def picture(width: int, height: int, mode: str = "RGB", *, strength: int = 3) -> Image.Image:
    """Slopes with some noise, as photos have them."""
    channels = {"L": 1, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
    noise = np.tile(grain(strength)[..., :channels], (height // 512 + 1, width // 512 + 1, 1))
    pixels = noise[:height, :width]
    pixels += np.linspace(0, 200, width, dtype=np.uint8)[None, :, None]
    return Image.fromarray(pixels[..., 0] if mode == "L" else pixels, mode)


def encoded(image: Image.Image, format_name: str, **options: object) -> bytes:
    """The bytes of a picture file."""
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def turned(orientation: int) -> bytes:
    """An EXIF block."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(
    width: int,
    height: int,
    bits: int = 8,
    colour: int = 2,
    *,
    interlaced: bool = False,
    before: bytes = b"",
) -> bytes:
    """A PNG in the slowest of its filters: 12 MB that do not compress, then one row again."""
    channels = PNG_CHANNELS[colour]
    noise = np.random.default_rng(0).bytes(1 << 20)
    packer = zlib.compressobj(1)
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    pieces = []
    for left, top, across, down in passes:
        n_bytes = (-(-(width - left) // across) * channels * bits + 7) // 8
        n_rows = -(-(height - top) // down) if n_bytes else 0
        n_noisy = min(n_rows, NOISY_BYTES // len(passes) // max(1, n_bytes))
        row = bytes([PAETH]) + (noise[:64] * (n_bytes // 64 + 1))[:n_bytes]
        for at in range(n_noisy):
            start = at * n_bytes % (1 << 19)
            pieces.append(packer.compress(row[:1] + (noise[start:] + noise)[:n_bytes]))
        pieces.append(packer.compress(row * (n_rows - n_noisy)))
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    palette = chunk(b"PLTE", bytes(range(256)) * 3) if colour == 3 else b""
    pixels = chunk(b"IDAT", b"".join([*pieces, packer.flush()]))
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + palette + before + pixels + chunk(b"IEND", b"")


def packed_zeros(n_megabytes: int) -> bytes:
    """Zeros under deflate."""
    packer = zlib.compressobj(9)
    pieces = [packer.compress(bytes(1_000_000)) for _ in range(n_megabytes)]
    return b"".join([*pieces, packer.flush()])


def segment(code: int, data: bytes) -> bytes:
    """A segment of a JPEG."""
    return bytes([0xFF, code]) + struct.pack(">H", len(data) + 2) + data


def with_segments(jpeg: bytes, more: bytes) -> bytes:
    """A JPEG with other segments in front."""
    return jpeg[:2] + more + jpeg[2:]


def with_scans(jpeg: bytes, n_scans: int) -> bytes:
    """A progressive JPEG with its last scan's header that many times more, without data."""
    place = jpeg.rindex(b"\xff\xda")
    header = jpeg[place : place + 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")]
    return jpeg[:-2] + header * n_scans + jpeg[-2:]


def tiff(
    tags: Mapping[int, tuple[int, Sequence[int]]], data: bytes = b"", *, next_at: int = 0
) -> bytes:
    """A TIFF of one directory: tag -> type and numbers; 8 stands for where `data` begins.

    Args:
        tags: Type 3 (two bytes) or 4 (four bytes), and the values.
        data: Strips or tiles, right after the header.
        next_at: Place of the next directory.
    """
    start = 8 + len(data) + len(data) % 2
    outside = start + 2 + 12 * len(tags) + 4
    entries, more = b"", b""
    for tag, (kind, values) in sorted(tags.items()):
        packed = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(packed) > 4:
            place, more = struct.pack("<I", outside + len(more)), more + packed
        else:
            place = packed.ljust(4, b"\0")
        entries += struct.pack("<HHI", tag, kind, len(values)) + place
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", next_at)
    return struct.pack("<2sHI", b"II", 42, start) + data.ljust(start - 8, b"\0") + directory + more


def rgb_tags(width: int, height: int, compression: int = 1) -> dict[int, tuple[int, list[int]]]:
    """The tags of a TIFF in RGB, but for its strips or tiles."""
    return {
        **{256: (4, [width]), 257: (4, [height]), 258: (3, [8, 8, 8]), 259: (3, [compression])},
        **{262: (3, [2]), 277: (3, [3])},
    }


def shared_bytes(n_entries: int, n_bytes: int) -> bytes:
    """A directory whose entries all hold the same bytes."""
    entries = [
        struct.pack("<HHII", 50_000 + i % 15_000, 7, n_bytes - 8, 8) for i in range(n_entries)
    ]
    head = struct.pack("<2sHIH", b"II", 42, 8, n_entries) + b"".join(entries) + bytes(4)
    return head.ljust(n_bytes, b"\0")

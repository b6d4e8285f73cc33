"""What a photo's header may ask of a decoder: checked by hand, before anything is decoded.

Why: a file within the limits on bytes and pixels could still take gigabytes (tiles larger than the
picture, working buffers of a format) or minutes (ten thousand scans). So there is a limit on each
part that a decoder allocates or repeats. Every check is linear in the size of the file.
"""

import io
import struct
import zlib
from typing import Any

from encoders.image.jpeg_header import check_jpeg
from encoders.image.photo_file import PhotoError
from encoders.image.photo_sizes import (
    MAX_READS,
    MAX_TEXT_BYTES,
    MAX_UNPACKED_BYTES,
    check_memory,
    check_pixels,
    too_many_parts,
    too_much,
)
from encoders.image.tiff_header import check_tiff

PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
MAX_CHUNKS = 100_000
WEBP_BYTES = 16
"""A pixel: two canvases, the frame's bytes and the picture, 4 each."""
MAX_RLE_PIXELS = 2_000_000
"""Pillow unpacks such a BMP in Python."""
RLE = (1, 2)


def check_header(content: bytes, *, format_name: str) -> None:
    """Refuse a file whose decoding would take too much memory or time.

    Args:
        content: The file.
        format_name: Pillow's name of the format.

    Raises:
        PhotoError: "too_many_pixels" (too large, as a whole, on one side or for its format),
            "too_many_parts" (scans, tiles, chunks), "too_large" (texts and profiles),
            "unsupported_format" (a rare way to code pixels) or "corrupt".
    """
    try:
        CHECKS[format_name](content)
    except (struct.error, IndexError):
        return  # the header ends early: its reader says so in its own words


class CountedReader(io.BytesIO):
    """A file in memory that can be read from 400,000 times.

    Why: readers of chunks, blocks and strips work in Python, some microseconds for each; a file of
    20 MB can hold ten million.
    """

    n_reads = 0

    def read(self, *args: Any) -> bytes:
        """As of any file, but counted."""
        self.n_reads += 1
        if self.n_reads > MAX_READS:
            raise too_many_parts(f"at most {MAX_READS:,} reads of its parts", "more")
        return super().read(*args)


def check_png(content: bytes) -> None:
    """Size, bytes after unpacking, and texts and colour profiles, which may be compressed."""
    place, n_text_bytes = 8, 0
    for _ in range(MAX_CHUNKS):
        length, name = struct.unpack_from(">I4s", content, place)
        begin, end = place + 8, place + 8 + length
        if name == b"IHDR":
            check_png_size(content[begin:end])
        elif name in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
            n_text_bytes += text_size(name, content[begin:end])
            if n_text_bytes > MAX_TEXT_BYTES:
                rule = f"a photo must have at most {MAX_TEXT_BYTES:,} bytes of texts and profiles"
                raise PhotoError("too_large", f"{rule}, got more. Save it without them.")
        elif name == b"IEND":
            return
        place = end + 4
    raise too_many_parts(f"at most {MAX_CHUNKS:,} chunks", "more")


def check_png_size(header: bytes) -> None:
    """Pixels, and how many bytes they unpack to: filters take most of a second for 150 MB."""
    width, height, bits, colour = struct.unpack_from(">IIBB", header)
    check_pixels((width, height))
    row = (width * PNG_CHANNELS.get(colour, 1) * bits + 7) // 8
    if row * height > MAX_UNPACKED_BYTES:
        what = f"{width} x {height} of {bits} bits"
        raise too_much(f"unpack to at most {MAX_UNPACKED_BYTES:,} bytes", what, row * height)


def text_size(name: bytes, chunk: bytes) -> int:
    """Bytes of a text or profile after unpacking, or a little more than all may have."""
    key = chunk.find(b"\0")
    if name == b"tEXt" or (name == b"iTXt" and not chunk[key + 1 : key + 2].strip(b"\0")):
        return len(chunk)
    start = key + 2
    if name == b"iTXt":
        start = chunk.find(b"\0", chunk.find(b"\0", key + 3) + 1) + 1
    try:
        return len(zlib.decompressobj().decompress(chunk[start:], MAX_TEXT_BYTES + 1))
    except zlib.error:
        return 0


def check_webp(content: bytes) -> None:
    """The size of the canvas, which is allocated as soon as the file is opened."""
    name = content[12:16]
    if name == b"VP8X":
        width, height = (int.from_bytes(content[i : i + 3], "little") + 1 for i in (24, 27))
    elif name == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", content, 26))
    check_pixels((width, height))
    check_memory(WEBP_BYTES * width * height, f"a WebP of {width} x {height}")


def check_bmp(content: bytes) -> None:
    """Pixels, fewer of a run-length coded picture."""
    header_size, width, height = struct.unpack_from("<Iii", content, 14)
    if header_size < 40:
        return
    check_pixels((abs(width), abs(height)))
    if struct.unpack_from("<I", content, 30)[0] in RLE and abs(width * height) > MAX_RLE_PIXELS:
        rule = f"a photo must have at most {MAX_RLE_PIXELS:,} pixels as a run-length coded BMP"
        message = f"{rule}, got {width} x {abs(height)}. Save it as PNG."
        raise PhotoError("too_many_pixels", message)


def check_gif(content: bytes) -> None:
    """Pixels of the screen where it has a size; a larger frame is checked when it is found."""
    size = struct.unpack_from("<HH", content, 6)
    if all(size):
        check_pixels(size)


CHECKS = {
    "JPEG": check_jpeg,
    "PNG": check_png,
    "WEBP": check_webp,
    "TIFF": check_tiff,
    "GIF": check_gif,
    "BMP": check_bmp,
}

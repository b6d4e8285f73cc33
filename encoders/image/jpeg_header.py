"""What a JPEG asks of a decoder, from its markers.

Source: ITU-T T.81 (1992), annex B.
"""

import re
from collections.abc import Iterator

from encoders.image.photo_file import PhotoError
from encoders.image.photo_sizes import check_memory, check_pixels, too_many_parts
from encoders.image.tiff_directory import check_directory

MAX_SCANS = 64
MAX_SEGMENTS = 20_000
MAX_TABLES = 64
"""Segments that Pillow takes apart in Python: tables, EXIF, Photoshop's."""

MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""No stuffed zero, fill byte or restart: what a decoder takes for a marker."""
FRAMES = (0xC0, 0xC1, 0xC2)
PROGRESSIVE = 0xC2
RARE_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
SCAN, END, TABLES, APP1, APP2, APP13 = 0xDA, 0xD9, 0xDB, 0xE1, 0xE2, 0xED
EXIF, SEVERAL = b"Exif\0\0", b"MPF\0"


def check_jpeg(content: bytes, start: int = 0, end: int | None = None) -> None:
    """Size, memory, scans and segments of a JPEG.

    Args:
        content: The file.
        start: Where the JPEG begins in it.
        end: Where it ends; None: with the file.

    Raises:
        PhotoError: If one is beyond its limit, or pixels are coded as hardly any reader knows.
    """
    frame, progressive, n_scans, n_tables = b"", False, 0, 0
    for code, begin, stop in segments(content, start, len(content) if end is None else end):
        if code in RARE_FRAMES:
            rule = "a photo must be a baseline or progressive JPEG with Huffman codes"
            message = f"{rule}, got frame type {code - 0xC0}. Save it as plain JPEG."
            raise PhotoError("unsupported_format", message)
        if code in FRAMES and not frame:
            frame, progressive = content[begin:stop], code == PROGRESSIVE
            frame_pixels(frame)
        elif code == SCAN:
            n_scans += 1
            if n_scans == 1 and frame:
                check_frame(frame, buffered=progressive or content[begin] < frame[5])
            if n_scans > MAX_SCANS:  # an empty scan costs a pass over the picture all the same
                raise too_many_parts(f"at most {MAX_SCANS} scans", "more")
        elif n_scans == 0:
            n_tables += is_parsed(content, code, begin, stop)
            if n_tables > MAX_TABLES:
                raise too_many_parts(f"at most {MAX_TABLES} segments of tables", "more")


def segments(content: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Code, begin and end of what follows each marker up to the end of the picture."""
    place = start
    for _ in range(MAX_SEGMENTS):
        found = MARKER.search(content, place, end)
        code = content[found.end() - 1] if found else END
        if found is None or code == END:
            return
        place = found.end()
        if code < 0xC0 or code == 0xD8:  # without a length
            continue
        length = max(2, int.from_bytes(content[place : place + 2], "big"))
        yield code, place + 2, place + length
        place += length
    raise too_many_parts(f"at most {MAX_SEGMENTS:,} segments", "more")


def is_parsed(content: bytes, code: int, begin: int, stop: int) -> bool:
    """Whether Pillow takes a segment apart; directories in it are checked first."""
    if code == APP1 and content.startswith(EXIF, begin):
        check_directory(content[begin + len(EXIF) : stop])
        return True
    if code == APP2 and content.startswith(SEVERAL, begin):
        check_directory(content[begin + len(SEVERAL) : stop])
        return True
    return code in (TABLES, APP13)


def frame_pixels(frame: bytes) -> int:
    """Pixels of a frame's header, after the check of its size."""
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    if width and height:  # a height of 0 is refused by the decoder
        check_pixels((width, height))
    return width * height


def check_frame(frame: bytes, *, buffered: bool) -> None:
    """Memory: a picture in several scans is held as 16-bit coefficients too."""
    n_pixels, n_components = frame_pixels(frame), frame[5]
    n_bytes = n_pixels * (1 if n_components == 1 else 4)
    factors = [(byte >> 4) * (byte & 15) for byte in frame[7 : 6 + 3 * n_components : 3]]
    if buffered and max(factors, default=0):
        wide = max(byte >> 4 for byte in frame[7 : 6 + 3 * n_components : 3])
        high = max(byte & 15 for byte in frame[7 : 6 + 3 * n_components : 3])
        n_bytes += 2 * n_pixels * sum(factors) // (wide * high)
    check_memory(n_bytes, f"a progressive JPEG of {n_pixels:,} pixels")

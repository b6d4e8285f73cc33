"""What a TIFF asks of a decoder, from its first directory.

Source: Adobe (1992), "TIFF revision 6.0".
"""

from collections.abc import Mapping

from encoders.image.jpeg_header import check_jpeg
from encoders.image.photo_file import PhotoError
from encoders.image.photo_sizes import check_memory, check_pixels, too_many_parts
from encoders.image.tiff_directory import Entry, check_whole_directory, corrupt, numbers

MAX_STRIPS = 20_000
WIDTH, HEIGHT, BITS, COMPRESSION, SAMPLES = 256, 257, 258, 259, 277
STRIP_OFFSETS, STRIP_ROWS, STRIP_BYTES = 273, 278, 279
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 322, 323, 324, 325
PHOTOMETRIC, YCBCR, ORIENTATION = 262, 6, 274
RAW, JPEG = 1, 7
COMPRESSIONS = {RAW, 2, 3, 4, 5, JPEG, 8, 32773, 32946, 50000}
"""None, CCITT (3), LZW, JPEG, deflate, PackBits, deflate by its old number, Zstandard."""


def check_tiff(content: bytes) -> None:
    """Size, compression, number and size of strips or tiles, and the directory itself.

    Raises:
        PhotoError: If one is beyond its limit, or pixels are coded as hardly any program does.
    """
    entries = check_whole_directory(content)
    width, height = (numbers(content, entries.get(tag), most=1) for tag in (WIDTH, HEIGHT))
    if not width or not height:
        raise corrupt("a size", "a TIFF without one")
    check_pixels((width[0], height[0]))
    (compression,) = numbers(content, entries.get(COMPRESSION), most=1) or (RAW,)
    if compression not in COMPRESSIONS:
        rule = "a photo must be a TIFF without compression or with LZW, deflate, PackBits or JPEG"
        message = f"{rule}, got compression {compression}. Save it with one of these."
        raise PhotoError("unsupported_format", message)
    check_strips(content, entries, compression)
    memory = memory_of(content, entries, (width[0], height[0]), compression)
    check_memory(memory, f"a TIFF of {width[0]} x {height[0]}")


def check_strips(content: bytes, entries: Mapping[int, Entry], compression: int) -> None:
    """Number of strips or tiles; those that are JPEGs by themselves are checked as such."""
    for offsets, sizes in ((STRIP_OFFSETS, STRIP_BYTES), (TILE_OFFSETS, TILE_BYTES)):
        entry = entries.get(offsets)
        if entry is not None and entry.count > MAX_STRIPS:
            raise too_many_parts(f"at most {MAX_STRIPS:,} strips or tiles", f"{entry.count:,}")
        if compression == JPEG:
            places = numbers(content, entry)
            lengths = numbers(content, entries.get(sizes))
            if sum(lengths) > len(content) or len(lengths) < len(places):
                raise corrupt("strips that do not share their bytes", "a TIFF of JPEGs that do")
            for place, length in zip(places, lengths, strict=False):
                check_jpeg(content, place, min(place + length, len(content)))


def memory_of(
    content: bytes, entries: Mapping[int, Entry], size: tuple[int, int], compression: int
) -> int:
    """Bytes that Pillow and libtiff hold: two pictures if it is turned, or one and a strip."""

    def first(tag: int, default: int) -> int:
        return (numbers(content, entries.get(tag), most=1) or (default,))[0]

    n_pixels = size[0] * size[1]
    n_samples, n_bits = first(SAMPLES, 1), max(numbers(content, entries.get(BITS), most=16) or (1,))
    picture = n_pixels * (1 if n_samples == 1 and n_bits <= 8 else 4)
    turned = picture if first(ORIENTATION, 1) != 1 else 0
    if compression == RAW:
        return picture + turned
    rows = first(STRIP_ROWS, 0 if TILE_WIDTH in entries else size[1])
    strip = size[0] * min(rows, size[1])
    tile = first(TILE_WIDTH, 0) * first(TILE_HEIGHT, 0)
    # libtiff unpacks a strip or tile, and turns YCbCr into RGBA besides.
    unpacked = n_samples * n_bits / 8 + (4 if first(PHOTOMETRIC, 0) == YCBCR else 0)
    return picture + max(turned, int(unpacked * max(strip, tile)))

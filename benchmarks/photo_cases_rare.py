"""GIF, WebP, BMP and TIFF at the limits and just beyond."""

import struct
import zlib
from collections.abc import Callable, Mapping

import numpy as np
from photo_cases import HIGH, WIDE, Case, jpegs, pngs
from photo_files import encoded, picture, rgb_tags, shared_bytes, tiff, turned, with_scans
from PIL import Image

STRIP_OFFSETS, STRIP_ROWS, STRIP_SIZES = 273, 278, 279
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_SIZES = 322, 323, 324, 325
PROFILE = 34675
BEYOND, PARTS, RARE = "too_many_pixels", "too_many_parts", "unsupported_format"


def all_cases() -> dict[str, Mapping[str, Case]]:
    """Format -> name -> case."""
    return {
        **{"JPEG": jpegs(), "PNG": pngs(), "GIF": gifs(), "WebP": webps()},
        **{"BMP": bmps(), "TIFF": tiffs()},
    }


def posters(width: int, height: int) -> Image.Image:
    """A picture of 16 colours."""
    return picture(width, height, "L").point(lambda value: value // 16 * 16).convert("P")


def gifs() -> dict[str, Case]:
    """50 megapixels; extensions and blocks."""

    def small(more: bytes) -> bytes:
        content = encoded(Image.new("P", (8, 8)), "GIF")
        start = content.index(b",", 13)
        return content[:start] + more + content[start:]

    def frames(n: int) -> bytes:
        content = encoded(Image.new("P", (8, 8)), "GIF")
        start = content.index(b",", 13)
        return content[:start] + (b"!\xf9\x04\0\x01\0\0\0" + content[start:-1]) * n + b";"

    def larger_frame() -> bytes:
        content = bytearray(encoded(posters(WIDE, HIGH), "GIF"))
        content[6:10] = struct.pack("<HH", 8, 8)
        return bytes(content)

    return {
        "50 megapixels": Case(lambda: encoded(posters(WIDE, HIGH), "GIF")),
        "interlaced": Case(lambda: encoded(posters(WIDE, HIGH), "GIF", interlace=1)),
        "transparent": Case(lambda: encoded(posters(WIDE, HIGH), "GIF", transparency=0)),
        "a frame larger than the screen": Case(larger_frame),
        "20,000 frames": Case(lambda: frames(20_000)),
        "1 wide": Case(lambda: encoded(posters(1, 65_535), "GIF")),
        "763 wide": Case(lambda: encoded(posters(762, 65_535), "GIF")),
        "a comment of 2 MB": Case(lambda: small(b"!\xfe" + (b"\xff" + b"a" * 255) * 8_000 + b"\0")),
        "a million blocks of a byte": Case(lambda: small(b"!\xfe" + b"\1a" * 10**6 + b"\0"), PARTS),
        "a million bytes between": Case(lambda: small(b"\1" * 1_000_000), PARTS),
        "65,535 x 65,535": Case(lambda: small(b"").replace(b"\x08\0\x08\0", b"\xff" * 4), BEYOND),
    }


def webps() -> dict[str, Case]:
    """16 megapixels."""

    def saved(width: int, height: int, mode: str = "RGB", **options: object) -> Case:
        fast = {"method": 0, "quality": 30, **options}
        return Case(lambda: encoded(picture(width, height, mode), "WEBP", **fast))

    whole = {"lossless": True}

    def claim() -> bytes:
        bits = struct.pack("<I", 6_999 | 6_999 << 14)
        body = b"WEBPVP8L" + struct.pack("<I", 15) + b"\x2f" + bits + bytes(11)
        return b"RIFF" + struct.pack("<I", len(body)) + body

    def two_frames() -> bytes:
        frame = picture(4_000, 3_900)
        return encoded(frame, "WEBP", method=0, save_all=True, append_images=[frame.rotate(180)])

    return {
        "lossy": saved(4_000, 4_000, quality=90),
        "lossless": saved(4_000, 4_000, **whole),
        "alpha": saved(4_000, 4_000, "RGBA"),
        "alpha, lossless": saved(4_000, 4_000, "RGBA", **whole),
        "alpha, turned": saved(4_000, 4_000, "RGBA", exif=turned(6)),
        "turned": saved(4_000, 4_000, exif=turned(8)),
        "16,383 wide": saved(16_383, 970),
        "16,383 high": saved(970, 16_383, **whole),
        "a profile of 4 MB": saved(4_000, 4_000, icc_profile=bytes(4_000_000)),
        "two frames": Case(two_frames),
        "7,000 x 7,000 in 43 bytes": Case(claim, BEYOND),
        "17 megapixels": Case(saved(4_200, 4_000).make, BEYOND),
        "17 megapixels, lossless": Case(saved(4_200, 4_000, **whole).make, BEYOND),
        "17 megapixels, alpha": Case(saved(4_200, 4_000, "RGBA").make, BEYOND),
    }


def bmps() -> dict[str, Case]:
    """What fits into 20 MB, and 2 megapixels of run lengths."""

    def runs(width: int, height: int, data: bytes, *, kind: int = 1, bits: int = 8) -> bytes:
        size = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, kind, len(data), 0, 0, 0, 0)
        start = 14 + 40 + (1 << bits) * 4
        return (
            b"BM"
            + struct.pack("<IHHI", start + len(data), 0, 0, start)
            + size
            + bytes(start - 54)
            + data
        )

    return {
        "24 bits": Case(lambda: encoded(picture(3_000, 2_200), "BMP")),
        "32 bits": Case(lambda: encoded(picture(2_200, 2_200, "RGBA"), "BMP")),
        "8 bits": Case(lambda: encoded(posters(4_900, 4_000), "BMP")),
        "1 bit": Case(lambda: encoded(picture(WIDE, HIGH, "L").convert("1", dither=0), "BMP")),
        "runs": Case(lambda: runs(2_000, 1_000, b"\xff\1" * 7 + b"\xd7\1\0\0" * 1_000)),
        "runs of a pixel": Case(lambda: runs(400, 400, (b"\1\1" * 400 + b"\0\0") * 400)),
        "runs of 4 bits": Case(
            lambda: runs(2_000, 1_000, (b"\xfe\x12" * 7 + b"\xde\x12\0\0") * 1_000, kind=2, bits=4)
        ),
        "empty rows": Case(lambda: runs(2_000, 1_000, b"\1\1\0\0" * 1_000)),
        "runs of 50 megapixels": Case(lambda: runs(WIDE, HIGH, b"\xff\1" * 200_000), BEYOND),
        "a million empty runs": Case(lambda: runs(2_000, 1_000, b"\0\2\0\0" * 10**6), PARTS),
        "more than 50 megapixels": Case(lambda: runs(WIDE, 6_200, b"", kind=0), BEYOND),
    }


def tiffs() -> dict[str, Case]:
    """50 megapixels in small strips; strips, tiles, tags and pages."""

    def saved(width: int, height: int, mode: str = "RGB", **options: object) -> Case:
        return Case(lambda: encoded(picture(width, height, mode, strength=0), "TIFF", **options))

    def grey(dtype: str, width: int, height: int) -> Case:
        slope = np.repeat(np.linspace(0, 60_000, width // 16 + 1), 16)[:width].astype(dtype)
        make: Callable[[], Image.Image] = lambda: Image.fromarray(np.tile(slope, (height, 1)))  # noqa: E731
        return Case(lambda: encoded(make(), "TIFF", compression="tiff_adobe_deflate"))

    def one_strip(width: int, height: int) -> bytes:
        data = zlib.compress(bytes(3 * width * height), 1)
        tags = {STRIP_OFFSETS: (4, [8]), STRIP_ROWS: (4, [height]), STRIP_SIZES: (4, [len(data)])}
        return tiff(rgb_tags(width, height, 8) | tags, data)

    def tiles(side: int, width: int, height: int, compression: int, data: bytes) -> bytes:
        n = -(-width // side) * -(-height // side)
        tags = {
            **{TILE_WIDTH: (4, [side]), TILE_HEIGHT: (4, [side])},
            **{TILE_OFFSETS: (4, [8] * n), TILE_SIZES: (4, [len(data)] * n)},
        }
        return tiff(rgb_tags(width, height, compression) | tags, data)

    def strips(width: int, n: int) -> bytes:
        tags = {
            **{STRIP_OFFSETS: (4, [8] * n), STRIP_ROWS: (3, [1])},
            STRIP_SIZES: (4, [3 * width] * n),
        }
        return tiff(rgb_tags(width, n) | tags, bytes(3 * width))

    def with_tag(tag: int, kind: int, n_numbers: int, *, height: int = 1) -> bytes:
        tags = {STRIP_OFFSETS: (4, [8]), STRIP_SIZES: (4, [24]), tag: (4, [0] * 2 * n_numbers)}
        content = tiff(rgb_tags(8, height) | tags, bytes(24))
        old, new = (
            struct.pack("<HHI", tag, k, n) for k, n in ((4, 2 * n_numbers), (kind, n_numbers))
        )
        return content.replace(old, new)

    def of_jpeg(jpeg: bytes, width: int, height: int) -> bytes:
        tags = {STRIP_OFFSETS: (4, [8]), STRIP_ROWS: (4, [height]), STRIP_SIZES: (4, [len(jpeg)])}
        return tiff(rgb_tags(width, height, 7) | tags | {262: (3, [6])}, jpeg)

    def pages(n: int) -> bytes:
        first = {STRIP_OFFSETS: (4, [8]), STRIP_SIZES: (4, [3])}
        return tiff(rgb_tags(1, 1) | first, pages_after(n), next_at=12)

    small = {"progressive": True, "quality": 85}
    return {
        "LZW": saved(WIDE, 4_500, compression="tiff_lzw"),
        "deflate": saved(WIDE, HIGH, compression="tiff_adobe_deflate"),
        "PackBits": Case(
            lambda: encoded(Image.new("RGB", (WIDE, HIGH)), "TIFF", compression="packbits")
        ),
        "JPEG": saved(WIDE, HIGH, compression="jpeg", quality=90),
        "Zstandard": saved(WIDE, HIGH, compression="zstd"),
        "fax": Case(lambda: encoded(Image.new("1", (WIDE, HIGH)), "TIFF", compression="group4")),
        "without compression": saved(3_000, 2_200),
        "RGBA": saved(WIDE, HIGH, "RGBA", compression="tiff_adobe_deflate"),
        "CMYK": saved(WIDE, HIGH, "CMYK", compression="tiff_adobe_deflate"),
        "16-bit grey": grey("uint16", WIDE, HIGH),
        "float": grey("float32", WIDE, HIGH),
        "32-bit": grey("int32", WIDE, HIGH),
        "turned": saved(6_400, 5_000, compression="tiff_adobe_deflate", exif=turned(6)),
        "turned, RGBA": saved(
            6_400, 5_000, "RGBA", compression="tiff_adobe_deflate", exif=turned(3)
        ),
        "one strip": Case(lambda: one_strip(7_200, 5_000)),
        "tiles of 256": Case(lambda: tiles(256, WIDE, HIGH, 8, zlib.compress(bytes(3 * 256**2)))),
        "tiles of 64, not compressed": Case(lambda: tiles(64, WIDE, 6_000, 1, bytes(3 * 64**2))),
        "20,000 strips": Case(lambda: strips(2_400, 20_000)),
        "762 wide": saved(762, 65_535, compression="tiff_adobe_deflate"),
        "762 high": saved(65_535, 762, compression="tiff_adobe_deflate"),
        "1,000,000 pages": Case(lambda: pages(1_000_000)),
        "a profile of 10 MB": Case(lambda: with_tag(PROFILE, 7, 1_250_000)),
        "turned, 50 megapixels": Case(
            saved(WIDE, HIGH, compression="tiff_adobe_deflate", exif=turned(6)).make, BEYOND
        ),
        "one strip of 50 megapixels": Case(lambda: one_strip(WIDE, HIGH), BEYOND),
        "tiles of 30,000 for 100 x 100": Case(
            lambda: tiles(30_000, 100, 100, 8, zlib.compress(bytes(30_000))), BEYOND
        ),
        "1 x 50,000,000": Case(lambda: one_strip(1, 50_000_000), BEYOND),
        "more than 50 megapixels": Case(lambda: one_strip(WIDE, 6_200), BEYOND),
        "60,000 strips": Case(lambda: strips(8, 60_000), PARTS),
        "2,000,000 fractions as a profile": Case(lambda: with_tag(PROFILE, 5, 2_000_000), PARTS),
        "tags that share bytes": Case(lambda: shared_bytes(2_000, 15_000_000), "corrupt"),
        "a JPEG of 10,000 scans": Case(
            lambda: of_jpeg(
                with_scans(encoded(picture(640, 480), "JPEG", **small), 10_000), 640, 480
            ),
            PARTS,
        ),
        "old JPEG": Case(lambda: of_jpeg(b"", 64, 64).replace(*old_jpeg()), RARE),
        "LZMA": saved_as(34_925),
    }


def saved_as(compression: int) -> Case:
    """A TIFF that claims a way to be compressed."""
    return Case(lambda: tiff(rgb_tags(8, 8, compression) | {STRIP_OFFSETS: (4, [8])}), RARE)


def old_jpeg() -> tuple[bytes, bytes]:
    """The entry of JPEG compression, and of JPEG as TIFF had it first."""
    new, old = (struct.pack("<HHIHH", 259, 3, 1, kind, 0) for kind in (7, 6))
    return new, old


def pages_after(n: int) -> bytes:
    """A pixel, and empty directories that follow each other."""
    one = [struct.pack("<HI", 0, 12 + 6 * (i + 1)) for i in range(n - 1)]
    return bytes(4) + b"".join([*one, bytes(6)])

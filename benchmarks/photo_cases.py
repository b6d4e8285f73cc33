"""JPEGs and PNGs at the limits and just beyond: how one is made, and what must come of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from photo_files import (
    chunk,
    encoded,
    packed_zeros,
    picture,
    png,
    segment,
    shared_bytes,
    turned,
    with_scans,
    with_segments,
)

WIDE, HIGH = 8192, 6100  # 49,971,200 pixels
LONG = 65_500  # the longest side of a JPEG in Pillow


@dataclass(frozen=True)
class Case:
    """One file.

    Args:
        make: Gives its bytes.
        code: Code of the refusal; empty where it must be decoded.
    """

    make: Callable[[], bytes]
    code: str = ""


def jpegs() -> dict[str, Case]:
    """Baseline up to 50 megapixels, progressive up to 256 MB of working memory."""

    def saved(width: int, height: int, mode: str = "RGB", **options: object) -> Case:
        strength = int(str(options.pop("strength", 3)))
        return Case(
            lambda: encoded(picture(width, height, mode, strength=strength), "JPEG", **options)
        )

    def beside(more: Callable[[], bytes], code: str = "") -> Case:
        return Case(lambda: with_segments(encoded(picture(WIDE, HIGH), "JPEG"), more()), code)

    def patched(old: bytes, new: bytes) -> Case:
        small = encoded(picture(400, 300), "JPEG")
        return Case(lambda: small.replace(old, new, 1), "unsupported_format")

    progressive = {"progressive": True, "quality": 85}
    beyond, parts = "too_many_pixels", "too_many_parts"
    return {
        "4:2:0": saved(WIDE, HIGH, quality=95),
        "4:2:2": saved(WIDE, HIGH, quality=90, subsampling=1),
        "4:4:4": saved(WIDE, HIGH, quality=90, subsampling=0),
        "nearly 20 MB": saved(WIDE, HIGH, quality=90, strength=30),
        "grey": saved(WIDE, HIGH, "L"),
        "CMYK": saved(WIDE, HIGH, "CMYK"),
        "restarts": saved(WIDE, HIGH, restart_marker_rows=1),
        **{f"turned {i}": saved(WIDE, HIGH, exif=turned(i)) for i in range(2, 9)},
        "turned, grey": saved(WIDE, HIGH, "L", exif=turned(6)),
        "turned, CMYK": saved(WIDE, HIGH, "CMYK", exif=turned(8)),
        "progressive 4:2:0": saved(7_200, 5_000, **progressive),
        "progressive 4:4:4": saved(5_000, 5_000, subsampling=0, **progressive),
        "progressive, grey": saved(WIDE, HIGH, "L", **progressive),
        "progressive, CMYK": saved(5_000, 4_200, "CMYK", subsampling=0, **progressive),
        "progressive, turned": saved(7_200, 5_000, exif=turned(6), **progressive),
        "progressive, 60 scans": Case(
            lambda: with_scans(encoded(picture(7_200, 5_000), "JPEG", **progressive), 50)
        ),
        "1 wide": saved(1, LONG),
        "1 high": saved(LONG, 1),
        "763 wide": saved(763, LONG),
        "763 high": saved(LONG, 763, exif=turned(6)),
        "a profile of 2 MB": saved(WIDE, HIGH, icc_profile=bytes(2_000_000)),
        "10 MB behind the end": Case(
            lambda: encoded(picture(WIDE, HIGH), "JPEG") + b"\xff\xda" * 5_000_000
        ),
        "10,000 comments": beside(lambda: segment(0xFE, b"") * 10_000),
        "60 segments of tables": beside(lambda: segment(0xDB, (b"\0" * 65) * 1_000) * 60),
        "60 segments of Photoshop": beside(
            lambda: segment(0xED, b"Photoshop 3.0\0" + (b"8BIM" + bytes(8)) * 5_000) * 60
        ),
        "50 megapixels and more": Case(saved(WIDE, 6_200).make, beyond),
        "progressive, 50 megapixels": Case(saved(WIDE, HIGH, **progressive).make, beyond),
        "progressive 4:4:4, 26 megapixels": Case(
            saved(5_200, 5_000, subsampling=0, **progressive).make, beyond
        ),
        "10,000 scans": Case(
            lambda: with_scans(encoded(picture(640, 480), "JPEG", **progressive), 10_000), parts
        ),
        "a million comments": beside(lambda: segment(0xFE, b"") * 1_000_000, parts),
        "10,000 EXIF blocks": beside(
            lambda: segment(0xE1, b"Exif\0\0" + bytes(40)) * 10_000, parts
        ),
        "300 segments of tables": beside(lambda: segment(0xDB, bytes(65_000)) * 200, parts),
        "EXIF tags that share bytes": beside(
            lambda: segment(0xE1, b"Exif\0\0" + shared_bytes(5_000, 65_000)), "corrupt"
        ),
        "arithmetic codes": patched(b"\xff\xc0", b"\xff\xc9"),
        "without loss": patched(b"\xff\xc0", b"\xff\xc3"),
    }


def pngs() -> dict[str, Case]:
    """50 megapixels, and at most 150 MB after unpacking."""
    kinds = {
        **{"1 bit": (1, 0), "grey": (8, 0), "16-bit grey": (16, 0), "palette": (8, 3)},
        **{"palette of 4": (2, 3), "grey and alpha": (8, 4)},
        "RGB": (8, 2),
    }
    cases = {}
    for name, (bits, colour) in kinds.items():
        for way, interlaced in (("", False), (", interlaced", True)):
            cases[f"{name}{way}"] = sized(WIDE, HIGH, bits, colour, interlaced)
    eight = b"key\0\0"
    clear = {0: b"\0\1", 2: b"\0\1\0\1\0\1", 3: b"\0\1\2"}
    return cases | {
        "RGBA": sized(6_100, 6_100, 8, 6),
        "RGBA, interlaced": sized(6_100, 6_100, 8, 6, True),
        "16-bit RGB": sized(5_000, 5_000, 16, 2),
        "16-bit RGBA": sized(4_300, 4_300, 16, 6),
        "16-bit grey and alpha": sized(6_100, 6_100, 16, 4),
        **{
            f"one clear colour, type {colour}": sized(
                WIDE, HIGH, 8, colour, before=partial(chunk, b"tRNS", data)
            )
            for colour, data in clear.items()
        },
        "turned RGB": sized(WIDE, HIGH, before=lambda: chunk(b"eXIf", turned(6)[6:])),
        "turned RGBA": sized(6_100, 6_100, 8, 6, before=lambda: chunk(b"eXIf", turned(8)[6:])),
        "turned 16-bit grey": sized(
            WIDE, HIGH, 16, 0, before=lambda: chunk(b"eXIf", turned(3)[6:])
        ),
        "1 wide": sized(1, 65_535),
        "1 high": sized(65_535, 1, 8, 6),
        "572 wide": sized(572, 65_535, 8, 6),
        "762 high": sized(65_535, 762, 16, 0),
        "a text of 2 MB": sized(
            WIDE, HIGH, before=lambda: chunk(b"tEXt", b"key\0" + b"a" * 2_000_000)
        ),
        "EXIF of 5 MB whose tags share bytes": sized(
            WIDE, HIGH, before=lambda: chunk(b"eXIf", shared_bytes(65_000, 5_000_000))
        ),
        "50,000 chunks": sized(WIDE, HIGH, before=lambda: chunk(b"prVt", b"") * 50_000),
        "APNG": Case(
            lambda: encoded(
                picture(3_000, 2_000), "PNG", save_all=True, append_images=[picture(3_000, 2_000)]
            )
        ),
        "more than 50 megapixels": sized(WIDE, 6_200, 1, 0, code="too_many_pixels"),
        "16-bit RGB of 50 megapixels": sized(WIDE, HIGH, 16, 2, code="too_many_pixels"),
        "16-bit RGBA of 19 megapixels": sized(4_400, 4_400, 16, 6, code="too_many_pixels"),
        "50 million high": sized(1, 50_000_000, 1, 0, code="too_many_pixels"),
        "50 million wide": sized(50_000_000, 1, 1, 0, code="too_many_pixels"),
        "65,536 wide": sized(65_536, 1, code="too_many_pixels"),
        "a text that unpacks to 400 MB": sized(
            8, 8, before=lambda: chunk(b"zTXt", eight + packed_zeros(400)), code="too_large"
        ),
        "100 texts that unpack to 1 MB": sized(
            *(8, 8), before=lambda: chunk(b"zTXt", eight + packed_zeros(1)) * 100, code="too_large"
        ),
        "a text with language that unpacks to 400 MB": sized(
            *(8, 8),
            before=lambda: chunk(b"iTXt", b"key\0\1\0\0\0" + packed_zeros(400)),
            code="too_large",
        ),
        "1,000 profiles that unpack to 1 MB": sized(
            *(8, 8),
            before=lambda: chunk(b"iCCP", eight + packed_zeros(1)) * 1_000,
            code="too_large",
        ),
        "a million chunks": sized(
            *(8, 8), before=lambda: chunk(b"prVt", b"") * 1_000_000, code="too_many_parts"
        ),
    }


def sized(
    width: int,
    height: int,
    bits: int = 8,
    colour: int = 2,
    interlaced: bool = False,
    *,
    before: Callable[[], bytes] = bytes,
    code: str = "",
) -> Case:
    """A PNG by hand."""
    return Case(
        lambda: png(width, height, bits, colour, interlaced=interlaced, before=before()), code
    )

"""Small files that are large inside: < 300 MB more memory and < 2 s of processor time each."""

import gzip
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from benchmarks.children import Cost, cost_of
from benchmarks.photo_files import chunk, encoded, packed_zeros, rgb_tags, tiff, turned
from benchmarks.promises.base import Outcome, Promise, Settings
from encoders.image.photo import PhotoError, load_photo
from encoders.text.tiny_bert import tiny_checkpoint
from fusion.choices.encoders import EncoderChoices
from fusion.errors import FusionError
from fusion.shards import DataPaths, InProcessEngine, JobSettings, embed_catalogue

MOST_MB, MOST_S = 300, 2.0
TABLE = "a packed table with a cell of 1 GB"
LIMIT_MB = 6_000  # so that a broken promise ends the case and not the machine
Make = Callable[[], bytes]


def png(width: int, height: int, *, packed: bytes, before: bytes = b"") -> bytes:
    """A PNG file of three channels with any header and any packed pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = before + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + body


def frames_gif(n_frames: int) -> bytes:
    """A GIF of many frames."""
    small = encoded(Image.new("P", (8, 8)), "GIF")
    start = small.index(b",", 13)
    frame = b"!\xf9\x04\0\x01\0\0\0" + small[start:-1]
    return small[:start] + frame * n_frames + b";"


def scans_jpeg(n_scans: int) -> bytes:
    """A progressive JPEG whose last scan, a few bytes that change nothing, comes many times."""
    whole = encoded(Image.new("RGB", (2000, 2000), "red"), "JPEG", progressive=True, quality=20)
    scan = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + scan * n_scans + whole[-2:]


def tiled_tiff() -> bytes:
    """A TIFF of 100 x 100 pixels whose one tile claims 30,000 x 30,000."""
    tile = {322: (4, [30_000]), 323: (4, [30_000]), 324: (4, [8]), 325: (4, [100])}
    return tiff(rgb_tags(100, 100, 8) | tile, zlib.compress(bytes(100_000))[:100])


def profile_png() -> bytes:
    """A PNG with a colour profile that unpacks to 400 MB."""
    row = zlib.compress(b"\0" + bytes(24))
    return png(8, 1, packed=row, before=chunk(b"iCCP", b"p\0\0" + packed_zeros(400)))


def entities() -> bytes:
    """XML whose entities multiply."""
    return b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "' + b"x" * 10**6 + b'">]>'


PHOTOS: dict[str, Make] = {
    "a header of 400 megapixels": lambda: png(20_000, 20_000, packed=b"x"),
    "a header of 2^62 pixels": lambda: png(2**31 - 1, 2**31 - 1, packed=b"x"),
    "a GIF of 20,000 frames": lambda: frames_gif(20_000),
    "pixels that unpack to 500 MB": lambda: png(8, 8, packed=packed_zeros(500)),
    "a profile that unpacks to 400 MB": profile_png,
    "a gzip file of 1 GB": lambda: gzip.compress(bytes(10**7)) * 100,
    "1 x 50,000,000 pixels": lambda: png(1, 50_000_000, packed=packed_zeros(200)),
    "50,000,000 x 1 pixels": lambda: png(50_000_000, 1, packed=packed_zeros(151)),
    "a WebP of one colour, 7,000 x 7,000": lambda: encoded(Image.new("RGB", (7000, 7000)), "WEBP"),
    "a TIFF tile of 30,000 x 30,000": tiled_tiff,
    "a turned JPEG of 49 megapixels": lambda: encoded(
        Image.new("RGB", (7000, 7000), "red"), "JPEG", exif=turned(6)
    ),
    "a JPEG of 5,000 empty scans": lambda: scans_jpeg(5_000),
    "entities that multiply": entities,
}
TEXTS: dict[str, str] = {
    "10 MB of words": "word " * 2_000_000,
    "a word of 10 MB": "a" * 10_000_000,
    "a million combining marks": "e" + "\u0301" * 999_999,
    "a million words": "a " * 500_000,
    "a million line ends": "a" + "\n" * 999_998 + "b",
    "a million emoji": "\U0001f469\u200d\U0001f4bb" * 333_333,
}


def run(settings: Settings) -> Outcome:
    """Photos decoded alone and in a job, texts and a packed table, each in a process of its own."""
    folder = settings.folder
    (folder / "photos").mkdir()
    small = encoded(Image.new("RGB", (24, 24), "red"), "PNG")
    (folder / "photos" / "good.png").write_bytes(small)
    embed(folder, [("x", "good.png")], folder / "warm")  # imports are not a bomb's cost
    load_photo(small)
    outcome = Outcome()
    worst: list[tuple[float, float, str]] = []
    names = [*PHOTOS, *TEXTS, TABLE]
    for number, name in enumerate(settings.some(names)):
        for kind, work in _works(name, folder, number):
            cost = cost_of(work, limit_mb=LIMIT_MB)
            outcome.case(f"{name}, {kind}", _broken(cost))
            worst.append((cost.megabytes, cost.cpu_s, f"{name}, {kind}"))
    for megabytes, seconds, name in sorted(worst)[-3:]:
        outcome.detail.append(f"{name}: {megabytes:.0f} MB, {seconds:.1f} s")
    return outcome


def _works(name: str, folder: Path, number: int) -> list[tuple[str, Callable[[], Any]]]:
    out = folder / f"out{number}"
    if name == TABLE:
        items = folder / f"{number}.csv.gz"
        items.write_bytes(gzip.compress(b'id,title\n1,"') + gzip.compress(b"a" * 10**7) * 100)
        return [("in a job", partial(_refused, items, out))]
    rows = [(TEXTS.get(name, "red coat"), "good.png"), ("blue coat", "good.png")]
    works: list[tuple[str, Callable[[], Any]]] = []
    if name in PHOTOS:
        content = PHOTOS[name]()
        (folder / "photos" / f"{number}.jpg").write_bytes(content)
        rows[0] = ("red coat", f"{number}.jpg")
        works = [("decoded", partial(_decode, content))]
    return [*works, ("in a job", partial(embed, folder, rows, out))]


def embed(folder: Path, rows: list[tuple[str, str]], out: Path) -> int:
    """Embeds rows of texts and photos in a job; how many became error records."""
    cells = [(f"p{place}", *row) for place, row in enumerate(rows)]
    items = folder / f"{out.name}.csv"
    pd.DataFrame(cells, columns=["id", "title", "photo"]).to_csv(items, index=False)
    asked = JobSettings(
        encoders=EncoderChoices({"text": str(tiny_checkpoint()), "image": "colour_texture"}),
        columns={"id": ["id"], "text": ["title"], "image": ["photo"]},
    )
    paths = DataPaths(items, folder / "photos")
    result = embed_catalogue(paths, out, asked, engine=InProcessEngine())
    if result.n_rows != len(rows) or result.n_failed > 1 or result.failed_shards:
        raise AssertionError(f"one row at most may fail, got {result.state}")
    return int(result.n_failed)


def _decode(content: bytes) -> str:
    try:
        load_photo(content)
    except PhotoError as error:
        return error.code
    return "decoded"


def _refused(items: Path, out: Path) -> str:
    try:
        embed_catalogue(DataPaths(items), out, JobSettings(), engine=InProcessEngine())
    except FusionError as error:
        return str(error)
    raise AssertionError("a packed table must be refused")


def _broken(cost: Cost) -> str:
    if cost.raised:
        return f"ended with {cost.answer}"
    if cost.megabytes >= MOST_MB or cost.cpu_s >= MOST_S:
        return f"{cost.megabytes:.0f} MB and {cost.cpu_s:.1f} s"
    return ""


PROMISE = Promise("bombs: < 300 MB more memory and < 2 s each", run)

"""Bad rows never stop or shift a job: each becomes one record, no other row changes by a bit."""

import io
import random
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
from PIL import Image

from benchmarks.promises.base import Outcome, Promise, Settings
from encoders.image.photo_file import MAX_BYTES
from encoders.text.tiny_bert import tiny_checkpoint
from fusion.choices.encoders import EncoderChoices
from fusion.shards import DataPaths, InProcessEngine, JobSettings, embed_catalogue, verify_job
from fusion.shards.job import JobResult

N_PHOTOS = 24
WORDS = "red blue wool cotton coat dress shoe lamp table soft warm large small".split()
HEAD = b"id,title,photo\n"
Kind = tuple[str, str]


def encoded(image: Image.Image, format_name: str) -> bytes:
    """A photo file."""
    buffer = io.BytesIO()
    image.save(buffer, format_name)
    return buffer.getvalue()


def noise(seed: int, side: int = 24) -> Image.Image:
    """A photo of random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def chunk(name: bytes, data: bytes) -> bytes:
    """A piece of a PNG file, with its checksum."""
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png_of_400_megapixels() -> bytes:
    """A small file whose header claims 20,000 x 20,000 pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + body


def bad_contents() -> dict[str, bytes]:
    """Contents of bad photo files by the reason that they are refused for."""
    jpeg = encoded(noise(0, side=64), "JPEG")
    holes = np.ones((8, 8), dtype=np.float32)
    holes[2, 3] = np.nan
    return {
        "photo_empty": b"",
        "photo_truncated": jpeg[: len(jpeg) // 2],
        "photo_not_an_image": b"a jumper of red wool",
        "photo_too_many_pixels": png_of_400_megapixels(),
        "photo_unsupported_format": b"%PDF-1.7\n1 0 obj\n",
        "photo_corrupt": b"GIF89a\x08\0\x08\0",
        "photo_not_finite": encoded(Image.fromarray(holes), "TIFF"),
    }


def make_photos(folder: Path) -> None:
    """Photos that a table names: sound, bad, and outside of the photo folder."""
    photos = folder / "photos"
    (photos / "folder.jpg").mkdir(parents=True)
    for number in range(N_PHOTOS):
        (photos / f"{number}.png").write_bytes(encoded(noise(number), "PNG"))
    for reason, content in bad_contents().items():
        (photos / f"{reason}.jpg").write_bytes(content)
    with (photos / "huge.jpg").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    (folder / "secret.png").write_bytes(encoded(noise(1), "PNG"))
    (photos / "link.png").symlink_to(folder / "secret.png")


# Stage and reason -> what stands in place of id, title and photo; None: as it was.
BAD_LINES: dict[Kind, list[tuple[bytes | None, bytes | None, bytes | None]]] = {
    ("encode", reason): [(None, None, f"{reason}.jpg".encode())] for reason in bad_contents()
} | {
    ("encode", "photo_too_large"): [(None, None, b"huge.jpg")],
    ("read", "photo_missing"): [(None, None, b"gone.png"), (None, None, b"%2e%2e/secret.png")],
    ("read", "photo_not_a_file"): [(None, None, b"folder.jpg")],
    ("read", "photo_outside"): [
        (None, None, b"../secret.png"),
        (None, None, b"/etc/passwd"),
        (None, None, b"link.png"),
        (None, None, b"..\\secret.png"),
    ],
    ("read", "photo_url"): [(None, None, b"https://example.org/a.png")],
    ("read", "photo_name"): [(None, None, b"a\0.png")],
    ("read", "text_nul"): [(None, b"red\0coat", None)],
    ("read", "line_not_utf8"): [(None, b"gr\xf6n", None), (None, b"lone \xed\xa0\x80", None)],
    ("read", "line_cells"): [(None, b"red, coat", None)],
    ("read", "id_duplicate"): [(b"item0", None, None)],
    ("read", "id_missing"): [(b"", None, None), (b"  ", None, None)],
}
WITHOUT_ID = ("line_cells", "line_not_utf8", "id_missing", "id_duplicate")


def drawn_kinds(n_rows: int, n_bad: int, *, seed: int) -> list[Kind | None]:
    """Which rows are bad, and why; each kind stands there, the first row is good."""
    draw = random.Random(seed)
    kinds = list(BAD_LINES)
    chosen = [kinds[place % len(kinds)] for place in range(n_bad)]
    draw.shuffle(chosen)
    rows: list[Kind | None] = [None] * n_rows
    for row, kind in zip(draw.sample(range(1, n_rows), n_bad), chosen, strict=True):
        rows[row] = kind
    return rows


def lines(kinds: Sequence[Kind | None], *, seed: int) -> list[bytes]:
    """Lines of the table, bad ones as their kind says."""
    draw = random.Random(seed)
    found = []
    for row, kind in enumerate(kinds):
        title = " ".join(draw.choices(WORDS, k=draw.randint(1, 12)))
        photo = f"{draw.randrange(N_PHOTOS)}.png" if draw.random() < 0.9 else ""
        given = [f"item{row}".encode(), title.encode(), photo.encode()]
        if kind is not None:
            other = draw.choice(BAD_LINES[kind])
            given = [new if new is not None else old for old, new in zip(given, other, strict=True)]
        found.append(b",".join(given) + b"\n")
    return found


def embed(items: Path, photos: Path | None, out: Path, **options: Any) -> JobResult:
    """A job with tiny encoders; what `verify_job` finds is an error."""
    asked = JobSettings(
        encoders=EncoderChoices({"text": str(tiny_checkpoint()), "image": "colour_texture"}),
        columns={"id": ["id"], "text": ["title"], "image": ["photo"]},
        **options,
    )
    result = embed_catalogue(DataPaths(items, photos), out, asked, engine=InProcessEngine())
    assert verify_job(out) == []
    return result


def table_of(out: Path, kind: str) -> pa.Table:
    """Embeddings or error records of a job, in the order of its rows."""
    return ds.dataset(out / kind).to_table().sort_by("row")


def without_rows(out: Path) -> pa.Table:
    """Everything about the embedded rows but their positions in the table."""
    return table_of(out, "embeddings").drop_columns(["row"])


def embed_with_and_without(
    kinds: Sequence[Kind | None], folder: Path
) -> tuple[JobResult, JobResult]:
    """Embeds rows of some kinds into `all`, and the good ones among them into `good`."""
    make_photos(folder)
    written = lines(kinds, seed=1)
    good = [line for line, kind in zip(written, kinds, strict=True) if kind is None]
    results = []
    for name, rows in {"all": written, "good": good}.items():
        (folder / f"{name}.csv").write_bytes(HEAD + b"".join(rows))
        photos, out = folder / "photos", folder / name
        results.append(embed(folder / f"{name}.csv", photos, out, shard_rows=len(kinds) // 3))
    return results[0], results[1]


def run(settings: Settings) -> Outcome:
    """10,000 rows, 537 of them bad, beside a job of the good ones alone."""
    n_rows, n_bad = settings.n(10_000, least=100), settings.n(537, least=len(BAD_LINES))
    folder = settings.folder
    kinds = drawn_kinds(n_rows, n_bad, seed=0)
    embed_with_and_without(kinds, folder)
    outcome = Outcome(detail=[f"{n_bad:,} bad rows of {len(BAD_LINES)} kinds"])
    _count_records(outcome, folder / "all", kinds)
    _count_embedded(outcome, folder)
    return outcome


def _count_records(outcome: Outcome, out: Path, kinds: Sequence[Kind | None]) -> None:
    records: dict[int, list[Kind]] = {}
    for error in table_of(out, "errors").to_pylist():
        records.setdefault(error["row"], []).append((error["stage"], error["reason"]))
    for row, kind in enumerate(kinds):
        wanted = [] if kind is None else [kind]
        got = records.get(row, [])
        if kind is not None:
            outcome.case(f"row {row}", "" if got == wanted else f"wanted {wanted}, got {got}")
        elif got:
            outcome.case(f"row {row}", f"a good row has a record: {got}")


def _count_embedded(outcome: Outcome, folder: Path) -> None:
    ours, theirs = without_rows(folder / "all"), without_rows(folder / "good")
    n_rows = theirs.num_rows
    if ours.num_rows != n_rows:
        broken = f"{ours.num_rows} rows are embedded"
        outcome.cases("good rows", tried=n_rows, failed=n_rows, broken=broken)
        return
    failed = 0
    if not ours.equals(theirs):
        pairs = zip(ours.to_pylist(), theirs.to_pylist(), strict=True)
        failed = sum(one != other for one, other in pairs)
    outcome.cases("good rows", tried=n_rows, failed=failed, broken="other bits than alone")


PROMISE = Promise("bad rows never stop or shift a job", run)

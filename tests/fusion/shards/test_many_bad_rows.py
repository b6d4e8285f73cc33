"""Bad rows of every kind: each becomes one record, and no other row changes by a bit."""

import io
import os
import random
import struct
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from PIL import Image

from encoders.photo_file import MAX_BYTES
from encoders.tiny_bert import tiny_checkpoint
from fusion.build import EncoderChoice
from fusion.shards import (
    JobSettings,
    Places,
    embed_catalogue,
    job_status,
    run_shard,
    verify_job,
)
from fusion.shards.job import JobResult

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads do not survive a fork

N_PHOTOS = 24
WORDS = "red blue wool cotton coat dress shoe lamp table soft warm large small".split()
HEAD = b"id,title,photo\n"
Kind = tuple[str, str]


class InProcess:
    def run(self, folder: Path, shards: Sequence[int], log: Any) -> dict[int, str]:
        for shard in shards:
            log.done(run_shard(folder, shard))
        return {}


def run(items: Path, photos: Path | None, out: Path, **options: Any) -> JobResult:
    asked = JobSettings(
        choice=EncoderChoice(text=str(tiny_checkpoint()), image="colour_texture"),
        columns={"id": ["id"], "text": ["title"], "image": ["photo"]},
        **options,
    )
    result = embed_catalogue(Places(items, photos), out, asked, engine=InProcess())
    assert verify_job(out) == []
    return result


def table_of(out: Path, kind: str) -> pa.Table:
    return ds.dataset(out / kind).to_table().sort_by("row")


def encoded(image: Image.Image, format_name: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name)
    return buffer.getvalue()


def noise(seed: int, side: int = 24) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def chunk(name: bytes, data: bytes) -> bytes:
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png_of_400_megapixels() -> bytes:
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


def without_rows(out: Path) -> pa.Table:
    """Everything about the embedded rows but their positions in the table."""
    return table_of(out, "embeddings").drop_columns(["row"])


@pytest.mark.parametrize(
    ("n_rows", "n_bad"), [(600, 60), pytest.param(10_000, 537, marks=pytest.mark.slow)]
)
def test_each_bad_row_is_a_record_and_the_others_are_equal_bit_by_bit(
    tmp_path: Path, n_rows: int, n_bad: int
) -> None:
    make_photos(tmp_path)
    kinds = drawn_kinds(n_rows, n_bad, seed=0)
    written = lines(kinds, seed=1)
    good = [line for line, kind in zip(written, kinds, strict=True) if kind is None]
    (tmp_path / "all.csv").write_bytes(HEAD + b"".join(written))
    (tmp_path / "good.csv").write_bytes(HEAD + b"".join(good))
    shards = {"shard_rows": n_rows // 3}
    result = run(tmp_path / "all.csv", tmp_path / "photos", tmp_path / "all", **shards)
    clean = run(tmp_path / "good.csv", tmp_path / "photos", tmp_path / "good", **shards)
    assert (result.n_rows, result.n_failed, result.failed_shards) == (n_rows, n_bad, {})
    assert (clean.n_rows, clean.n_failed) == (n_rows - n_bad, 0)
    errors = table_of(tmp_path / "all", "errors").to_pylist()
    wanted = {row: kind for row, kind in enumerate(kinds) if kind is not None}
    assert len(errors) == n_bad
    assert {e["row"]: (e["stage"], e["reason"]) for e in errors} == wanted
    assert len(set(wanted.values())) == len(BAD_LINES) >= 14
    for error in errors:
        assert error["reason"] in WITHOUT_ID or error["id"] == f"item{error['row']}"
        assert error["message"] and error["file"] == "all.csv"
    status = job_status(tmp_path / "all")
    assert (status.n_embedded, status.n_failed) == (n_rows - n_bad, n_bad)
    assert status.reasons == Counter(reason for _, reason in wanted.values())
    assert f"{n_bad} failed" in result.state
    assert without_rows(tmp_path / "all").num_rows == n_rows - n_bad
    assert without_rows(tmp_path / "all").equals(without_rows(tmp_path / "good"))


BYTES_FAULTS = [*(("encode", reason) for reason in bad_contents()), ("encode", "photo_too_large")]
CELL_FAULTS = {"text_nul": ("title", "a\0b"), "id_missing": ("id", None)}
CELL_FAULTS |= {"id_duplicate": ("id", "item0"), "text_too_long": ("title", "a" * 1_000_001)}


def parquet_rows(n_rows: int, n_bad: int) -> tuple[list[dict[str, Any]], dict[int, Kind]]:
    """Rows with photos as bytes, and which of them are bad, and why."""
    draw = random.Random(2)
    photos = [encoded(noise(number), "PNG") for number in range(20)]
    rows: list[dict[str, Any]] = [
        {"id": f"item{row}", "title": " ".join(draw.choices(WORDS, k=5)), "photo": photos[row % 20]}
        for row in range(n_rows)
    ]
    faults = BYTES_FAULTS + [("read", reason) for reason in CELL_FAULTS]
    wanted = {}
    for place, row in enumerate(draw.sample(range(1, n_rows), n_bad)):
        stage, reason = wanted[row] = faults[place % len(faults)]
        if stage == "encode":
            rows[row]["photo"] = bad_contents().get(reason, b"GIF89a" + bytes(MAX_BYTES))
        else:
            column, cell = CELL_FAULTS[reason]
            rows[row][column] = cell
    return rows, wanted


def test_bad_photo_bytes_in_a_parquet_column_are_records_and_change_no_other_row(
    tmp_path: Path,
) -> None:
    rows, wanted = parquet_rows(120, 24)
    good = [row for place, row in enumerate(rows) if place not in wanted]
    for name, some in {"all": rows, "good": good}.items():
        path = tmp_path / f"{name}.parquet"
        pq.write_table(pa.Table.from_pylist(some), path, row_group_size=50)
        run(path, None, tmp_path / name, shard_rows=32)
    errors = table_of(tmp_path / "all", "errors").to_pylist()
    assert {e["row"]: (e["stage"], e["reason"]) for e in errors} == wanted
    assert without_rows(tmp_path / "all").equals(without_rows(tmp_path / "good"))


def test_with_absent_a_bad_value_is_named_and_the_rest_of_its_row_is_embedded(
    tmp_path: Path,
) -> None:
    make_photos(tmp_path)
    kinds = drawn_kinds(120, 50, seed=4)
    (tmp_path / "items.csv").write_bytes(HEAD + b"".join(lines(kinds, seed=5)))
    places = (tmp_path / "items.csv", tmp_path / "photos")
    run(*places, tmp_path / "record", shard_rows=50)
    run(*places, tmp_path / "absent", shard_rows=50, on_bad_rows="absent")
    rows = table_of(tmp_path / "absent", "embeddings").to_pylist()
    for row in rows:
        kind = kinds[row["row"]]
        assert row["warnings"] == ([] if kind is None else [kind[1]])
        assert (row["image_embedding"] is None) == (not row["image_present"])
        assert not (row["image_present"] and kind and kind[1].startswith("photo_"))
        assert not (row["text_present"] and kind and kind[1].startswith("text_"))
    left = {row["row"] for row in rows}
    gone = {row for row, kind in enumerate(kinds) if kind and kind[1].startswith(("line", "id"))}
    assert left == set(range(120)) - gone
    strict = table_of(tmp_path / "record", "embeddings").to_pylist()
    assert [row for row in rows if kinds[row["row"]] is None] == strict


def test_two_runs_write_the_same_records_of_bad_rows(tmp_path: Path) -> None:
    make_photos(tmp_path)
    kinds = drawn_kinds(60, 40, seed=6)
    (tmp_path / "items.csv").write_bytes(HEAD + b"".join(lines(kinds, seed=7)))
    for out in (tmp_path / "first", tmp_path / "second"):
        run(tmp_path / "items.csv", tmp_path / "photos", out)
    for name in ("embeddings/part-000000.parquet", "errors/part-000000.parquet"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()

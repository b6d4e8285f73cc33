"""Tables in every shape: the same rows give the same embeddings, whatever file holds them."""

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from PIL import Image

from encoders.text.tiny_bert import tiny_checkpoint
from fusion.choices.encoders import EncoderChoices
from fusion.errors import CatalogueError, ConfigError, FusionError, JobError
from fusion.shards import (
    DataPaths,
    InProcessEngine,
    JobSettings,
    embed_catalogue,
    read_embeddings,
    read_plan,
    verify_job,
)
from fusion.shards.embedder import Embedder

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads do not survive a fork

N_ROWS = 24
TITLES = [f"item {row} " + "red wool " * (row % 5) for row in range(N_ROWS)]
TITLES[3:8] = [
    'a "quoted" title, with a comma',
    "two\nlines",
    "three\r\nlines",
    '12" tv',
    "größe 38 à Åland",
]
NAMES = [f"{row % 10}.png" for row in range(N_ROWS)]


def embedded(paths: DataPaths, out: Path, *, image: str = "photo", **options: Any) -> pa.Table:
    """All rows of a job that read columns id, title and photos, in order."""
    asked = JobSettings(
        encoders=EncoderChoices({"text": str(tiny_checkpoint()), "image": "colour_texture"}),
        columns={"id": ["id"], "text": ["title"], "image": [image]},
        **{"shard_rows": 1000, **options},
    )
    embed_catalogue(paths, out, asked, engine=InProcessEngine())
    assert verify_job(out) == []
    return ds.dataset(out / "embeddings").to_table().sort_by("row")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, and the rows as a CSV file."""
    folder = tmp_path_factory.mktemp("shop")
    random = np.random.default_rng(0)
    (folder / "photos").mkdir()
    for name in sorted(set(NAMES)):
        pixels = random.integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / name)
    with (folder / "items.csv").open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["id", "title", "photo"])
        lines.writerows([f"p{row}", TITLES[row], NAMES[row]] for row in range(N_ROWS))
    return folder


@pytest.fixture(scope="module")
def expected(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """Embeddings of the CSV file in one shard."""
    out = tmp_path_factory.mktemp("out")
    return embedded(DataPaths(shop / "items.csv", shop / "photos"), out)


def rows_table(shop: Path) -> pa.Table:
    """The rows with photos by name, as bytes, and as the package datasets writes them."""
    contents = [(shop / "photos" / name).read_bytes() for name in NAMES]
    both = [{"bytes": c, "path": n} for c, n in zip(contents, NAMES, strict=True)]
    return pa.table(
        {
            "id": [f"p{row}" for row in range(N_ROWS)],
            "title": TITLES,
            "photo": NAMES,
            "content": pa.array(contents, pa.binary()),
            "image": pa.array(both, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        }
    )


@pytest.mark.parametrize("shard_rows", [1, 2, 3, 7])
def test_shards_may_end_at_any_row(
    shop: Path, expected: pa.Table, tmp_path: Path, shard_rows: int
) -> None:
    got = embedded(DataPaths(shop / "items.csv", shop / "photos"), tmp_path, shard_rows=shard_rows)
    assert got.equals(expected)


def test_a_saved_index_with_a_name_is_the_column_of_ids(shop: Path, tmp_path: Path) -> None:
    frame = rows_table(shop).to_pandas()
    frame.loc[1, "id"] = "p0"
    frame.set_index("id").to_parquet(tmp_path / "items.parquet")
    got = embedded(DataPaths(tmp_path / "items.parquet", shop / "photos"), tmp_path / "out")
    errors = ds.dataset(tmp_path / "out" / "errors").to_table().to_pylist()
    assert [(error["row"], error["reason"]) for error in errors][:1] == [(1, "id_duplicate")]
    assert got.column("id").to_pylist()[:2] == ["p0", "p2"]


@pytest.mark.parametrize("image", ["photo", "content", "image"])
def test_a_parquet_file_gives_the_embeddings_of_the_csv(
    shop: Path, expected: pa.Table, tmp_path: Path, image: str
) -> None:
    pq.write_table(rows_table(shop), tmp_path / "items.parquet", row_group_size=7)
    photos = shop / "photos" if image == "photo" else None
    paths = DataPaths(tmp_path / "items.parquet", photos)
    assert embedded(paths, tmp_path / "out", image=image, shard_rows=3).equals(expected)


def test_a_folder_of_files_gives_the_embeddings_of_one(
    shop: Path, expected: pa.Table, tmp_path: Path
) -> None:
    table, items = rows_table(shop), tmp_path / "items"
    (items / "more").mkdir(parents=True)
    pq.write_table(table.slice(0, 10), items / "a.parquet", row_group_size=4)
    pq.write_table(table.slice(10, 0), items / "b.parquet")
    pq.write_table(table.slice(10, 9), items / "c.parquet", row_group_size=2)
    pq.write_table(table.slice(19), items / "more" / "d.parquet")
    (items / "_SUCCESS").write_bytes(b"")
    (items / ".hidden.parquet").write_bytes(b"no table")
    assert embedded(DataPaths(items, shop / "photos"), tmp_path / "out").equals(expected)


def test_a_folder_of_csv_files_whose_first_has_no_rows_is_read(
    shop: Path, expected: pa.Table, tmp_path: Path
) -> None:
    items = tmp_path / "items"
    items.mkdir()
    (items / "a.csv").write_text("id,title,photo\n", encoding="utf-8")
    (items / "b.csv").write_bytes((shop / "items.csv").read_bytes())
    assert embedded(DataPaths(items, shop / "photos"), tmp_path / "out").equals(expected)
    choice = EncoderChoices({"text": str(tiny_checkpoint()), "image": "colour_texture"})
    found = JobSettings(encoders=choice, columns={"id": ["id"]})  # text and photos: found by itself
    paths = DataPaths(items, shop / "photos")
    embed_catalogue(paths, tmp_path / "found", found, engine=InProcessEngine())
    assert read_plan(tmp_path / "found").schema.columns_of("image") == ("photo",)


def test_an_image_data_set_may_have_no_photo_in_a_row(tmp_path: Path) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    photo = io.BytesIO()
    Image.new("RGB", (24, 24), "red").save(photo, "PNG")
    cells = [{"bytes": photo.getvalue(), "path": None}, {"bytes": None, "path": None}, None]
    table = pa.table({"id": ["a", "b", "c"], "title": ["x"] * 3, "image": pa.array(cells, kind)})
    pq.write_table(table, tmp_path / "items.parquet")
    got = embedded(DataPaths(tmp_path / "items.parquet"), tmp_path / "out", image="image")
    assert got["image_present"].to_pylist() == [True, False, False]
    assert got["image_embedding"].is_valid().to_pylist() == [True, False, False]


@pytest.mark.parametrize("content", [b"id,title,photo\n", b"id,title,photo\r\n\r\n"])
def test_a_table_without_rows_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    for columns in ({}, {"id": ["id"], "text": ["title"], "image": []}):
        asked = JobSettings(
            encoders=EncoderChoices({"text": str(tiny_checkpoint())}), columns=columns
        )
        with pytest.raises(CatalogueError, match="must hold rows, got a header alone"):
            embed_catalogue(
                DataPaths(tmp_path / "t.csv"), tmp_path / "out", asked, engine=InProcessEngine()
            )


def damaged_pages(path: Path) -> None:
    rows = range(5000)
    pq.write_table(pa.table({"id": [f"p{n}" for n in rows], "title": ["x"] * 5000}), path)
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 4, len(content) // 4 + 2000):
        content[place] ^= 0x5A
    path.write_bytes(content)


def half_a_file(path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"], "title": ["x"]}), path)
    path.write_bytes(path.read_bytes()[:-20])


def other_bytes_than_utf8(path: Path) -> None:
    offsets = pa.py_buffer(np.array([0, 2, 4], dtype=np.int32).tobytes())
    title = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"\xff\xfeok")])
    pq.write_table(pa.table({"id": ["a", "b"], "title": title}), path)


def a_column_twice(path: Path) -> None:
    pq.write_table(pa.table([["a"], ["b"]], names=["id", "id"]), path)


@pytest.mark.parametrize(
    "make", [damaged_pages, half_a_file, other_bytes_than_utf8, a_column_twice]
)
def test_a_damaged_parquet_file_is_refused_by_name(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "t.parquet")
    asked = JobSettings(
        encoders=EncoderChoices({"text": str(tiny_checkpoint())}),
        columns={"id": ["id"], "text": ["title"], "image": []},
    )
    paths = DataPaths(tmp_path / "t.parquet")
    with pytest.raises(CatalogueError, match=r"^t\.parquet must "):
        embed_catalogue(paths, tmp_path / "out", asked, engine=InProcessEngine())


def test_files_of_two_kinds_are_refused(shop: Path, tmp_path: Path) -> None:
    pq.write_table(rows_table(shop), tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_bytes((shop / "items.csv").read_bytes())
    with pytest.raises(CatalogueError, match=r"of one of these kinds, got \.csv, \.parquet"):
        embedded(DataPaths(tmp_path, shop / "photos"), tmp_path.parent / f"{tmp_path.name}-out")


def test_an_output_folder_inside_the_items_folder_is_refused(shop: Path, tmp_path: Path) -> None:
    pq.write_table(rows_table(shop), tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match="out must not lie in the folder of the items"):
        embedded(DataPaths(tmp_path, shop / "photos"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_without_a_column_of_the_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,title,photo\na,red coat,\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("id,name\nb,blue coat\n", encoding="utf-8")
    with pytest.raises(FusionError, match=r"b\.csv"):
        embedded(DataPaths(tmp_path, tmp_path), tmp_path.parent / f"{tmp_path.name}-out")


def test_columns_may_have_names_of_any_letters(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("nº,größe\na,klein\nb,groß\n", encoding="utf-8")
    asked = JobSettings(
        encoders=EncoderChoices({"text": str(tiny_checkpoint())}),
        columns={"id": ["nº"], "text": ["größe"], "image": []},
    )
    embed_catalogue(
        DataPaths(tmp_path / "t.csv"), tmp_path / "out", asked, engine=InProcessEngine()
    )
    assert read_embeddings(tmp_path / "out", "text").ids == ["a", "b"]


def errors_of(out: Path) -> list[dict[str, Any]]:
    table = ds.dataset(out / "errors").to_table().sort_by("row")
    return [dict(row) for row in table.to_pylist()]


@pytest.mark.parametrize("shard_rows", [1, 2, 100])
def test_repeated_ids_name_the_first_row_across_files_and_shards(
    tmp_path: Path, shard_rows: int
) -> None:
    items = tmp_path / "items"
    items.mkdir()
    ids = [["a", "à", "c", "a"], ["Å", "c", "d"], ["", "", " a\xa0"]]
    for number, names in enumerate(ids):
        lines = ["id,title", *(f"{name},red coat" for name in names)]
        (items / f"{number}.csv").write_text("\n".join(lines), encoding="utf-8")
    asked = JobSettings(
        encoders=EncoderChoices({"text": str(tiny_checkpoint())}),
        columns={"id": ["id"], "text": ["title"], "image": []},
        shard_rows=shard_rows,
    )
    embed_catalogue(DataPaths(items), tmp_path / "out", asked, engine=InProcessEngine())
    assert [
        (e["row"], e["file"], e["stage"], e["reason"], e["column"], e["id"].strip())
        for e in errors_of(tmp_path / "out")
    ] == [
        (3, "0.csv", "read", "id_duplicate", "id", "a"),
        (5, "1.csv", "read", "id_duplicate", "id", "c"),
        (7, "2.csv", "read", "id_missing", "id", ""),
        (8, "2.csv", "read", "id_missing", "id", ""),
        (9, "2.csv", "read", "id_duplicate", "id", "a"),
    ]
    words = [e["message"] for e in errors_of(tmp_path / "out") if e["reason"] == "id_duplicate"]
    assert [text.split(" of ")[1] for text in words] == [
        "row 1 again (column id)",
        "row 3 again (column id)",
        "row 1 again (column id)",
    ]
    assert read_embeddings(tmp_path / "out", "text").ids == ["a", "à", "c", "Å", "d"]


def test_long_numbers_as_ids_keep_every_digit_beside_a_missing_one(tmp_path: Path) -> None:
    ids = pa.array([9007199254740993, None, 9007199254740992, 9007199254740993], pa.int64())
    pq.write_table(pa.table({"id": ids, "title": ["red coat"] * 4}), tmp_path / "t.parquet")
    asked = JobSettings(
        encoders=EncoderChoices({"text": str(tiny_checkpoint())}),
        columns={"id": ["id"], "text": ["title"], "image": []},
    )
    embed_catalogue(
        DataPaths(tmp_path / "t.parquet"), tmp_path / "out", asked, engine=InProcessEngine()
    )
    found = read_embeddings(tmp_path / "out", "text").ids
    assert found == ["9007199254740993", "9007199254740992"]
    assert [e["reason"] for e in errors_of(tmp_path / "out")] == ["id_missing", "id_duplicate"]


def test_half_precision_halves_the_vectors_and_keeps_three_digits(
    shop: Path, expected: pa.Table, tmp_path: Path
) -> None:
    paths = DataPaths(shop / "items.csv", shop / "photos")
    got = embedded(paths, tmp_path, dtype="float16")
    assert got.schema.field("text_embedding").type == pa.list_(pa.float16(), 32)
    exact = np.array(expected["text_embedding"].to_pylist(), dtype=np.float32)
    half = read_embeddings(tmp_path, "text").vectors
    assert half.dtype == np.float16
    np.testing.assert_array_equal(half, exact.astype(np.float16))


@pytest.mark.parametrize("value", [65520.0, -1e30, np.inf, np.nan])
def test_a_number_too_large_for_half_precision_stops_the_job(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    def vectors(self: Embedder, prepared: Any, rows: Any) -> dict[str, Any]:
        del self, prepared
        return {"text": np.full((len(rows), 2), value, dtype=np.float32)}

    monkeypatch.setattr(Embedder, "vectors", vectors)
    paths = DataPaths(shop / "items.csv", shop / "photos")
    with pytest.raises(JobError, match=r"fit float16, got up to .* Use --dtype float32"):
        embedded(paths, tmp_path, dtype="float16")
    assert list((tmp_path / "embeddings").iterdir()) == []

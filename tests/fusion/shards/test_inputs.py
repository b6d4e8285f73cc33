"""Tables in every shape: the same rows give the same embeddings, whatever file holds them."""

import csv
import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from encoders.tiny_bert import tiny_checkpoint
from fusion.build import EncoderChoice
from fusion.errors import CatalogueError, ConfigError, FusionError, JobError
from fusion.shards import (
    JobSettings,
    Places,
    embed_catalogue,
    read_embeddings,
    read_plan,
    run_shard,
    verify_job,
)
from fusion.shards.embedder import Embedder
from fusion.shards.ids import repeated_rows
from fusion.shards.shard import Shard
from fusion.shards.tables import column_names, read_rows, scan_file

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


class InProcess:
    def run(self, folder: Path, shards: Sequence[int], log: Any) -> dict[int, str]:
        for shard in shards:
            log.done(run_shard(folder, shard))
        return {}


def embedded(places: Places, out: Path, *, image: str = "photo", **options: Any) -> pa.Table:
    """All rows of a job that read columns id, title and photos, in order."""
    asked = JobSettings(
        choice=EncoderChoice(text=str(tiny_checkpoint()), image="colour_texture"),
        columns={"id": ["id"], "text": ["title"], "image": [image]},
        **{"shard_rows": 1000, **options},
    )
    embed_catalogue(places, out, asked, engine=InProcess())
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
    return embedded(Places(shop / "items.csv", shop / "photos"), out)


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
    got = embedded(Places(shop / "items.csv", shop / "photos"), tmp_path, shard_rows=shard_rows)
    assert got.equals(expected)


def test_a_saved_index_with_a_name_is_the_column_of_ids(shop: Path, tmp_path: Path) -> None:
    frame = rows_table(shop).to_pandas()
    frame.loc[1, "id"] = "p0"
    frame.set_index("id").to_parquet(tmp_path / "items.parquet")
    got = embedded(Places(tmp_path / "items.parquet", shop / "photos"), tmp_path / "out")
    errors = ds.dataset(tmp_path / "out" / "errors").to_table().to_pylist()
    assert [(error["row"], error["reason"]) for error in errors][:1] == [(1, "id_duplicate")]
    assert got.column("id").to_pylist()[:2] == ["p0", "p2"]


@pytest.mark.parametrize("image", ["photo", "content", "image"])
def test_a_parquet_file_gives_the_embeddings_of_the_csv(
    shop: Path, expected: pa.Table, tmp_path: Path, image: str
) -> None:
    pq.write_table(rows_table(shop), tmp_path / "items.parquet", row_group_size=7)
    photos = shop / "photos" if image == "photo" else None
    places = Places(tmp_path / "items.parquet", photos)
    assert embedded(places, tmp_path / "out", image=image, shard_rows=3).equals(expected)


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
    assert embedded(Places(items, shop / "photos"), tmp_path / "out").equals(expected)


def test_a_folder_of_csv_files_whose_first_has_no_rows_is_read(
    shop: Path, expected: pa.Table, tmp_path: Path
) -> None:
    items = tmp_path / "items"
    items.mkdir()
    (items / "a.csv").write_text("id,title,photo\n", encoding="utf-8")
    (items / "b.csv").write_bytes((shop / "items.csv").read_bytes())
    assert embedded(Places(items, shop / "photos"), tmp_path / "out").equals(expected)
    choice = EncoderChoice(text=str(tiny_checkpoint()), image="colour_texture")
    found = JobSettings(choice=choice, columns={"id": ["id"]})  # text and photos: found by itself
    places = Places(items, shop / "photos")
    embed_catalogue(places, tmp_path / "found", found, engine=InProcess())
    assert read_plan(tmp_path / "found").schema.image == ("photo",)


def test_an_image_data_set_may_have_no_photo_in_a_row(tmp_path: Path) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    photo = io.BytesIO()
    Image.new("RGB", (24, 24), "red").save(photo, "PNG")
    cells = [{"bytes": photo.getvalue(), "path": None}, {"bytes": None, "path": None}, None]
    table = pa.table({"id": ["a", "b", "c"], "title": ["x"] * 3, "image": pa.array(cells, kind)})
    pq.write_table(table, tmp_path / "items.parquet")
    got = embedded(Places(tmp_path / "items.parquet"), tmp_path / "out", image="image")
    assert got["image_present"].to_pylist() == [True, False, False]
    assert got["image_embedding"].is_valid().to_pylist() == [True, False, False]


HEADER, BODY = b"id,title\n", b'a,"x, ""y""\nz"\nb,12" tv\n'
CELLS = [["a", 'x, "y"\nz'], ["b", '12" tv']]


def cells_of(path: Path, *, shard_rows: int) -> list[list[str | None]]:
    """All cells of a table, read shard by shard."""
    names = column_names(path)
    scanned = scan_file(path, shard_rows=shard_rows, columns=names, id_column=None)
    found: list[list[str | None]] = []
    for piece in scanned.pieces:
        shard = Shard(0, 0, len(found), *piece)
        frame, problems = read_rows(path, shard, file=scanned.file, columns=names)
        assert problems == []
        found += frame.to_numpy().tolist()
    return found


@pytest.mark.parametrize(
    ("content", "cells"),
    [
        (HEADER + BODY, CELLS),
        (b"\xef\xbb\xbf" + HEADER + BODY, CELLS),
        (b'\xef\xbb\xbf"id","title"\n' + BODY, CELLS),
        ((HEADER + BODY).replace(b"\n", b"\r\n"), [["a", 'x, "y"\r\nz'], ["b", '12" tv']]),
        ((HEADER + b"a,x\nb,\n").replace(b"\n", b"\r\r\n"), [["a", "x"], ["b", None]]),
        (HEADER + BODY.rstrip(), CELLS),
        (HEADER + b"\n\n" + BODY.replace(b"b,", b"\n\r\nb,") + b"\n\n", CELLS),
        (b"id,title\na,x\xc2\xa0\nb,\n", [["a", "x\xa0"], ["b", None]]),
        (HEADER + b'a,"x\ry"\n', [["a", "x\ry"]]),
        (HEADER + b"a,x\0y\n", [["a", "x\0y"]]),
        (HEADER + b'a,"x\0end\n"\nb,\0end\n', [["a", "x\0end\n"], ["b", "\0end"]]),
        (b"id\na\n\0end\nb\n", [["a"], ["\0end"], ["b"]]),
        (b'id\na\n\n""\nb', [["a"], [None], [None], ["b"]]),
        (b"id\r\r\na\r\r\nb\r\r\n", [["a"], ["b"]]),
        (HEADER + b"a," + b"x" * 1_000_000 + b"\nb,y\n", [["a", "x" * 1_000_000], ["b", "y"]]),
        (HEADER, []),
    ],
)
@pytest.mark.parametrize("shard_rows", [1, 2, 100])
def test_every_csv_that_follows_the_rules_is_read(
    tmp_path: Path, content: bytes, cells: list[list[str | None]], shard_rows: int
) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    assert cells_of(tmp_path / "t.csv", shard_rows=shard_rows) == cells


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "columns of different names, got none"),
        (b"\xef\xbb\xbf", "columns of different names, got none"),
        (b"id,id\na,b\n", "got id twice"),
        (b",\na,b\n", "got unnamed twice"),
        (b"id,title\ra,b\r", "line ends LF or CRLF, got at line 1"),
        (HEADER + b"a,x\nb,y\rc,z\n", "line ends LF or CRLF, got at line 3"),
        (HEADER + b'a,x\nb,"y\nc,z\n', "close every quote, got one that is open to the end; the "
         "record begins at byte 13"),
        (b'"id,title\na,b\n', "close every quote"),
        (b"id,gr\xf6sse\na,b\n", "must be UTF-8 text"),
        ("id,title\na,b\n".encode("utf-16"), "must be UTF-8 text"),
    ],
)  # fmt: skip
def test_a_csv_that_breaks_the_rules_is_refused_by_name(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(CatalogueError, match=r"^t\.csv must ") as caught:
        scan_file(tmp_path / "t.csv", shard_rows=10, columns=[], id_column=None)
    assert words in str(caught.value)
    with pytest.raises(CatalogueError, match=r"^t\.csv must "):
        embedded(Places(tmp_path / "t.csv", tmp_path), tmp_path / "out")


@pytest.mark.parametrize("content", [b"id,title,photo\n", b"id,title,photo\r\n\r\n"])
def test_a_table_without_rows_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    for columns in ({}, {"id": ["id"], "text": ["title"], "image": []}):
        asked = JobSettings(choice=EncoderChoice(str(tiny_checkpoint())), columns=columns)
        with pytest.raises(CatalogueError, match="must have rows, got none"):
            embed_catalogue(Places(tmp_path / "t.csv"), tmp_path / "out", asked, engine=InProcess())


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
        choice=EncoderChoice(text=str(tiny_checkpoint())),
        columns={"id": ["id"], "text": ["title"], "image": []},
    )
    places = Places(tmp_path / "t.parquet")
    with pytest.raises(CatalogueError, match=r"^t\.parquet must "):
        embed_catalogue(places, tmp_path / "out", asked, engine=InProcess())


def test_files_of_two_kinds_are_refused(shop: Path, tmp_path: Path) -> None:
    pq.write_table(rows_table(shop), tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_bytes((shop / "items.csv").read_bytes())
    with pytest.raises(CatalogueError, match=r"of one of these kinds, got \.csv, \.parquet"):
        embedded(Places(tmp_path, shop / "photos"), tmp_path.parent / f"{tmp_path.name}-out")


def test_an_output_folder_inside_the_items_folder_is_refused(shop: Path, tmp_path: Path) -> None:
    pq.write_table(rows_table(shop), tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match="out must not lie in the folder of the items"):
        embedded(Places(tmp_path, shop / "photos"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_without_a_column_of_the_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,title,photo\na,red coat,\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("id,name\nb,blue coat\n", encoding="utf-8")
    with pytest.raises(FusionError, match=r"b\.csv"):
        embedded(Places(tmp_path, tmp_path), tmp_path.parent / f"{tmp_path.name}-out")


def test_columns_may_have_names_of_any_letters(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("nº,größe\na,klein\nb,groß\n", encoding="utf-8")
    asked = JobSettings(
        choice=EncoderChoice(text=str(tiny_checkpoint())),
        columns={"id": ["nº"], "text": ["größe"], "image": []},
    )
    embed_catalogue(Places(tmp_path / "t.csv"), tmp_path / "out", asked, engine=InProcess())
    assert read_embeddings(tmp_path / "out", "text").ids == ["a", "b"]


MARKS = st.sampled_from('ab ,"\n\r\0éÅ\xa0\u2028\x85;\t')
TEXT = st.text(MARKS, max_size=6) | st.text(st.characters(codec="utf-8"), max_size=4)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[list[str]], int, str]:
    n_columns = draw(st.integers(1, 4))
    row = st.lists(TEXT, min_size=n_columns, max_size=n_columns)
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    rows = draw(st.lists(row, max_size=8))
    # csv.writer quotes a lone CR only where CR is part of the line end.
    has_cr = quoting == csv.QUOTE_MINIMAL and any("\r" in cell for row in rows for cell in row)
    return rows, quoting, "\r\n" if has_cr else draw(st.sampled_from(["\n", "\r\n"]))


@given(tables(), st.integers(1, 5))
@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
def test_what_a_csv_writer_writes_is_what_shards_read(
    drawn: tuple[list[list[str]], int, str], shard_rows: int
) -> None:
    rows, quoting, line_end = drawn
    n_columns = len(rows[0]) if rows else 2
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file, quoting=quoting, lineterminator=line_end)
            lines.writerow([f"column {place}" for place in range(n_columns)])
            lines.writerows(rows)
        expected = [[cell or None for cell in row] for row in rows]
        assert cells_of(path, shard_rows=shard_rows) == expected
        name = "column 0"
        scanned = scan_file(path, shard_rows=shard_rows, columns=[name], id_column=name)
        assert sum(piece[0] for piece in scanned.pieces) == len(rows) == len(scanned.ids)
        seen: dict[str, int] = {}
        again = []
        for place, name in enumerate(row[0].strip() for row in rows):
            if name and seen.setdefault(name, place) != place:
                again.append([place, seen[name]])
        assert repeated_rows(scanned.ids).tolist() == again


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
        choice=EncoderChoice(text=str(tiny_checkpoint())),
        columns={"id": ["id"], "text": ["title"], "image": []},
        shard_rows=shard_rows,
    )
    embed_catalogue(Places(items), tmp_path / "out", asked, engine=InProcess())
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
        choice=EncoderChoice(text=str(tiny_checkpoint())),
        columns={"id": ["id"], "text": ["title"], "image": []},
    )
    embed_catalogue(Places(tmp_path / "t.parquet"), tmp_path / "out", asked, engine=InProcess())
    found = read_embeddings(tmp_path / "out", "text").ids
    assert found == ["9007199254740993", "9007199254740992"]
    assert [e["reason"] for e in errors_of(tmp_path / "out")] == ["id_missing", "id_duplicate"]


def test_half_precision_halves_the_vectors_and_keeps_three_digits(
    shop: Path, expected: pa.Table, tmp_path: Path
) -> None:
    places = Places(shop / "items.csv", shop / "photos")
    got = embedded(places, tmp_path, dtype="float16")
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
    places = Places(shop / "items.csv", shop / "photos")
    with pytest.raises(JobError, match=r"fit float16, got up to .* Use --dtype float32"):
        embedded(places, tmp_path, dtype="float16")
    assert list((tmp_path / "embeddings").iterdir()) == []


def with_pandas(folder: Path) -> list[Any]:
    return list(pd.read_parquet(folder)["text_embedding"])


def with_pyarrow(folder: Path) -> list[Any]:
    return ds.dataset(folder).to_table()["text_embedding"].to_pylist()


def with_polars(folder: Path) -> list[Any]:
    polars = pytest.importorskip("polars")
    return polars.read_parquet(folder / "*.parquet")["text_embedding"].to_list()


def with_duckdb(folder: Path) -> list[Any]:
    duckdb = pytest.importorskip("duckdb")
    found = duckdb.sql(f"select text_embedding from '{folder}/*.parquet' order by row").fetchall()
    return [vector for (vector,) in found]


def with_datasets(folder: Path) -> list[Any]:
    datasets = pytest.importorskip("datasets")
    options = {"split": "train", "cache_dir": str(folder.parent / "cache")}
    return datasets.load_dataset("parquet", data_dir=str(folder), **options)["text_embedding"][:]


READERS = [with_pandas, with_pyarrow, with_polars, with_duckdb, with_datasets]


@pytest.fixture(scope="module", params=["float32", "float16"])
def finished_job(
    request: pytest.FixtureRequest, shop: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    out = tmp_path_factory.mktemp(request.param)
    places = Places(shop / "items.csv", shop / "photos")
    embedded(places, out, dtype=request.param, shard_rows=10)
    yield out


@pytest.mark.filterwarnings("ignore")  # of other people's packages
@pytest.mark.parametrize("read", READERS)
def test_other_tools_read_the_embeddings_folder_as_it_is(
    finished_job: Path, read: Callable[[Path], list[Any]]
) -> None:
    wanted = read_embeddings(finished_job, "text").vectors
    assert wanted.shape == (N_ROWS, 32)
    np.testing.assert_array_equal(np.array(read(finished_job / "embeddings"), np.float32), wanted)


def test_faiss_finds_every_embedding_as_its_own_neighbour(finished_job: Path) -> None:
    faiss = pytest.importorskip("faiss")
    vectors = read_embeddings(finished_job, "image").vectors.astype(np.float32)
    index = faiss.IndexFlatL2(vectors.shape[1])
    index.add(vectors)
    distances, _ = index.search(vectors, 1)
    assert distances.max() < 1e-6

"""Photo names that try to leave the photo folder: nothing outside is opened, whatever they say."""

import os
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from benchmarks.children import Seen, outside, seen_by
from benchmarks.promises.paths import embed, hostile_names, make_shop
from fusion.choices.encoders import EncoderChoices
from fusion.shards import DataPaths, InProcessEngine, JobSettings, embed_catalogue

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and FIFOs"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return make_shop(tmp_path)


def stayed_inside(seen: Seen, *roots: Path) -> bool:
    return seen.answer is None and not seen.outward and not outside(seen.opened, *roots)


def test_no_name_opens_a_file_outside_the_photo_folder(shop: Path, tmp_path: Path) -> None:
    hostile = hostile_names(shop)
    good = ["good.png", "deep/good.png", "./good.png", "good.png/", "inside.png"]
    names = [*hostile, *good, str(shop / "photos" / "good.png")]
    ids = [f"p{row}" for row in range(len(names))]
    items, out = tmp_path / "items.parquet", tmp_path / "out"
    pq.write_table(pa.table({"id": ids, "photo": names}), items)
    embed(items, shop / "photos", tmp_path / "warm")  # what Python itself opens once
    seen = seen_by(partial(embed, items, shop / "photos", out))
    assert stayed_inside(seen, shop / "photos", out, items), seen
    assert str(shop / "photos" / "good.png") in seen.opened, "the hook must see what is read"
    errors = ds.dataset(out / "errors").to_table().sort_by("row").to_pylist()
    assert {names[e["row"]]: e["reason"] for e in errors} == hostile
    assert {e["stage"] for e in errors} == {"read"}
    done = ds.dataset(out / "embeddings").to_table()
    assert done["id"].to_pylist() == ids[-6:]


def test_the_hook_would_tell_of_a_file_outside(shop: Path) -> None:
    secret = shop / "secret.png"
    seen = seen_by(lambda: len(secret.read_bytes()))
    assert outside(seen.opened, shop / "photos") == [str(secret)]


def test_a_path_beside_bytes_of_an_image_data_set_is_never_opened(
    shop: Path, tmp_path: Path
) -> None:
    content = (shop / "photos" / "good.png").read_bytes()
    secret = str(shop / "secret.png")
    cells = [
        {"bytes": content, "path": secret},
        {"bytes": None, "path": secret},
        {"bytes": None, "path": "../secret.png"},
        {"bytes": None, "path": "good.png"},
        {"bytes": b"", "path": "good.png"},
    ]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    items, out = tmp_path / "items.parquet", tmp_path / "out"
    pq.write_table(pa.table({"id": list("abcde"), "photo": pa.array(cells, kind)}), items)
    seen = seen_by(partial(embed, items, shop / "photos", out))
    assert stayed_inside(seen, shop / "photos", out, items), seen
    errors = ds.dataset(out / "errors").to_table().to_pylist()
    reasons = {e["id"]: e["reason"] for e in errors}
    assert reasons == {"b": "photo_outside", "c": "photo_outside", "e": "photo_empty"}


def test_columns_are_looked_for_without_opening_a_file_outside(shop: Path, tmp_path: Path) -> None:
    names = [*hostile_names(shop), *["good.png"] * 100]
    names = [name for name in names if "\0" not in name]
    items, out = tmp_path / "items.parquet", tmp_path / "out"
    ids = [f"p{row}" for row in range(len(names))]
    pq.write_table(pa.table({"id": ids, "picture": names}), items)
    asked = JobSettings(encoders=EncoderChoices({"image": "colour_texture"}))

    def work() -> None:
        embed_catalogue(DataPaths(items, shop / "photos"), out, asked, engine=InProcessEngine())

    assert stayed_inside(seen_by(work), shop / "photos", out, items)


def test_a_photo_folder_that_is_a_link_is_followed(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(shop / "photos")
    items = tmp_path / "items.parquet"
    pq.write_table(pa.table({"id": ["a", "b"], "photo": ["good.png", "../secret.png"]}), items)
    embed(items, tmp_path / "linked", tmp_path / "out")
    done = ds.dataset(tmp_path / "out" / "embeddings").to_table()
    assert done["id"].to_pylist() == ["a"]

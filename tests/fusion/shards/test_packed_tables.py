"""Packed tables hold more than their size says: unpacked block by block, within the disk's room."""

import gzip
import shutil
from pathlib import Path

import pandas as pd
import pytest

from fusion import FusionRegressor
from fusion.errors import CatalogueError, JobError
from fusion.job_steps.source import ItemSource
from fusion.jobs.predict import predict
from fusion.shards import InProcessEngine, csv_rows, whole

SMALL = {
    "members": ["network"],
    "training": {"epochs": 1, "folds": 1},
    "strategy_options": {"width": 8},
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A model, and its items in a packed table."""
    folder = tmp_path_factory.mktemp("shop")
    items = pd.DataFrame(
        {"sku": [f"A{n}" for n in range(40)], "price": [5.0 + n for n in range(40)]}
    )
    model = FusionRegressor(columns={"numeric": ["price"], "id": ["sku"]}, **SMALL, random_state=0)
    model.fit(items, [3.0 * n for n in range(40)]).save(folder / "bundle")
    items.to_csv(folder / "items.csv.gz", index=False)
    items.to_csv(folder / "tabs.tsv.gz", index=False, sep="\t")
    return folder


def predicted(shop, items, output, *, shard_rows=16):
    source = ItemSource(items, on_bad_rows="record")
    return predict(shop / "bundle", source, output, shard_rows=shard_rows, engine=InProcessEngine())


@pytest.mark.parametrize("name", ["items.csv.gz", "tabs.tsv.gz"])
def test_a_packed_table_is_never_held_as_a_whole(name, shop, tmp_path, monkeypatch):
    def refused(*arguments, **options):
        raise AssertionError("the whole table is read")

    monkeypatch.setattr("fusion.data.tables.read_table", refused)
    monkeypatch.setattr("fusion.data.packed.BLOCK_BYTES", 100)
    assert predicted(shop, shop / name, tmp_path / "o.csv").n_rows == 40
    assert pd.read_csv(tmp_path / "o.csv")["id"].tolist() == [f"A{n}" for n in range(40)]
    assert [path.name for path in tmp_path.iterdir()] == ["o.csv"]


@pytest.mark.parametrize("output", ["o.csv", "new/answers"])
def test_what_has_no_room_unpacked_is_refused_and_leaves_nothing(
    output, shop, tmp_path, monkeypatch
):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(whole.shutil, "disk_usage", lambda path: usage._replace(free=2**28 + 10))
    with pytest.raises(JobError, match=r"room for the unpacked items, got .* of items\.csv\.gz"):
        predicted(shop, shop / "items.csv.gz", tmp_path / output)
    assert list(tmp_path.iterdir()) == []


def test_a_packed_table_that_ends_in_the_middle_is_refused(shop, tmp_path):
    torn = tmp_path / "in" / "torn.csv.gz"
    torn.parent.mkdir()
    torn.write_bytes((shop / "items.csv.gz").read_bytes()[:-20])
    with pytest.raises(CatalogueError, match=r"torn\.csv\.gz must be a gzip file"):
        predicted(shop, torn, tmp_path / "o.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("ends", [b"a" * 500, b"a\n" * 250])
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_a_row_that_comes_to_no_end_is_refused_before_it_fills_memory(
    ends, suffix, shop, tmp_path, monkeypatch
):
    monkeypatch.setattr(csv_rows, "MOST_RECORD_BYTES", 100)
    text = b'sku,price\nA1,5\nA2,"' + ends
    items = tmp_path / f"items{suffix}"
    items.write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)
    told = (
        r"items\.csv must have rows of at most 100 bytes, got a longer one that begins at byte 15"
    )
    with pytest.raises(CatalogueError, match=told):
        predicted(shop, items, Path(tmp_path / "o.csv"))

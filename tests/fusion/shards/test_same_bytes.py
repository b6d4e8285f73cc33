"""However a job is run, its files are the same byte for byte."""

import csv
import random
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fusion import FusionRegressor, read_table
from fusion.shards import DataPaths, JobSettings, embed_catalogue
from fusion.shards.layout import Layout
from fusion.shards.pool import LocalEngine
from fusion.shards.read import read_embeddings

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


@pytest.fixture
def job(tmp_path, text_job):
    """Texts of many lengths, so that neighbours could change a padded batch."""
    made = text_job(tmp_path / "in", rows=0, shard_rows=20)
    draw = random.Random(0)
    with made.paths.items.open("a", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        for row in range(100):
            words = " ".join(draw.choice(["red", "wool", "hat", "x1"]) for _ in range(row % 23))
            lines.writerow([f"p{row % 91}", words])
    return made


@pytest.mark.usefixtures("precision")
def test_one_worker_two_workers_and_none_give_the_same_bytes(tmp_path, job, files_of, forked_pool):
    job.run(tmp_path / "none")
    for workers in (1, 2):
        engine = LocalEngine(layout=Layout(workers, 1), stall_s=60)
        job.run(tmp_path / str(workers), engine=engine)
        assert files_of(tmp_path / str(workers)) == files_of(tmp_path / "none")


def test_a_job_that_stops_after_every_shard_gives_the_same_bytes(
    tmp_path, job, files_of, in_process
):
    class One(in_process):
        def run(self, folder, shards, log):
            super().run(folder, shards[:1], log)
            raise KeyboardInterrupt

    job.run(tmp_path / "straight")
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            job.run(tmp_path / "out", engine=One())
    assert job.run(tmp_path / "out").n_already == 5
    assert files_of(tmp_path / "out") == files_of(tmp_path / "straight")


def test_shards_in_any_order_give_the_same_bytes(tmp_path, job, files_of, in_process):
    class Backwards(in_process):
        def run(self, folder, shards, log):
            return super().run(folder, list(reversed(shards)), log)

    job.run(tmp_path / "straight")
    job.run(tmp_path / "out", engine=Backwards())
    assert files_of(tmp_path / "out") == files_of(tmp_path / "straight")


def test_an_empty_a_warm_and_a_half_filled_store_give_the_bytes_of_none(tmp_path, job, files_of):
    job.run(tmp_path / "none")
    stored = replace(job, paths=DataPaths(job.paths.items, store=tmp_path / "store"))
    for name in ("cold", "warm"):
        stored.run(tmp_path / name)
        assert files_of(tmp_path / name) == files_of(tmp_path / "none")
    for segment in sorted((tmp_path / "store").rglob("*.safetensors"))[::2]:
        segment.unlink()
    stored.run(tmp_path / "half")
    assert files_of(tmp_path / "half") == files_of(tmp_path / "none")


def test_a_store_filled_in_other_shards_gives_the_same_vectors(tmp_path, job, files_of):
    stored = replace(job, paths=DataPaths(job.paths.items, store=tmp_path / "store"))
    replace(stored, settings=replace(job.settings, shard_rows=7)).run(tmp_path / "sevens")
    stored.run(tmp_path / "out")
    job.run(tmp_path / "none")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "none")


def test_photos_give_the_same_bytes_with_a_store_and_without(tmp_path, photo_job, files_of):
    job = photo_job(tmp_path, rows=24, shard_rows=8, missing=[3, 11])
    job.run(tmp_path / "none")
    stored = replace(job, paths=replace(job.paths, store=tmp_path / "store"))
    for name in ("cold", "warm"):
        stored.run(tmp_path / name)
        assert files_of(tmp_path / name) == files_of(tmp_path / "none")


def test_a_store_without_file_handles_keeps_its_sound_segments(tmp_path, job, monkeypatch):
    stored = replace(job, paths=DataPaths(job.paths.items, store=tmp_path / "store"))
    stored.run(tmp_path / "cold")

    def busy(path):
        raise OSError(24, "Too many open files", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("fusion.store.segments.open_segment", busy)
        with pytest.raises(OSError, match=r"store .* cannot be read: .*Too many open files"):
            stored.run(tmp_path / "out")
    assert not list((tmp_path / "store").rglob("*.corrupt"))
    stored.run(tmp_path / "out")
    assert not list((tmp_path / "store").rglob("*.corrupt"))


def test_a_category_means_the_same_in_a_prediction_of_one_row_and_in_any_shard(
    tmp_path, in_process
):
    sizes = ["1.0", "2.0", "XL", "1.50", "true"] * 6
    known = pd.DataFrame({"size": sizes, "price": [f"{row},50" for row in range(30)]})
    model = FusionRegressor(
        head="linear", columns={"numeric": ["price"], "categorical": ["size"]}, random_state=0
    )
    model.fit(known, [{"1.0": 5, "2.0": 100}.get(size, 20) for size in sizes])
    model.save(tmp_path / "bundle")
    for name, items in (("all", known), ("numbers", known[known["size"].isin(["1.0", "2.0"])])):
        items.to_csv(tmp_path / f"{name}.csv", index=False)
    together = model.predict(known)
    alone = [model.predict(read_table(tmp_path / "all.csv").iloc[[row]])[0] for row in range(5)]
    np.testing.assert_allclose(alone, together[:5], rtol=1e-6)
    np.testing.assert_allclose(model.predict(read_table(tmp_path / "numbers.csv"))[1], together[1])
    vectors = []
    for shard_rows in (30, 2):
        output = tmp_path / str(shard_rows)
        paths = DataPaths(tmp_path / "all.csv", bundle=tmp_path / "bundle")
        embed_catalogue(paths, output, JobSettings(shard_rows=shard_rows), engine=in_process())
        vectors.append(read_embeddings(output, "fused").vectors)
    np.testing.assert_array_equal(vectors[0], vectors[1])

"""A folder that is deleted and planned again in one process is another job: nothing old is used."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file, save_file

from encoders.text.tiny_bert import tiny_checkpoint
from fusion import FusionRegressor
from fusion.choices.encoders import EncoderChoices
from fusion.errors import JobError
from fusion.shards import (
    DataPaths,
    JobSettings,
    missing_shards,
    plan_catalogue,
    read_embeddings,
    run_shard,
)
from fusion.shards.embedder import MOST_KEPT, _kept_encoders


def items_of(path, ids, *, word="wool"):
    lines = [f"{name},{word} {place}" for place, name in enumerate(ids)]
    path.write_text("id,title\n" + "\n".join(lines) + "\n")
    return path


def settings_of(checkpoint=None):
    return JobSettings(
        encoders=EncoderChoices({"text": str(checkpoint or tiny_checkpoint())}),
        columns={"id": ["id"], "text": ["title"], "image": []},
        shard_rows=4,
    )


def done(places, folder, settings):
    plan_catalogue(places, folder, settings)
    for number in missing_shards(folder):
        run_shard(folder, number)
    return read_embeddings(folder, "text")


def assert_same(one, other):
    assert one.ids == other.ids and np.array_equal(one.rows, other.rows)
    assert np.array_equal(one.vectors, other.vectors)


def other_checkpoint(folder):
    shutil.copytree(tiny_checkpoint(), folder)
    weights = load_file(folder / "model.safetensors")
    changed = {name: tensor * 1.5 for name, tensor in weights.items()}
    save_file(changed, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("change", ["encoder", "ids", "table"])
def test_a_folder_that_is_planned_again_is_embedded_as_a_new_one(tmp_path, change):
    items = items_of(tmp_path / "items.csv", "abcdefg")
    settings, folder = settings_of(), tmp_path / "out"
    before = done(DataPaths(items), folder, settings)
    shutil.rmtree(folder)
    if change == "encoder":
        settings = settings_of(other_checkpoint(tmp_path / "other"))
    elif change == "ids":
        items_of(items, "abcdaef")
    else:
        items_of(items, "stuvwxyzäö", word="red cotton")
    again = done(DataPaths(items), folder, settings)
    fresh = done(DataPaths(items), tmp_path / "fresh", settings)
    assert_same(again, fresh)
    assert len(again.ids) == {"encoder": 7, "ids": 6, "table": 10}[change]
    assert again.ids != before.ids or not np.array_equal(again.vectors, before.vectors)


def test_places_that_moved_are_used_from_the_next_shard_on(tmp_path, photo_job):
    job = photo_job(tmp_path / "a", rows=6, shard_rows=3)
    folder = tmp_path / "out"
    plan_catalogue(job.paths, folder, job.settings)
    run_shard(folder, 0)
    moved = Path(shutil.move(tmp_path / "a", tmp_path / "b"))
    paths = DataPaths(moved / "items.csv", photos=moved / "photos")
    plan_catalogue(paths, folder, job.settings)
    assert run_shard(folder, 1).receipt.n_failed == 0


def test_other_weights_in_a_file_of_the_same_name_are_not_taken_for_the_old_ones(tmp_path):
    items = items_of(tmp_path / "items.csv", "abcdefg")
    checkpoint = Path(shutil.copytree(tiny_checkpoint(), tmp_path / "checkpoint"))
    before = done(DataPaths(items), tmp_path / "out", settings_of(checkpoint))
    shutil.rmtree(tmp_path / "out")
    shutil.rmtree(checkpoint)
    other_checkpoint(checkpoint)
    again = done(DataPaths(items), tmp_path / "out", settings_of(checkpoint))
    assert_same(again, done(DataPaths(items), tmp_path / "fresh", settings_of(checkpoint)))
    assert not np.allclose(again.vectors, before.vectors)


def test_a_process_keeps_few_encoders_however_many_jobs_it_does(tmp_path):
    items = items_of(tmp_path / "items.csv", "ab")
    for length in range(8, 8 + MOST_KEPT + 2):
        checkpoint = Path(shutil.copytree(tiny_checkpoint(), tmp_path / f"checkpoint{length}"))
        done(DataPaths(items), tmp_path / f"out{length}", settings_of(checkpoint))
    assert _kept_encoders.cache_info().currsize <= MOST_KEPT


def test_another_trained_model_in_the_place_of_the_planned_one_is_refused(tmp_path):
    items = items_of(tmp_path / "items.csv", "abcdefgh")
    paths = DataPaths(items, bundle=tmp_path / "bundle")
    trained_on(items, target=[1.0, 2.0] * 4).save(paths.bundle)
    settings = JobSettings(shard_rows=4)
    plan_catalogue(paths, tmp_path / "out", settings)
    shutil.rmtree(paths.bundle)
    trained_on(items, target=[5.0, 1.0] * 4).save(paths.bundle)
    with pytest.raises(JobError, match="the trained model that the job was planned with"):
        run_shard(tmp_path / "out", 0)
    plan_catalogue(paths, tmp_path / "other", settings)
    assert run_shard(tmp_path / "other", 0).receipt.n_answered == 4


def trained_on(items, *, target):
    model = FusionRegressor(
        columns={"text": ["title"]}, encoders={"text": "tfidf"}, members=["ridge"]
    )
    return model.fit(pd.read_csv(items), target)

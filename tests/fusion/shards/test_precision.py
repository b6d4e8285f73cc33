"""A job computes in one precision from its first shard to its last, on whatever processor."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from encoders.dtype import SWITCH
from encoders.text.tiny_bert import tiny_checkpoint
from fusion import FusionRegressor
from fusion.errors import JobError
from fusion.shards import DataPaths
from fusion.shards.plan import read_plan


@pytest.fixture
def job(tmp_path, text_job):
    return text_job(tmp_path / "in", rows=20, shard_rows=10)


@pytest.fixture
def first(in_process):
    """An engine that does one shard and is stopped."""

    class First(in_process):
        def run(self, folder, shards, log):
            super().run(folder, shards[:1], log)
            raise KeyboardInterrupt

    return First()


@pytest.fixture
def fused(tmp_path, job, monkeypatch):
    """The job with a model that was trained where the processor has bf16."""
    monkeypatch.setenv(SWITCH, "yes")
    items = pd.DataFrame({"id": [f"q{i}" for i in range(20)], "title": ["red", "wool hat"] * 10})
    FusionRegressor(
        columns={"text": ["title"], "id": ["id"]},
        encoders={"text": str(tiny_checkpoint())},
        members=["network"],
        training={"epochs": 1, "folds": 1},
        random_state=0,
    ).fit(items, np.arange(20.0)).save(tmp_path / "bundle")
    return replace(job, paths=DataPaths(job.paths.items, bundle=tmp_path / "bundle"))


def test_the_plan_names_the_format(tmp_path, job, precision):
    job.run(tmp_path / "out")
    assert read_plan(tmp_path / "out").encoders["text"]["config"]["dtype"] == precision


def test_a_job_begun_without_bf16_goes_on_alike_on_a_processor_that_has_it(
    tmp_path, job, first, files_of, monkeypatch
):
    monkeypatch.setenv(SWITCH, "no")
    job.run(tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        job.run(tmp_path / "out", engine=first)
    monkeypatch.setenv(SWITCH, "yes")
    job.run(tmp_path / "out")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "straight")


def test_a_job_begun_in_bfloat16_stops_where_it_would_be_emulated(
    tmp_path, job, first, monkeypatch
):
    monkeypatch.setenv(SWITCH, "yes")
    with pytest.raises(KeyboardInterrupt):
        job.run(tmp_path / "out", engine=first)
    monkeypatch.setenv(SWITCH, "no")
    with pytest.raises(JobError, match=r"precision of text must be bfloat16.*FUSION_BF16=no"):
        job.run(tmp_path / "out")


def test_a_job_takes_the_format_of_its_store(tmp_path, text_job, monkeypatch):
    job = text_job(tmp_path / "in", rows=20, shard_rows=10, store=tmp_path / "store")
    monkeypatch.setenv(SWITCH, "no")
    job.run(tmp_path / "out")
    monkeypatch.setenv(SWITCH, "yes")
    job.run(tmp_path / "again")
    assert read_plan(tmp_path / "again").encoders["text"]["config"]["dtype"] == "float32"
    assert len(list((tmp_path / "store").glob("*/encoder.json"))) == 1


def test_vectors_of_a_model_are_not_mixed_from_two_formats(tmp_path, fused, first, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        fused.run(tmp_path / "out", engine=first)
    monkeypatch.setenv(SWITCH, "no")
    with pytest.raises(JobError, match="must be bfloat16, in which the job was begun"):
        fused.run(tmp_path / "out")
    fused.run(tmp_path / "anew")


def test_a_worker_on_another_processor_does_not_mix_them_either(
    tmp_path, fused, in_process, monkeypatch
):
    class Elsewhere(in_process):
        def run(self, folder, shards, log):
            monkeypatch.setenv(SWITCH, "no")
            return super().run(folder, shards, log)

    with pytest.raises(JobError, match=r"precision of text must be bfloat16.*got a processor"):
        fused.run(tmp_path / "out", engine=Elsewhere())

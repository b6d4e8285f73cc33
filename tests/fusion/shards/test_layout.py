"""How many processes share a machine, and that a trial of several costs no work."""

import json

import pytest

from fusion.shards import layout, verify_job
from fusion.shards.layout import Layout, candidate_layouts, layout_of
from fusion.shards.pool import LocalEngine

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


def events_of(output):
    return [json.loads(line) for line in (output / "events.jsonl").read_text().splitlines()]


def test_layouts_are_tried_on_shards_that_count_and_the_fastest_goes_on(
    tmp_path, text_job, files_of, forked_pool, monkeypatch
):
    monkeypatch.setattr(
        "fusion.shards.pool.candidate_layouts", lambda: [Layout(1, 1), Layout(2, 1)]
    )
    job = text_job(tmp_path, rows=120, shard_rows=10)
    job.run(tmp_path / "straight")
    job.run(tmp_path / "out", engine=LocalEngine())
    events = events_of(tmp_path / "out")
    tried = {e["layout"]: e["encoded_per_s"] for e in events if e["event"] == "layout_tried"}
    assert sorted(tried) == ["1 x 1", "2 x 1"] and all(rate > 0 for rate in tried.values())
    chosen = [event["layout"] for event in events if event["event"] == "layout_chosen"]
    assert chosen == [max(tried, key=tried.get)]
    assert [event["shard"] for event in events if event["event"] == "shard_done"].count(0) == 1
    assert verify_job(tmp_path / "out") == []
    assert files_of(tmp_path / "out") == files_of(tmp_path / "straight")


def test_few_shards_are_done_without_a_trial(tmp_path, text_job, forked_pool, monkeypatch):
    monkeypatch.setattr(
        "fusion.shards.pool.candidate_layouts", lambda: [Layout(1, 1), Layout(2, 1)]
    )
    text_job(tmp_path, rows=30, shard_rows=10).run(tmp_path / "out", engine=LocalEngine())
    names = [event["event"] for event in events_of(tmp_path / "out")]
    assert "layout_tried" not in names and names.count("layout_chosen") == 1


@pytest.mark.parametrize(
    ("cores", "memory", "expected"),
    [(16, 10**12, ["16 x 1", "4 x 4", "1 x 16"]), (2, 10**12, ["2 x 1", "1 x 2"]),
     (16, 9 * 10**9, ["4 x 4", "1 x 16"]), (16, 0, ["1 x 16"])],
)  # fmt: skip
def test_candidates_fill_the_cores_and_fit_into_memory(monkeypatch, cores, memory, expected):
    monkeypatch.setattr(layout, "cores", lambda: cores)
    monkeypatch.setattr(layout, "_available_bytes", lambda: memory)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert [str(found) for found in candidate_layouts()] == expected


def test_gpus_get_one_worker_each_in_turn(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr(layout, "cores", lambda: 8)
    assert candidate_layouts() == [Layout(2, 4, 2)]
    assert [layout_of(4).gpu(worker) for worker in range(4)] == [0, 1, 0, 1]

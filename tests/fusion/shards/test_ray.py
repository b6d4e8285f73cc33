"""Shards on Ray: an actor that dies in the middle of one costs nothing."""

import json
import os
import signal
import threading
import time
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fusion.choices.encoders import EncoderChoices
from fusion.errors import JobError
from fusion.shards import DataPaths, JobSettings, embed_catalogue, run_shard, verify_job
from fusion.shards.layout import Layout
from fusion.shards.pool import LocalEngine

psutil = pytest.importorskip("psutil")
ray = pytest.importorskip("ray")

SETTINGS = JobSettings(encoders=EncoderChoices({"image": "colour_texture"}), shard_rows=8)


def shop_of(folder, *, rows):
    """Photos and their table."""
    random = np.random.default_rng(0)
    (folder / "photos").mkdir()
    names = [f"{row}.png" for row in range(rows)]
    for name in names:
        pixels = random.integers(0, 256, (96, 96, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / name)
    frame = pd.DataFrame({"sku": [f"P{row}" for row in range(rows)], "photo": names})
    frame.to_csv(folder / "items.csv", index=False)
    return DataPaths(folder / "items.csv", folder / "photos")


def kill_an_actor_after_the_first_receipt(folder, killed):
    while not killed:
        time.sleep(0.05)
        if not list((folder / "receipts").glob("*.json")):
            continue
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or [""]
            if words[0].startswith("ray::ShardActor.run"):
                os.kill(process.pid, signal.SIGKILL)
                killed.append(process.pid)
                return


class Actor:
    """An actor of a cluster in this process; what it is asked for is done at once."""

    def __init__(self, log, dies_at, loads):
        self.log, self.dies_at = log, dies_at
        self.load = SimpleNamespace(remote=lambda folder: Reference(loads))
        self.run = SimpleNamespace(remote=self.start)

    def start(self, folder, task):
        self.log.append((self, task.shard, task.careful))
        if len(self.log) == self.dies_at:
            return Reference(ray.exceptions.RayActorError(error_msg="killed"))
        try:
            return Reference(run_shard(folder, task.shard, careful=task.careful))
        except Exception as error:
            return Reference(ray.exceptions.RayTaskError("run", "", error))


class Reference:
    """A result that is there; to raise it where it is an error is left to `get`."""

    def __init__(self, result):
        self.result = result

    def get(self):
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.fixture
def cluster(monkeypatch):
    """Makes an engine on a stand-in for Ray, whose n-th shard costs its actor its life.

    `starts` is what the first actors say when they are to begin; later ones begin.
    """
    from fusion.shards import ray_engine

    def make(dies_at=None, starts=()):
        actors, log, killed = [], [], []

        def begin():
            said = starts[len(actors)] if len(actors) < len(starts) else None
            actors.append(Actor(log, dies_at, said))
            return actors[-1]

        stand_in = SimpleNamespace(
            init=lambda *_, **__: None,
            cluster_resources=lambda: {"CPU": 2.0},
            wait=lambda references, timeout: (references[:1], references[1:]),
            get=Reference.get,
            kill=killed.append,
            exceptions=ray.exceptions,
        )
        made = SimpleNamespace(remote=begin)
        monkeypatch.setattr(ray_engine, "ray", stand_in)
        monkeypatch.setattr(ray_engine, "ShardActor", SimpleNamespace(options=lambda **_: made))
        engine = ray_engine.RayEngine(workers=2, gpus_per_worker=0, address=None, stall_s=60)
        return engine, actors, log, killed

    return make


def parts_of(output):
    return {path.name: path.read_bytes() for path in (output / "embeddings").iterdir()}


def test_an_actor_that_dies_is_followed_by_another_that_goes_over_its_shard_with_care(
    tmp_path, cluster, in_process
):
    engine, actors, log, killed = cluster(dies_at=3)
    shop = shop_of(tmp_path, rows=32)
    result = embed_catalogue(shop, tmp_path / "ray", SETTINGS, engine=engine)
    assert result.failed_shards == {} and result.n_failed == 0
    assert verify_job(tmp_path / "ray") == []
    dead, shard, _ = log[2]
    assert [careful for _, number, careful in log if number == shard] == [False, True]
    assert all(actor is not dead for actor, _, _ in log[3:])
    assert len(actors) == 3 and set(killed) == {*actors} - {dead}
    embed_catalogue(shop, tmp_path / "straight", SETTINGS, engine=in_process())
    assert parts_of(tmp_path / "ray") == parts_of(tmp_path / "straight")


def broken_start(kind):
    """What Ray gives for an actor that ended at its start, or raised there."""
    if kind == "died":
        return ray.exceptions.RayActorError(error_msg="out of memory\nmany lines")
    return ray.exceptions.RayTaskError("load", "", RuntimeError("no driver of the GPU"))


@pytest.mark.parametrize("kind", ["died", "raised"])
def test_an_actor_that_does_not_start_is_followed_by_another(tmp_path, cluster, kind):
    engine, actors, log, _ = cluster(starts=[broken_start(kind)] * 3)
    result = embed_catalogue(shop_of(tmp_path, rows=16), tmp_path / "ray", SETTINGS, engine=engine)
    assert (result.failed_shards, result.n_failed, len(log)) == ({}, 0, 2)
    assert len(actors) == 5


@pytest.mark.parametrize(
    ("kind", "why"), [("died", "out of memory"), ("raised", "RuntimeError: no driver of the GPU")]
)
def test_actors_that_never_start_end_the_job_with_their_reason(tmp_path, cluster, kind, why):
    engine, actors, _, _ = cluster(starts=[broken_start(kind)] * 99)
    told = rf"actors must start, got 4 in a row .* says: {why}\. Look at"
    with pytest.raises(JobError, match=told):
        embed_catalogue(shop_of(tmp_path, rows=16), tmp_path / "ray", SETTINGS, engine=engine)
    assert len(actors) == 5  # two at once, and one for each of the three that were replaced


def test_a_start_that_no_actor_can_make_ends_the_job_at_once(tmp_path, cluster):
    wrong = ray.exceptions.RayTaskError("load", "", JobError("the model is another."))
    engine, actors, _, _ = cluster(starts=[wrong] * 99)
    with pytest.raises(JobError, match=r"^the model is another\.$"):
        embed_catalogue(shop_of(tmp_path, rows=16), tmp_path / "ray", SETTINGS, engine=engine)
    assert len(actors) == 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_killed_actor_of_a_real_ray_costs_nothing_and_the_output_is_that_of_one_process(
    tmp_path,
):
    from fusion.shards.ray_engine import RayEngine

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    killed = []
    output = tmp_path / "ray"
    shop = shop_of(tmp_path, rows=96)
    killer = threading.Thread(
        target=kill_an_actor_after_the_first_receipt, args=(output, killed), daemon=True
    )
    killer.start()
    try:
        engine = RayEngine(workers=2, gpus_per_worker=0, address=None, stall_s=60)
        result = embed_catalogue(shop, output, SETTINGS, engine=engine)
    finally:
        ray.shutdown()
    assert killed, "no actor was killed: the test has shown nothing"
    assert result.failed_shards == {} and result.n_failed == 0
    assert verify_job(output) == []
    events = [json.loads(line) for line in (output / "events.jsonl").read_text().splitlines()]
    assert any(event["event"] == "shard_retried" for event in events)
    straight = tmp_path / "straight"
    embed_catalogue(shop, straight, SETTINGS, engine=LocalEngine(layout=Layout(1, 1)))
    assert parts_of(output) == parts_of(straight)


def test_the_adapter_is_thin():
    """What it has to say is said in the core: no other file knows of Ray."""
    from pathlib import Path

    root = Path(__file__).parents[3] / "fusion"
    users = [path.name for path in root.rglob("*.py") if "import ray" in path.read_text()]
    assert users == ["ray_engine.py"]

"""A real Ray on this machine: two actors, one of them killed in the middle of a shard."""

import json
import os
import signal
import threading
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fusion.build import EncoderChoice
from fusion.shards import JobSettings, Places, embed_catalogue, verify_job
from fusion.shards.layout import Layout
from fusion.shards.pool import LocalEngine

psutil = pytest.importorskip("psutil")
ray = pytest.importorskip("ray")

SETTINGS = JobSettings(choice=EncoderChoice(image="colour_texture"), shard_rows=8)
N_ROWS = 96


@pytest.fixture
def shop(tmp_path):
    random = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    names = [f"{row}.png" for row in range(N_ROWS)]
    for name in names:
        pixels = random.integers(0, 256, (96, 96, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / name)
    frame = pd.DataFrame({"sku": [f"P{row}" for row in range(N_ROWS)], "photo": names})
    frame.to_csv(tmp_path / "items.csv", index=False)
    return Places(tmp_path / "items.csv", tmp_path / "photos")


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


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_killed_actor_costs_nothing_and_the_output_is_that_of_one_process(shop, tmp_path):
    from fusion.shards.ray_engine import RayEngine

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    killed = []
    output = tmp_path / "ray"
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
    for path in sorted((straight / "embeddings").iterdir()):
        assert (output / "embeddings" / path.name).read_bytes() == path.read_bytes()


def test_the_adapter_is_thin():
    """What it has to say is said in the core: no other file knows of Ray."""
    from pathlib import Path

    root = Path(__file__).parents[3] / "fusion"
    users = [path.name for path in root.rglob("*.py") if "import ray" in path.read_text()]
    assert users == ["ray_engine.py"]

"""First steps: processor time and memory of what a user waits for before anything is computed.

Run: python benchmarks/first_steps.py
Needs about a gigabyte of memory and about two minutes on two cores.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image
from results import write_section

from fusion import FusionRegressor
from fusion.choices.encoders import EncoderChoices
from fusion.shards import DataPaths, InProcessEngine, JobSettings, embed_catalogue

REPEATS = 3
ROWS = 40
BASE = "import torch"
STARTER = """
import os, sys
null = os.open(os.devnull, os.O_RDWR)
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[
    (os.POSIX_SPAWN_DUP2, null, stream) for stream in (1, 2)])
usage = os.wait4(child, 0)[2]
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""
"""Starts a command: the peak of a process is at least that of the one that started it."""
WORKLOAD = f"""
Each in a new process, all of them in turns, one round to warm the disk and to compile what Python
then keeps, and {REPEATS} that count. A catalogue of {ROWS} items with a title, a small photo and a
number; a model with TF-IDF and `colour_texture`, one with TF-IDF and numbers alone; a finished
embedding job of the photos. CPU seconds are those of user and system,
medians; memory is the largest peak.
"""


class Step(NamedTuple):
    """What is run, and the most that it may take, in multiples of `import torch`."""

    command: list[str]
    aim: float | None


def shop(folder: Path) -> None:
    """Items, photos, a model and a finished job."""
    draw, photos = np.random.default_rng(0), folder / "photos"
    photos.mkdir()
    for item in range(ROWS):
        pixels = draw.integers(0, 255, (60, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{item}.jpg")
    items = pd.DataFrame(
        {
            "id": [f"a{item}" for item in range(ROWS)],
            "title": [
                f"{'red' if item % 2 else 'blue'} shirt, size {item % 7}" for item in range(ROWS)
            ],
            "photo": [f"{item}.jpg" for item in range(ROWS)],
            "ads": draw.normal(size=ROWS),
        }
    )
    items.head(3).to_csv(folder / "new.csv", index=False)
    items.drop(columns="title").to_csv(folder / "untitled.csv", index=False)
    columns = {"image": ["photo"], "id": ["id"]}
    settings = JobSettings(EncoderChoices({"image": "colour_texture"}), columns)
    paths = DataPaths(folder / "untitled.csv", photos, folder / "store")
    embed_catalogue(paths, folder / "job", settings, engine=InProcessEngine())
    model = FusionRegressor(
        columns={"text": ["title"], "image": ["photo"], "numeric": ["ads"], "id": ["id"]},
        encoders={"text": "tfidf", "image": "colour_texture"}, photos=photos,
        training={"epochs": 2, "folds": 2}, random_state=0,
    )  # fmt: skip
    model.fit(items, draw.random(ROWS)).save(folder / "model")
    light = items.drop(columns="photo")
    light.head(10).to_csv(folder / "ten.csv", index=False)
    model = FusionRegressor(
        columns={"text": ["title"], "numeric": ["ads"], "id": ["id"]},
        encoders={"text": "tfidf"},
        training={"epochs": 2, "folds": 2},
        random_state=0,
    )
    model.fit(light, draw.random(ROWS)).save(folder / "light")


def steps(folder: Path) -> dict[str, Step]:
    """The commands and the aims."""

    def fusion(*words: str) -> list[str]:
        return [sys.executable, "-m", "fusion", *words]

    def place(name: str) -> str:
        return str(folder / name)

    predict = ["--photos", place("photos"), "--out", place("out.csv"), "--quiet"]
    light = fusion(
        "predict", place("light"), "--items", place("ten.csv"), "--out", place("ten_out.csv"),
        "--quiet",
    )  # fmt: skip
    rerun = fusion(
        "embed", "--items", place("untitled.csv"), "--photos", place("photos"), "--column",
        "id=id", "--column", "image=photo", "--encoder", "image=colour_texture", "--store",
        place("store"), "--out", place("job"), "--quiet",
    )  # fmt: skip
    wrong_bundle = fusion("predict", place("modle"), "--items", place("new.csv"), *predict)
    no_column = fusion("predict", place("model"), "--items", place("untitled.csv"), *predict)
    wrong_option = fusion(
        "embed", "--items", place("new.csv"), "--out", place("new"), "--delimiter", "ab"
    )
    return {
        BASE: Step([sys.executable, "-c", BASE], None),
        "`from fusion import FusionRegressor`": Step(
            [sys.executable, "-c", "from fusion import FusionRegressor"], 1.5
        ),
        "`fusion predict` of 10 items, texts and numbers": Step(light, 1.5),
        "`fusion predict` of 3 items, a photo too": Step(
            fusion("predict", place("model"), "--items", place("new.csv"), *predict), 2.5
        ),
        "`fusion verify`": Step(fusion("verify", place("job")), 0.4),
        "`fusion embed --status`": Step(fusion("embed", "--status", place("job")), 0.4),
        "`fusion embed` of a finished job": Step(rerun, 0.4),
        "`fusion merge`": Step(fusion("merge", place("store"), "--out", place("merged")), 0.4),
        "refusal: no such bundle": Step(wrong_bundle, 0.4),
        "refusal: a column is missing": Step(no_column, 0.4),
        "refusal: a wrong option": Step(wrong_option, 0.4),
        "refusal: no such file of settings": Step(fusion("train", place("gone.toml")), 0.4),
    }


def measured(command: list[str]) -> tuple[float, float]:
    """CPU seconds and peak GB of a command in a process of its own."""
    asked = [sys.executable, "-c", STARTER, *command]
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    told = subprocess.run(asked, check=True, capture_output=True, text=True, env=kept)
    seconds, size = map(float, told.stdout.split())
    unit = 1e9 if sys.platform == "darwin" else 1e6
    return seconds, size / unit


def rows_of(chosen: dict[str, Step], *, repeats: int) -> list[dict[str, object]]:
    """The table: medians over the rounds after the first."""
    rounds = [
        {name: measured(step.command) for name, step in chosen.items()} for _ in range(repeats + 1)
    ][1:]
    seconds = {name: median(found[name][0] for found in rounds) for name in chosen}
    return [
        {
            "step": name,
            "CPU seconds": f"{seconds[name]:.2f}",
            "of `import torch`": f"{seconds[name] / seconds[BASE]:.2f}",
            "aim": "" if step.aim is None else f"{step.aim:g}",
            "peak (GB)": f"{max(found[name][1] for found in rounds):.2f}",
        }
        for name, step in chosen.items()
    ]


def main() -> None:
    """Measures, prints, and writes the section unless sizes were chosen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shop(Path(folder))
        rows = rows_of(steps(Path(folder)), repeats=options.repeats)
    write_section(
        "First steps: what is imported before anything is computed",
        command="python benchmarks/first_steps.py",
        workload=WORKLOAD,
        rows=rows,
        trial=options.repeats != REPEATS,
    )


if __name__ == "__main__":
    main()

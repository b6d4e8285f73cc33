"""Photo names that try to leave the photo folder: nothing outside is opened, whatever they say."""

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.children import outside, seen_by
from benchmarks.promises.base import Outcome, Promise, Settings
from fusion import FusionRegressor
from fusion.choices.encoders import EncoderChoices
from fusion.shards import DataPaths, InProcessEngine, JobSettings, embed_catalogue

LINEAR: dict[str, Any] = {
    "head": "linear",
    "columns": {"image": ["photo"], "numeric": ["price"]},
    "encoders": {"image": "colour_texture"},
    "on_bad_rows": "record",
}


def make_shop(folder: Path) -> Path:
    """Photos beside secrets: links, devices, pipes and folders among them; the shop's folder."""
    photos = folder / "shop" / "photos"
    (photos / "deep").mkdir(parents=True)
    outside_folder = folder / "outside"
    outside_folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    for path in (
        photos / "good.png",
        photos / "deep" / "good.png",
        outside_folder / "secret.png",
        folder / "shop" / "secret.png",
        folder / "shop" / "photos-secret.png",
    ):
        Image.fromarray(pixels).save(path)
    links = {
        "out.png": outside_folder / "secret.png",
        "relative.png": Path("../secret.png"),
        "folder": outside_folder,
        "chain.png": Path("out.png"),
        "zero.png": Path("/dev/zero"),
        "random.png": Path("/dev/urandom"),
        "stdin.png": Path("/proc/self/fd/0"),
        "memory.png": Path("/proc/self/mem"),
        "loop.png": Path("loop.png"),
        "ping.png": Path("pong.png"),
        "pong.png": Path("ping.png"),
        "dangling.png": Path("nothing.png"),
        "root": Path("/"),
    }
    for name, target in links.items():
        (photos / name).symlink_to(target)
    os.mkfifo(photos / "pipe.png")
    (photos / "inside.png").symlink_to(photos / "deep" / "good.png")
    (photos / "link_to_pipe.png").symlink_to(photos / "pipe.png")
    return folder / "shop"


def hostile_names(shop: Path) -> dict[str, str]:
    """Names and the reasons that they are refused for."""
    secret = shop.parent / "outside" / "secret.png"
    return {
        "../secret.png": "photo_outside",
        "../../outside/secret.png": "photo_outside",
        "deep/../../secret.png": "photo_outside",
        "deep/../good.png": "photo_outside",
        "..": "photo_outside",
        "../photos-secret.png": "photo_outside",
        "../photos/good.png": "photo_outside",
        str(secret): "photo_outside",
        f"{shop}/photos/../secret.png": "photo_outside",
        f"{shop}/photos/out.png": "photo_outside",
        f"{shop}/photos/root/etc/passwd": "photo_outside",
        f"{shop}/photos-secret.png": "photo_outside",
        f"{shop}/./photos/good.png": "photo_outside",
        f"{shop}/photos": "photo_outside",
        f"{shop}/photos/": "photo_not_a_file",
        f"{shop}/photos//etc/passwd": "photo_missing",
        "/etc/passwd": "photo_outside",
        "//etc/passwd": "photo_outside",
        "/proc/self/environ": "photo_outside",
        "/dev/zero": "photo_outside",
        "..\\secret.png": "photo_outside",
        "\\\\host\\share\\a.png": "photo_outside",
        "deep\\good.png": "photo_outside",
        "C:\\photos\\a.png": "photo_url",
        "C:a.png": "photo_url",
        "file:///etc/passwd": "photo_url",
        f"file://{secret}": "photo_url",
        "http://169.254.169.254/latest": "photo_url",
        "https://example.org/a.png": "photo_url",
        "ftp://example.org/a.png": "photo_url",
        "data:image/png;base64,iVBORw0KGgo=": "photo_url",
        "s3://bucket/a.png": "photo_url",
        "%2e%2e/secret.png": "photo_missing",
        "%2e%2e%2fsecret.png": "photo_missing",
        "..%2fsecret.png": "photo_missing",
        "..%c0%afsecret.png": "photo_missing",
        "%2fetc%2fpasswd": "photo_missing",
        "．．/secret.png": "photo_missing",
        "..∕secret.png": "photo_missing",
        "~/secret.png": "photo_missing",
        "$HOME/secret.png": "photo_missing",
        "|cat /etc/passwd": "photo_missing",
        "*.png": "photo_missing",
        "good.png\0.jpg": "photo_name",
        "\0": "photo_name",
        "good.png/a.png": "photo_missing",
        "a" * 256: "photo_name",
        "é" * 255: "photo_missing",
        "a/" * 127 + "a": "photo_missing",
        "out.png": "photo_outside",
        "relative.png": "photo_outside",
        "folder/secret.png": "photo_outside",
        "chain.png": "photo_outside",
        "zero.png": "photo_outside",
        "random.png": "photo_outside",
        "stdin.png": "photo_outside",
        "memory.png": "photo_outside",
        "root/etc/passwd": "photo_outside",
        "loop.png": "photo_missing",
        "ping.png": "photo_missing",
        "dangling.png": "photo_missing",
        "pipe.png": "photo_not_a_file",
        "link_to_pipe.png": "photo_not_a_file",
        "deep": "photo_not_a_file",
        ".": "photo_not_a_file",
        "./": "photo_not_a_file",
    }


def embed(items: Path, photos: Path, out: Path) -> None:
    """A job that reads the photos."""
    asked = JobSettings(
        encoders=EncoderChoices({"image": "colour_texture"}),
        columns={"id": ["id"], "text": [], "image": ["photo"]},
        shard_rows=20,
    )
    embed_catalogue(DataPaths(items, photos), out, asked, engine=InProcessEngine())


def fitted(photos: Path) -> FusionRegressor:
    """A linear model of one photo and a number."""
    frame = pd.DataFrame({"photo": ["good.png"] * 12, "price": range(12)})
    model = FusionRegressor(photos=photos, **LINEAR)
    return model.fit(frame, np.arange(12.0))


def run(settings: Settings) -> Outcome:
    """Every name in a job, in training and in prediction, under an audit hook."""
    shop = make_shop(settings.folder)
    hostile = hostile_names(shop)
    names = settings.some(list(hostile))
    outcome = Outcome()
    _in_a_job(outcome, settings.folder, shop, {name: hostile[name] for name in names})
    _in_a_model(outcome, shop, names)
    return outcome


def _in_a_job(outcome: Outcome, folder: Path, shop: Path, hostile: dict[str, str]) -> None:
    names = [*hostile, "good.png"]
    items, out = folder / "items.parquet", folder / "out"
    pq.write_table(pa.table({"id": [f"p{n}" for n in range(len(names))], "photo": names}), items)
    photos = shop / "photos"
    embed(items, photos, folder / "warm")  # what Python itself opens once
    seen = seen_by(partial(embed, items, photos, out))
    found = [*seen.outward, *outside(seen.opened, photos, out, items)]
    if seen.answer is not None:
        found.append(f"the job ended with {seen.answer}")
    elif str(photos / "good.png") not in seen.opened:
        found.append("the hook saw nothing")
    errors = ds.dataset(out / "errors").to_table().to_pylist() if seen.answer is None else []
    reasons = {names[error["row"]]: error["reason"] for error in errors}
    for name, reason in hostile.items():
        got = reasons.get(name)
        broken = f"opened {found[:3]}" if found else ""
        if got != reason:
            broken = broken or f"the record must say {reason}, got {got}"
        outcome.case(f"job, {name[:40]!r}", broken)


def _in_a_model(outcome: Outcome, shop: Path, names: list[str]) -> None:
    photos = shop / "photos"
    model = fitted(photos)
    cells = [*names, *["good.png"] * 12]
    frame = pd.DataFrame({"photo": cells, "price": np.arange(float(len(cells)))})

    def predict() -> list[bool]:
        return (model.predict_table(frame)["error"] != "").tolist()

    scratch = shop / "scratch"
    scratch.mkdir()

    def fit() -> list[bool]:
        tempfile.tempdir = str(scratch)  # where a training keeps its state; this is a fork
        again = FusionRegressor(photos=photos, **LINEAR)
        dropped = again.fit(frame, np.arange(float(len(cells)))).fitted_.dropped
        return [row in dropped for row in range(len(cells))]

    for kind, work in {"prediction": predict, "training": fit}.items():
        work()
        seen = seen_by(work)
        found = [*seen.outward, *outside(seen.opened, photos, scratch)]
        for row, name in enumerate(names):
            broken = f"opened {found[:3]}" if found else ""
            if not isinstance(seen.answer, list):
                broken = f"ended with {seen.answer}"
            elif not seen.answer[row]:
                broken = broken or "the row was taken for a good one"
            outcome.case(f"{kind}, {name[:40]!r}", broken)


PROMISE = Promise("photo names: nothing outside the photo folder is read", run)

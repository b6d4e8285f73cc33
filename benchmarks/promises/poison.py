"""Rows that end or hang the process that reads them: recorded alone, and the job goes on."""

import ctypes
import faulthandler
import io
import os
import random
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from benchmarks.kill_job import forked_workers
from benchmarks.promises.base import Outcome, Promise, Settings
from fusion.choices.encoders import EncoderChoices
from fusion.shards import (
    DataPaths,
    JobSettings,
    embed_catalogue,
    pool,
    read_embeddings,
    verify_job,
    worker,
)
from fusion.shards.layout import Layout

ENDS = {
    b"KILL": ("worker_died", lambda: os.kill(os.getpid(), signal.SIGKILL)),
    b"SEGV": (
        "worker_died",
        lambda: (faulthandler.disable(), os.kill(os.getpid(), signal.SIGSEGV)),
    ),
    b"HANG": ("worker_hung", lambda: time.sleep(3600)),
    b"LOCK": ("worker_hung", lambda: ctypes.PyDLL(None).sleep(3600)),  # no other thread runs
}
JOBS, ROWS, SHARD_ROWS = 10, 18, 6
STALL_S = 2.0


def run(settings: Settings) -> Outcome:
    """Jobs of small photos, four of them poisonous, by workers that are forks."""
    outcome = Outcome()
    photos = settings.folder / "photos"
    photos.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "multiprocessing", pool.multiprocessing)
        patch.setattr(worker, "work", worker.work)
        forked_workers()
        patch.setattr(Image, "open", partial(_poisoned, Image.open))
        for number in range(settings.n(JOBS)):
            draw = random.Random(number)
            marks = dict(zip(draw.sample(range(ROWS), len(ENDS)), ENDS, strict=True))
            if settings.scale < 0.05:  # hanging takes seconds
                marks = {row: mark for row, mark in marks.items() if mark in (b"KILL", b"SEGV")}
            for row in range(ROWS):
                _draw(photos / f"{row}.png", seed=row, mark=marks.get(row, b""))
            _count(outcome, settings.folder, number, marks)
    return outcome


def _poisoned(opened: Any, source: Any, *arguments: Any, **options: Any) -> Any:
    if isinstance(source, io.BytesIO) and (end := ENDS.get(source.getvalue()[-4:])):
        end[1]()
    return opened(source, *arguments, **options)


def _draw(path: Path, *, seed: int, mark: bytes) -> None:
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes() + mark)  # decoders skip what stands behind the end


def _count(outcome: Outcome, folder: Path, number: int, marks: dict[int, bytes]) -> None:
    items, output = folder / "items.csv", folder / f"job{number}"
    items.write_text("id,photo\n" + "".join(f"p{n},{n}.png\n" for n in range(ROWS)))
    asked = JobSettings(
        encoders=EncoderChoices({"image": "colour_texture"}),
        columns={"id": ["id"], "image": ["photo"]},
        shard_rows=SHARD_ROWS,
    )
    engine = pool.LocalEngine(layout=Layout(2, 1), stall_s=STALL_S)
    try:
        embed_catalogue(DataPaths(items, folder / "photos"), output, asked, engine=engine)
    except Exception as error:
        outcome.case(f"job {number}", f"{type(error).__name__}: {error}")
        return
    reasons: dict[int, str] = {}
    for part in (output / "errors").iterdir():
        reasons |= {row["row"]: row["reason"] for row in pq.read_table(part).to_pylist()}
    found = read_embeddings(output, "image")
    embedded = dict(zip(found.rows.tolist(), found.vectors, strict=True))
    for row in range(ROWS):
        wanted = ENDS[marks[row]][0] if row in marks else None
        broken = "" if reasons.get(row) == wanted else f"wanted {wanted}, got {reasons.get(row)}"
        if row not in marks:
            broken = broken or _differs(folder, row, embedded.get(row))
        outcome.case(f"job {number}, row {row}", broken)
    outcome.case(f"job {number}, verify", ", ".join(verify_job(output)))


def _differs(folder: Path, row: int, vector: Any) -> str:
    """What is wrong with the embedding of a sound row, made again alone."""
    from encoders import ColourTextureEncoder

    if vector is None:
        return "a sound row has no embedding"
    alone = ColourTextureEncoder().encode([folder / "photos" / f"{row}.png"])[0]
    return "" if np.array_equal(alone, vector) else "a sound row has other bits than alone"


PROMISE = Promise("poison rows and hanging decoders: found, recorded, the job goes on", run)

"""Runs that are killed at one moment each, go on, and are compared with one that was not.

A process of its own, because torch cannot train in a fork of one that has trained; its arguments
are moments, keys of `CASES`; it prints JSON.
"""

import gc
import io
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image

from encoders import BertEncoder, ResNetEncoder
from fusion.pretraining import (
    PretrainingSettings,
    join_contents,
    pretrain_encoders,
    read_contents,
    run,
    trainer,
)
from fusion.progress import Work

SETTINGS = {
    "mlm": PretrainingSettings(
        objective="mlm", epochs=3, batch_size=8, save_steps=3, learning_rate=1e-3
    ),
    "contrastive": PretrainingSettings(
        objective="contrastive", epochs=2, batch_size=9, save_steps=3, learning_rate=1e-3
    ),
}


def photo(number):
    pixels = np.random.default_rng(number).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return [file.getvalue()]


VALUES = {
    "text": [f"coat {number} " + "warm " * (number % 7) for number in range(30)],
    "image": [photo(number) for number in range(30)],
}


def pretrain(objective, output, die_at=None):
    """One run from its beginning, or from where the one before was killed."""
    settings = SETTINGS[objective]
    torch.manual_seed(0)
    built = {"text": BertEncoder.tiny, "image": ResNetEncoder.tiny}
    encoders = {name: built[name]() for name in settings.modalities}
    contents = {name: read_contents(encoders[name], VALUES[name]) for name in encoders}
    rows = join_contents(contents, range(30))

    def look(work):
        if work.done == die_at:
            die()

    def stage(name, total, unit):
        return Work(name, total, unit, look)

    pretrain_encoders(encoders, rows, settings, output, items={}, stage=stage)


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def at_step(objective, step):
    return lambda output: pretrain(objective, output, step)


def at_call(objective, target, name, call=1):
    """Dies instead of the n-th call of a function."""

    def killed(output):
        calls = [0]
        real = getattr(target, name)

        def counted(*arguments, **options):
            calls[0] += 1
            return die() if calls[0] == call else real(*arguments, **options)

        with mock.patch.object(target, name, counted):
            pretrain(objective, output)

    return killed


CASES = {
    "before the first checkpoint": at_step("mlm", 2),
    "between checkpoints, inside an epoch": at_step("mlm", 5),
    "at the end of an epoch": at_step("mlm", 8),
    "in the middle of writing a checkpoint": at_call("mlm", torch, "save", call=5),
    "after a checkpoint, before its receipt": at_call("mlm", trainer, "commit", call=2),
    "after the last step": at_call("mlm", run, "write_encoder"),
    "before the result is noted": at_call("mlm", run, "write_atomically"),
    "while the checkpoint before is removed": at_call("mlm", run.shutil, "rmtree"),
    "before the last checkpoint is removed": at_call("mlm", run.shutil, "rmtree", call=5),
    "with a photo network, inside an epoch": at_step("contrastive", 5),
}


def forked(function, *arguments):
    """Exit code of a forked process that calls a function."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            function(*arguments)
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def files(output):
    paths = [path for path in sorted(output.rglob("*")) if path.is_file()]
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in paths}


def main():
    BertEncoder.tiny()  # children find it made and everything imported
    gc.freeze()
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        straight = {}
        for number, case in enumerate(sys.argv[1:]):
            output = folder / str(number)
            objective = "contrastive" if "photo" in case else "mlm"
            if objective not in straight:
                assert forked(pretrain, objective, folder / objective) == 0
                straight[objective] = files(folder / objective)
            code = forked(CASES[case], output)
            receipts = [path.stem for path in (output / "checkpoints").glob("*.json")]
            again = forked(pretrain, objective, output)
            same = files(output) == straight[objective]
            found[case] = {"killed": code, "receipts": receipts, "again": again, "same": same}
    json.dump(found, sys.stdout, indent=1)


if __name__ == "__main__":
    main()

"""Loading a model runs no code: malicious bundles are refused, and every flipped byte is seen."""

import hashlib
import json
import os
import pickle
import random
import shutil
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.children import cost_of
from benchmarks.promises.base import Outcome, Promise, Settings
from fusion import BundleError, FusionRegressor, load_bundle

FLIPS = 1_000
LIMIT_MB = 3_000
PATIENCE_S = 60
Craft = Callable[[Path, Path], None]
"""Changes a sound bundle, so that it would touch the second path if it ran code."""


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        """What unpickling would run."""
        return os.system, (f"touch {self.canary}",)


def seal(folder: Path, document: Any) -> None:
    """Writes a description with checksums that fit, as whoever can write the folder could."""
    if isinstance(document, dict) and isinstance(document.get("files"), dict):
        for name in document["files"]:
            path = folder / name
            if path.is_file() and path.stat().st_size < 10**8:
                document["files"][name] = stated(path.read_bytes())
    content = json.dumps(document).encode()
    (folder / "bundle.json").write_bytes(content)
    (folder / "bundle.sha256").write_text(hashlib.sha256(content).hexdigest())


def stated(content: bytes) -> dict[str, Any]:
    """What a description says of a file."""
    return {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}


def described(change: Callable[[dict[str, Any], Path], None]) -> Craft:
    """A craft that changes the description and seals it."""

    def craft(folder: Path, canary: Path) -> None:
        document = json.loads((folder / "bundle.json").read_text())
        change(document, canary)
        seal(folder, document)

    return craft


def at(*places: Any, value: Any) -> Craft:
    """A craft that puts a value at a place of the description."""

    def change(document: dict[str, Any], _: Path) -> None:
        inner: Any = document
        for place in places[:-1]:
            inner = inner[place]
        inner[places[-1]] = value

    return described(change)


def pickled(folder: Path, canary: Path) -> None:
    """Weights that are a pickle."""
    (folder / "weights.safetensors").write_bytes(pickle.dumps(Bomb(canary)))
    seal(folder, json.loads((folder / "bundle.json").read_text()))


def zipped(folder: Path, canary: Path) -> None:
    """Weights as torch saves them: a zip with a pickle inside."""
    with zipfile.ZipFile(folder / "weights.safetensors", "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps(Bomb(canary)))
    seal(folder, json.loads((folder / "bundle.json").read_text()))


def checkpoint(folder: Path, canary: Path) -> None:
    """A text encoder whose checkpoint is a pickle, with code of its own beside it."""
    place = folder.parent / f"{folder.name}-checkpoint"
    place.mkdir()
    code = f"import os\nos.system('touch {canary}')\n"
    (place / "modeling_evil.py").write_text(code)
    config = {"model_type": "evil", "auto_map": {"AutoModel": "modeling_evil.Evil"}}
    (place / "config.json").write_text(json.dumps(config))
    (place / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(canary)))
    document = json.loads((folder / "bundle.json").read_text())
    document["encoders"]["text"] = {
        **document["encoders"]["text"],
        "name": "bert",
        "config": {"checkpoint": str(place)},
    }
    seal(folder, document)


def photo_weights(folder: Path, canary: Path) -> None:
    """A photo encoder whose weights are a pickle."""
    place = folder.parent / f"{folder.name}.pth"
    place.write_bytes(pickle.dumps(Bomb(canary)))
    document = json.loads((folder / "bundle.json").read_text())
    config = {"architecture": "resnet18", "weights": str(place)}
    document["encoders"]["image"] = {
        **document["encoders"]["text"],
        "name": "resnet",
        "config": config,
    }
    seal(folder, document)


def instead(target: str) -> Craft:
    """A craft that puts a link in the place of the weights."""

    def craft(folder: Path, _: Path) -> None:
        (folder / "weights.safetensors").unlink()
        (folder / "weights.safetensors").symlink_to(target)
        seal(folder, json.loads((folder / "bundle.json").read_text()))

    return craft


def pipe(folder: Path, _: Path) -> None:
    """A pipe in the place of the description."""
    (folder / "bundle.json").unlink()
    os.mkfifo(folder / "bundle.json")


def pipe_of_weights(folder: Path, _: Path) -> None:
    """A pipe in the place of the weights."""
    (folder / "weights.safetensors").unlink()
    os.mkfifo(folder / "weights.safetensors")


def deep(folder: Path, _: Path) -> None:
    """A description that is nested 100,000 times."""
    content = b'{"format": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    (folder / "bundle.json").write_bytes(content)
    (folder / "bundle.sha256").write_text(hashlib.sha256(content).hexdigest())


def wide_header(folder: Path, _: Path) -> None:
    """Weights whose header claims 2^60 numbers."""
    header = json.dumps({"x": {"dtype": "F32", "shape": [2**60], "data_offsets": [0, 2**62]}})
    content = len(header).to_bytes(8, "little") + header.encode()
    (folder / "weights.safetensors").write_bytes(content)
    seal(folder, json.loads((folder / "bundle.json").read_text()))


def other_file(name: str) -> Craft:
    """A craft whose description names one more file."""

    def change(document: dict[str, Any], canary: Path) -> None:
        document["files"][name] = stated(b"")

    return described(change)


EVIL = {"name": "os.system", "config": {"command": "touch canary"}}
CRAFTS: dict[str, Craft] = {
    "weights are a pickle": pickled,
    "weights are a zip with a pickle": zipped,
    "checkpoint with code and a pickle": checkpoint,
    "photo weights are a pickle": photo_weights,
    "fusion is os.system": at("fusion", value=EVIL),
    "fusion is a dotted path": at("fusion", "name", value="fusion.strategies.ConcatFusion"),
    "fusion is dunder": at("fusion", "name", value="__class__"),
    "encoder is builtins.eval": at("encoders", "text", "name", value="builtins.eval"),
    "encoder is subprocess.Popen": at("encoders", "text", "name", value="subprocess.Popen"),
    "head is os.system": at("heads", "target", "name", value="os.system"),
    "head is a list": at("heads", "target", "name", value=["os", "system"]),
    "unknown option": at("fusion", "config", value={"__class__": "os.system"}),
    "options are a text": at("fusion", "config", value="os.system('touch canary')"),
    "weights are /dev/zero": instead("/dev/zero"),
    "weights are /dev/urandom": instead("/dev/urandom"),
    "weights are standard input": instead("/dev/stdin"),
    "weights are a link out": instead("/etc/passwd"),
    "weights are a folder": instead("/"),
    "description is a pipe": pipe,
    "weights are a pipe": pipe_of_weights,
    "description of 100,000 levels": deep,
    "description is a list": lambda folder, _: seal(folder, [1, 2, 3]),
    "description is null": lambda folder, _: seal(folder, None),
    "a billion networks": at("n_networks", value=10**9),
    "minus one network": at("n_networks", value=-1),
    "networks are a text": at("n_networks", value="__import__('os')"),
    "projections of 2^40 numbers": at("fusion", "config", "projection_dim", value=2**40),
    "width of 10^12": at("fusion", "config", "width", value=10**12),
    "header of 2^60 numbers": wide_header,
    "a file outside": other_file("../../../../etc/passwd"),
    "an absolute file": other_file("/etc/passwd"),
    "/dev/zero is a file": other_file("/dev/zero"),
    "a file with NUL": other_file("a\0b"),
    "files are a text": at("files", value="weights.safetensors"),
    "no encoders": at("encoders", value=None),
    "schema is a number": at("schema", value=7),
    "another format": at("format", value=10**30),
}


def saved_bundle(folder: Path) -> Path:
    """A small bundle of texts and numbers."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "title": draw.choice(["soft wool scarf", "thin belt", "wide belt"], 30),
            "price": draw.uniform(5, 50, 30),
        }
    )
    model = FusionRegressor(
        columns={"text": ["title"], "numeric": ["price"]},
        encoders={"text": "tfidf"},
        training={"epochs": 1, "folds": 2},
        strategy_options={"n_networks": 1, "width": 8},
        random_state=0,
    )
    model.fit(frame, draw.uniform(1, 9, 30)).save(folder / "bundle")
    return folder / "bundle"


def run(settings: Settings) -> Outcome:
    """Crafted bundles, each loaded in a process of its own, and flipped bytes in this one."""
    outcome = Outcome()
    sound = saved_bundle(settings.folder)
    seal(sound, json.loads((sound / "bundle.json").read_text()))
    load_bundle(sound)  # else all that is sealed would be refused, whatever was changed in it
    for number, name in enumerate(settings.some(list(CRAFTS))):
        folder, canary = settings.folder / str(number), settings.folder / f"canary{number}"
        shutil.copytree(sound, folder)
        CRAFTS[name](folder, canary)
        outcome.attempt(name, partial(_broken_by, folder, canary))
    _flip(outcome, sound, count=settings.n(FLIPS))
    return outcome


def _broken_by(folder: Path, canary: Path) -> str:
    cost = cost_of(partial(_load, folder), limit_mb=LIMIT_MB, patience_s=PATIENCE_S)
    if canary.exists():
        return "it ran code"
    return "" if cost.answer == "refused" else f"{cost.answer} ({cost.megabytes:.0f} MB)"


def _load(folder: Path) -> str:
    try:
        load_bundle(folder)
    except BundleError:
        return "refused"
    return "it was loaded"


def _flip(outcome: Outcome, folder: Path, *, count: int) -> None:
    paths = sorted(folder.iterdir())
    draw = random.Random(0)
    for number in range(count):
        path = paths[number % len(paths)]
        content = path.read_bytes()
        place, bit = draw.randrange(len(content)), draw.randrange(8)
        changed = bytearray(content)
        changed[place] ^= 1 << bit
        path.write_bytes(changed)
        found = _load(folder)
        path.write_bytes(content)
        broken = "" if found == "refused" else "was not seen"
        outcome.case(f"bit {bit} of byte {place} of {path.name}", broken)


PROMISE = Promise("loading runs no code: malicious bundles refused, 1,000 flipped bytes seen", run)

"""Tiny bundles, and a process of its own with a limit on memory and time."""

import hashlib
import json
import os
import resource
import shutil
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.kill_job import fork
from fusion import BundleError, ConfigError, FusionClassifier, FusionRegressor
from fusion.bundle.document import FORMAT

FROZEN = Path(__file__).parent / "frozen"
SPARE_BYTES = 2**30
CASE_SECONDS = 20
SMALL = {"width": 8, "depth": 1, "n_networks": 2, "projection_dim": 8}


@pytest.fixture(scope="session")
def some_items() -> Callable[[int], pd.DataFrame]:
    """Makes a table of items with a text, a number, a category and a date."""

    def make(n: int) -> pd.DataFrame:
        draw = np.random.default_rng(0).choice
        return pd.DataFrame(
            {
                "title": draw(["soft wool scarf", "thin belt", "leather belt, wide"], n),
                "cost": np.random.default_rng(1).uniform(5, 50, n),
                "brand": draw(["north", "south"], n),
                "launch": draw(["2024-01-02", "2024-06-05", "2025-02-03", "2025-09-30"], n),
            }
        )

    return make


@pytest.fixture(scope="session")
def small_model(some_items: Callable[[int], pd.DataFrame]) -> FusionRegressor:
    """A model of numbers, categories, dates and TF-IDF texts with three networks."""
    items = some_items(60)
    model = FusionRegressor(
        columns={"text": ["title"], "dates": ["launch"]},
        encoders={"text": "tfidf"},
        members=["network", "kernel", "trees"],
        strategy_options=SMALL,
        training={"epochs": 2, "folds": 3},
        random_state=1,
    )
    return model.fit(items, items["cost"].to_numpy() ** 2)


@pytest.fixture(scope="session")
def small_classifier(some_items: Callable[[int], pd.DataFrame]) -> FusionClassifier:
    """A classifier of a number and a category with one network."""
    items = some_items(60)[["cost", "brand"]]
    settings = {"training": {"epochs": 1, "folds": 1}, "strategy_options": SMALL}
    return FusionClassifier(**settings, random_state=1).fit(items, (items["cost"] > 20).to_numpy())


@pytest.fixture
def folder(small_model: FusionRegressor, tmp_path: Path) -> Path:
    """A bundle of the small model."""
    small_model.save(tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def every_member(tmp_path: Path) -> Path:
    """A bundle in which every member counts."""
    shutil.copytree(FROZEN / f"format_{FORMAT}" / "bundle", tmp_path / "every")
    return tmp_path / "every"


@pytest.fixture(scope="session")
def complaint_about() -> Callable[[Any, Path, pd.DataFrame], str | None]:
    """Tells what is wrong with what became of a bundle."""

    def complaint(kind: Any, folder: Path, items: pd.DataFrame) -> str | None:
        """What is wrong with what became of a bundle: nothing for a BundleError or answers."""
        try:
            model = kind.load(folder)
        except BundleError as error:
            return "a message without end" if len(str(error)) > 5000 else None
        rows = items.reindex(columns=list(model.bundle_.schema.all_columns)).astype(object)
        if model.bundle_.schema.id is not None:
            rows[model.bundle_.schema.id] = ["a", "b", "c"]
        try:
            table = model.set_params(on_bad_rows="absent", store=None).predict_table(rows)
        except (ConfigError, BundleError):
            return None  # a parameter of the estimator, which `set_params` changes; or of some rows
        wrong = len(table) != 3 or not np.isfinite(table[model._predictor().columns()]).all(
            axis=None
        )
        return f"answers {table.to_dict()}" if wrong else None

    return complaint


@pytest.fixture
def write_crafted() -> Callable[[Path, Any], None]:
    """Writes another description into a bundle, with checksums that fit."""

    def write(folder: Path, document: Any) -> None:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        (folder / "bundle.json").write_bytes(content)
        (folder / "bundle.sha256").write_text(hashlib.sha256(content).hexdigest())

    return write


@pytest.fixture
def write_weights(write_crafted: Callable[[Path, Any], None]) -> Callable[..., None]:
    """Writes another file into a bundle, with size and checksum that fit."""

    def write(folder: Path, content: bytes, name: str = "weights.safetensors") -> None:
        document = json.loads((folder / "bundle.json").read_text())
        stated = {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
        document["files"][name] = stated
        (folder / name).write_bytes(content)
        write_crafted(folder, document)

    return write


@pytest.fixture
def short_of_memory(tmp_path: Path) -> Iterator[Callable[..., list[str]]]:
    """Runs cases in a forked process with 1 GiB more memory and 20 s each; what went wrong."""
    told = tmp_path / "told.txt"

    def run(cases: Any) -> list[str]:
        """Cases are pairs of a name and a function that gives a complaint, or nothing."""

        def all_of_them() -> None:
            size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
            _, most = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (size + SPARE_BYTES, most))
            signal.signal(signal.SIGALRM, _too_long)
            with told.open("w") as file:
                for name, function in cases:
                    signal.alarm(CASE_SECONDS)
                    try:
                        complaint = function()
                    except BaseException:
                        complaint = traceback.format_exc(limit=-3)
                    signal.alarm(0)
                    if complaint:
                        file.write(f"{name}: {complaint}\n\0")
                file.write("end")

        child = fork(all_of_them)
        os.waitpid(child, 0)
        *complaints, end = told.read_text().split("\0")
        return complaints if end == "end" else [*complaints, "the process did not come to its end"]

    yield run


class TooLong(BaseException):
    pass


def _too_long(*_: object) -> None:
    raise TooLong

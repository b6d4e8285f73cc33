"""The code that makes the demo catalogue, run on a small one."""

import hashlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[2] / "demo_data" / "make_demo_data.py"


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.fixture(scope="module")
def make() -> Callable[..., Any]:
    """The function of the script, which stands in no package."""
    spec = importlib.util.spec_from_file_location("make_demo_data", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)  # where its recipe stands
        spec.loader.exec_module(module)
    function: Callable[..., Any] = module.make_demo_data
    return function


@pytest.fixture(scope="module")
def small(make: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    make(folder, seed=7, n_items=40, n_new=3)
    return folder


def test_the_same_seed_gives_the_same_bytes_in_another_process(small: Path, tmp_path: Path) -> None:
    """With another salt of `hash`, which the order of a set must not leak into."""
    sizes = ["--items", "40", "--new-items", "3", "--seed", "7"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--out", str(tmp_path), *sizes],
        env=os.environ | {"PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "photo" in done.stdout
    assert digests(tmp_path) == digests(small)


def test_another_seed_gives_another_catalogue(
    make: Callable[..., Any], small: Path, tmp_path: Path
) -> None:
    make(tmp_path, seed=8, n_items=20, n_new=3)
    assert (tmp_path / "items.csv").read_bytes() != (small / "items.csv").read_bytes()
    assert len(pd.read_csv(tmp_path / "items.csv")) == 20


def test_a_small_catalogue_has_all_files(small: Path) -> None:
    names = {path.name for path in small.iterdir()}
    tables = {"items.csv", "new_items.csv", "sales.csv", "latents.csv"}
    assert names == tables | {"process.json", "photos"}
    assert len(pd.read_csv(small / "items.csv")) == 40
    assert len(pd.read_csv(small / "new_items.csv")) == 3


def test_too_few_items_are_refused(make: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="n_items must be 20 or more, got 5"):
        make(tmp_path, seed=7, n_items=5, n_new=3)

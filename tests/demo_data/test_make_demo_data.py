"""The code that makes the demo catalogue, run on a small one."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[2] / "demo_data" / "make_demo_data.py"


def make(out: Path, *, items: int = 40, seed: int = 7) -> subprocess.CompletedProcess[str]:
    sizes = ["--items", str(items), "--new-items", "3", "--seed", str(seed)]
    command = [sys.executable, str(SCRIPT), "--out", str(out), *sizes]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    done = make(folder)
    assert done.returncode == 0, done.stderr
    assert "photo" in done.stdout
    return folder


def test_the_same_seed_gives_the_same_bytes(small: Path, tmp_path: Path) -> None:
    assert make(tmp_path).returncode == 0
    assert digests(tmp_path) == digests(small)


def test_another_seed_gives_another_catalogue(small: Path, tmp_path: Path) -> None:
    assert make(tmp_path, items=20, seed=8).returncode == 0
    assert (tmp_path / "items.csv").read_bytes() != (small / "items.csv").read_bytes()
    assert len(pd.read_csv(tmp_path / "items.csv")) == 20


def test_a_small_catalogue_has_all_files(small: Path) -> None:
    names = {path.name for path in small.iterdir()}
    tables = {"items.csv", "new_items.csv", "sales.csv", "latents.csv"}
    assert names == tables | {"process.json", "photos"}
    assert len(pd.read_csv(small / "items.csv")) == 40
    assert len(pd.read_csv(small / "new_items.csv")) == 3


def test_too_few_items_are_refused(tmp_path: Path) -> None:
    done = make(tmp_path, items=5)
    assert done.returncode != 0
    assert "n_items must be 20 or more, got 5" in done.stderr

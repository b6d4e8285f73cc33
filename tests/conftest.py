"""What the whole suite shares: one thread, and one switch for the processor's precision.

`FUSION_BF16=yes` or `FUSION_BF16=no` before pytest answers "has this processor bf16" for every
test, also in child processes. Tests that hold a promise in both take `precision`; tests that
compare numbers of one of them take `float32` or `bfloat16`.
"""

import gc
import os
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import pandas as pd

os.environ.setdefault("OMP_NUM_THREADS", "1")  # for tiny tensors threads cost more than they give
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads do not survive a fork

from encoders.dtype import SWITCH, processor_has_bfloat16
from fusion.plugins import KINDS

HAS_BF16 = {"float32": "no", "bfloat16": "yes"}


def pytest_report_header() -> str:
    """Says what the suite takes the processor for."""
    answer = "yes" if processor_has_bfloat16() else "no"
    return f"bf16: {answer} ({f'by {SWITCH}' if SWITCH in os.environ else 'the processor'})"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pages of docs come first: they take longest, and would leave one worker alone in the end."""
    items.sort(key=lambda item: item.path.name != "test_readme.py")


@pytest.fixture
def registries() -> Iterator[None]:
    """Puts back the tables of all rooms, which a test or a page adds its own parts to."""
    places = [kind.table for kind in KINDS.values()]
    tables = [getattr(import_module(module), name) for module, name in places]
    before = [dict(table) for table in tables]
    yield
    for table, entries in zip(tables, before, strict=True):
        table.clear()
        table.update(entries)


@pytest.fixture
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor has no bf16: "auto" is float32."""
    monkeypatch.setenv(SWITCH, "no")


@pytest.fixture
def bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor has bf16, emulated where it has not: "auto" is bfloat16."""
    monkeypatch.setenv(SWITCH, "yes")


@pytest.fixture(scope="module")
def few_draws() -> Iterator[None]:
    """Intervals of gains come from 100 draws: for tests that do not ask where they end."""
    from fusion.evaluation import evaluate, paired_bootstrap

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "paired_bootstrap", partial(paired_bootstrap, n_resamples=100))
        yield


@pytest.fixture(scope="session")
def new_works() -> "type[Works]":
    """Makes stages that keep every piece of work that is opened."""
    return Works


@pytest.fixture
def works(new_works: "type[Works]") -> "Works":
    """A stage that keeps every piece of work that is opened."""
    return new_works()


class Works:
    """Opens pieces of work and keeps them, in order; `check` holds them to what all must keep."""

    def __init__(self) -> None:
        from fusion.progress import Work

        self.opened: list[Work] = []
        self._work = Work

    def __call__(self, name: str, total: int, unit: str) -> Any:
        self.opened.append(self._work(name, total, unit))
        return self.opened[-1]

    def check(self) -> None:
        """Each work has a name and a unit of its own kind, ends, and never has more than all."""
        names = [work.name for work in self.opened]
        assert len(set(names)) == len(names), names
        for work in self.opened:
            assert work.unit and work.total > 0, work.name
            assert work.ending in ("done", "stopped early"), (work.name, work.ending)
            whole = work.done == work.total
            assert whole if work.ending == "done" else 0 <= work.done < work.total, work.name


@pytest.fixture(scope="session")
def write_scarves() -> "Callable[[Path], pd.DataFrame]":
    """Writes a small catalogue into a folder: items with a title, a photo, a price and units."""
    return _scarves


def _scarves(folder: Path) -> "pd.DataFrame":
    """40 items as `items.csv`, and their photos below `photos`; gives the table."""
    import numpy as np
    import pandas as pd
    from PIL import Image

    n_rows = 40
    (folder / "photos").mkdir()
    draw = np.random.default_rng(0)
    names = [f"{number}.png" for number in range(n_rows)]
    for name in names:
        pixels = draw.integers(0, 255, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / name)
    words = draw.choice(["wool", "silk", "linen"], n_rows)
    frame = pd.DataFrame(
        {
            "item_id": [f"A{number}" for number in range(n_rows)],
            "title": [f"a soft scarf of {word}, number {i}" for i, word in enumerate(words)],
            "photo": names,
            "price": draw.uniform(1, 9, n_rows).round(2),
            "units": draw.poisson(20, n_rows),
        }
    )
    frame.to_csv(folder / "items.csv", index=False)
    return frame


@pytest.fixture(scope="session")
def steps_head() -> Any:
    """The class of a head with several steps, which no table of heads lists."""
    import runpy

    return runpy.run_path(str(Path(__file__).parent / "heads" / "steps_head.py"))["StepsHead"]


@pytest.fixture(params=["float32", "bfloat16"])
def precision(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test twice: "auto" is float32, then bfloat16, whatever the processor has."""
    monkeypatch.setenv(SWITCH, HAS_BF16[request.param])
    return str(request.param)


@pytest.fixture(scope="module", autouse=True)
def imports_are_no_garbage() -> Iterator[None]:
    """Keeps what is loaded out of `gc.collect`, which every training calls and forks copy."""
    gc.freeze()
    yield
    gc.collect()  # what a file leaves open is told in that file
    gc.freeze()


@pytest.fixture
def forked_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """The local engine with forked workers, which begin in no time; all else is its own."""
    from benchmarks.kill_job import forked_workers
    from fusion.shards import pool, worker

    monkeypatch.setattr(pool, "multiprocessing", pool.multiprocessing)
    monkeypatch.setattr(worker, "work", worker.work)
    forked_workers()


@pytest.fixture(params=["exchanged", "moved"])
def exchanged_or_moved(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test twice: where two names of a file system can be exchanged, and where not."""
    if request.param == "moved":
        from fusion.system import folders

        monkeypatch.setattr(folders, "exchange_folders", lambda first, second: False)
    return str(request.param)


def pytest_sessionfinish() -> None:
    """Gives back what was kept out, so that extensions see their objects end."""
    gc.unfreeze()

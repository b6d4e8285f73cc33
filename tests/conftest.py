import gc
import os
from collections.abc import Iterator

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # for tiny tensors threads cost more than they give
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads do not survive a fork


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
    from fusion.shards import pool

    monkeypatch.setattr(pool, "multiprocessing", pool.multiprocessing)
    monkeypatch.setattr(pool, "work", pool.work)
    forked_workers()


def pytest_sessionfinish() -> None:
    """Gives back what was kept out, so that extensions see their objects end."""
    gc.unfreeze()

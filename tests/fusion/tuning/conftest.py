"""The small tuning job of `tuning_job.py`, here or in forked processes."""

import json
import multiprocessing
import multiprocessing.forkserver
import os
import socket
import sys
from pathlib import Path

import pytest

from encoders.dtype import SWITCH

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import tuning_job  # noqa: E402


@pytest.fixture
def job():
    """`job(folder, change=, n_validation=, **settings)` tunes; gives back the run and the model."""
    return tuning_job.job


@pytest.fixture
def parts():
    """`texts_and_units()` and `model_of(settings, units)`."""
    return tuning_job.texts_and_units, tuning_job.model_of


@pytest.fixture
def near(precision):
    """How far losses may be from those of the same steps in batches of another size; runs twice."""
    return tuning_job.NEAR[precision]


@pytest.fixture(scope="session")
def fork_server():
    """Starts processes that find everything imported: one interpreter for all of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["tuning_job", "fusion.jobs.train", "torch.distributed.fsdp", "torch.distributed.tensor"]
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE.parents[2]), str(HERE)]))
        multiprocessing.forkserver.ensure_running()
    return context


@pytest.fixture
def together(fork_server):
    """Calls a function in n processes of one group; the exit codes, each once."""

    def run(function, *arguments, n, environment=()):
        port = _free_port()
        processes = [
            fork_server.Process(
                target=tuning_job.in_environment,
                args=({**_group(rank, n, port), **dict(environment)}, function, *arguments),
            )
            for rank in range(n)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(200)
        codes = {process.exitcode for process in processes}
        for process in processes:
            process.kill()
        return codes

    return run


@pytest.fixture
def in_processes(together, tmp_path):
    """Tunes in n processes that share the steps; the result, or None where all were killed."""
    n_runs = 0

    def tune(options, *, n=1, folder=None, die_at=None, environment=()):
        nonlocal n_runs
        n_runs += 1
        result = tmp_path / f"result_{n_runs}.json"
        arguments = (folder, options, result, die_at)
        codes = together(tuning_job.run_job, *arguments, n=n, environment=environment)
        assert codes == ({0} if die_at is None else {-9})
        assert result.exists() == (die_at is None)
        return json.loads(result.read_text()) if result.exists() else None

    return tune


def _group(rank, n, port):
    """The environment of one of n processes, as a launcher sets it."""
    own = {SWITCH: os.environ[SWITCH]} if SWITCH in os.environ else {}
    if n == 1:
        return own
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": n, "LOCAL_WORLD_SIZE": n}
    names |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return {**own, **{name: str(value) for name, value in names.items()}}


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]

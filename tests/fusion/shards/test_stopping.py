"""Jobs that are told to stop, with the workers that a user's command starts."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.kill_job import forked_workers
from fusion.cli import app
from fusion.shards import verify_job

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-c", "from fusion.cli import app; app()"]
PATIENCE_S = 180
SLOW_PHOTOS = """
import time
from PIL import Image
opened = Image.open
def slowly(*arguments, **options):
    time.sleep(0.4)
    return opened(*arguments, **options)
Image.open = slowly
"""

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


def children(number):
    found = Path(f"/proc/{number}/task/{number}/children").read_text().split()
    return [int(child) for child in found]


def is_alive(number):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{number}/status").read_text()
    except OSError:
        return False


def until(condition, seconds=PATIENCE_S):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture(scope="module", autouse=True)
def interrupts():
    """Jobs inherit them; a shell has what it starts in the background ignore them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def job(tmp_path_factory, photo_job):
    return photo_job(tmp_path_factory.mktemp("input"), rows=60, shard_rows=3, missing=[4])


def start_new(arguments, folder, log):
    """Number of a new interpreter that runs the command, as its workers are."""
    (folder / "sitecustomize.py").write_text(SLOW_PHOTOS)
    with log.open("w") as file:
        command = subprocess.Popen(
            [*COMMAND, *arguments],
            env=os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
            stderr=file,
            start_new_session=True,
        )
    command.returncode = 0  # is waited for by its number
    return command.pid


def start_fork(arguments, folder, log):
    """Number of a fork of this process that runs the command, as its workers are."""
    number = os.fork()
    if number:
        return number
    code = 70
    try:
        os.setsid()
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT), 2)
        sys.stderr = os.fdopen(2, "w")
        forked_workers()
        exec(SLOW_PHOTOS, {})
        app(arguments)
    except SystemExit as stop:
        code = stop.code
    finally:
        sys.stderr.flush()
        os._exit(code)


@pytest.fixture(
    scope="module",
    params=[start_fork, pytest.param(start_new, marks=pytest.mark.slow)],
    ids=["forks", "new interpreters"],
)
def stopped(request, tmp_path_factory, job):
    """Signal -> what became of the same job; all three begin at once, to save time."""
    folder = tmp_path_factory.mktemp("running")
    arguments = ["embed", "--items", str(job.paths.items), "--photos", str(job.paths.photos)]
    arguments += ["--column", "id=id", "--column", "image=photo", "--quiet"]
    arguments += ["--encoder", "image=colour_texture"]
    arguments += ["--shard-rows", "3", "--workers", "1"]
    running = {
        name: request.param(
            [*arguments, "--out", str(folder / name)], folder, folder / f"{name}.log"
        )
        for name in ("int", "term", "kill")
    }
    yield {name: stop(name, number, folder / name) for name, number in running.items()}
    for number in running.values():
        try:
            os.killpg(number, signal.SIGKILL)
        except ProcessLookupError:
            pass


def stop(name, number, output):
    """Output, exit code and log of a job stopped in its middle, and whether its workers ended."""
    log = output.with_suffix(".log")
    assert until(lambda: len(list((output / "receipts").glob("0*.json"))) > 1), log.read_text()
    workers = [child for child in children(number) if is_alive(child)]
    assert workers, log.read_text()
    if name == "int":
        os.killpg(number, signal.SIGINT)  # as the terminal does
    else:
        os.kill(number, {"term": signal.SIGTERM, "kill": signal.SIGKILL}[name])
    code = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
    patience = 5 if name == "kill" else 1
    are_gone = until(lambda: not any(map(is_alive, workers)), seconds=patience)
    return output, code, log.read_text(), are_gone


@pytest.mark.parametrize(
    ("name", "code"), [("term", 143), ("kill", -9), ("int", 130)], ids=["term", "kill", "int"]
)
def test_a_job_that_is_stopped_leaves_no_worker_and_goes_on(name, code, stopped, job, files_of):
    output, ended, log, workers_are_gone = stopped[name]
    assert ended == code, log
    assert workers_are_gone
    if name != "kill":
        assert "Stopped. Run the same command again" in log
        assert "Traceback" not in log
    committed = {path: path.stat().st_mtime_ns for path in (output / "receipts").glob("0*.json")}
    result = job.run(output)
    assert 1 < result.n_already < result.n_shards
    assert {path: path.stat().st_mtime_ns for path in committed} == committed
    job.run(output.with_suffix(".straight"))
    assert files_of(output) == files_of(output.with_suffix(".straight"))
    assert verify_job(output) == []

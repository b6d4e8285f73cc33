"""Jobs that are told to stop, with the workers that a user's command starts."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

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

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]


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


@pytest.fixture(scope="module")
def job(tmp_path_factory, photo_job):
    return photo_job(tmp_path_factory.mktemp("input"), rows=60, shard_rows=3, missing=[4])


@pytest.fixture(scope="module")
def running(tmp_path_factory, job):
    """Signal -> process and output of the same job; all three begin at once, to save time.

    That for SIGINT is the command itself, the others are forks that call it.
    """
    folder = tmp_path_factory.mktemp("running")
    (folder / "sitecustomize.py").write_text(SLOW_PHOTOS)
    arguments = ["embed", "--items", str(job.places.items), "--photos", str(job.places.photos)]
    arguments += ["--id", "id", "--image", "photo", "--image-encoder", "colour_texture", "--quiet"]
    arguments += ["--shard-rows", "3", "--workers", "1"]
    path = f"{folder}{os.pathsep}{ROOT}"
    with (folder / "int.log").open("w") as log:
        command = subprocess.Popen(
            [*COMMAND, *arguments, "--out", str(folder / "int")],
            env=os.environ | {"PYTHONPATH": path},
            stderr=log,
            start_new_session=True,
        )
    found = {"int": command.pid}
    for name in ("term", "kill"):
        found[name] = os.fork()
        if found[name] == 0:
            os.setsid()
            os.environ["PYTHONPATH"] = path
            os.dup2(os.open(folder / f"{name}.log", os.O_WRONLY | os.O_CREAT), 2)
            code = 70
            try:
                sys.stderr = os.fdopen(2, "w")
                app([*arguments, "--out", str(folder / name)])
            except SystemExit as stop:
                code = stop.code
            finally:
                sys.stderr.flush()
                os._exit(code)
    yield {name: (number, folder / name) for name, number in found.items()}
    command.returncode = 0  # was waited for by its number
    for number in found.values():
        try:
            os.killpg(number, signal.SIGKILL)
        except ProcessLookupError:
            pass


@pytest.mark.parametrize(
    ("name", "code"), [("term", 143), ("kill", -9), ("int", 130)], ids=["term", "kill", "int"]
)
def test_a_job_that_is_stopped_leaves_no_worker_and_goes_on(name, code, running, job, files_of):
    number, output = running[name]
    log = output.with_suffix(".log")
    assert until(lambda: len(list((output / "receipts").glob("0*.json"))) > 1), log.read_text()
    workers = [child for child in children(number) if is_alive(child)]
    assert workers
    if name == "int":
        os.killpg(number, signal.SIGINT)  # as the terminal does
    else:
        os.kill(number, {"term": signal.SIGTERM, "kill": signal.SIGKILL}[name])
    assert os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) == code, log.read_text()
    patience = 5 if name == "kill" else 1
    assert until(lambda: not any(map(is_alive, workers)), seconds=patience)
    if name != "kill":
        assert "Stopped. Run the same command again" in log.read_text()
        assert "Traceback" not in log.read_text()
    committed = {path: path.stat().st_mtime_ns for path in (output / "receipts").glob("0*.json")}
    result = job.run(output)
    assert 1 < result.n_already < result.n_shards
    assert {path: path.stat().st_mtime_ns for path in committed} == committed
    job.run(output.with_suffix(".straight"))
    assert files_of(output) == files_of(output.with_suffix(".straight"))
    assert verify_job(output) == []

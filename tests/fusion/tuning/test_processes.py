"""What happens to processes: they are killed, or there are two of them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fusion.errors import JobError

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def start(script, folder, options, result, launcher=()):
    command = [sys.executable, *launcher, script, folder, json.dumps(options), result]
    return subprocess.Popen(
        [str(part) for part in command], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )


def finish(process, result):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return json.loads(result.read_text())


def test_a_killed_tuning_goes_on_to_the_same_weights(script, tmp_path):
    options = {"save_steps": 1, "epochs": 3, "text": {"word_dropout": 0.2}, "dropout": 0.1}
    whole = finish(start(script, "-", options, tmp_path / "whole.json"), tmp_path / "whole.json")
    folder = tmp_path / "states"
    for n_states in (3, 11):
        process = start(script, folder, options, tmp_path / "killed.json")
        deadline = time.monotonic() + 200
        while not (folder / "checkpoints" / f"checkpoint-{n_states}").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (tmp_path / "killed.json").exists()
        assert not (folder / "result.json").exists()
    resumed = finish(start(script, folder, options, tmp_path / "end.json"), tmp_path / "end.json")
    assert resumed[0] == pytest.approx(whole[0], rel=1e-6)
    assert resumed[1] == pytest.approx(whole[1], rel=1e-6)
    assert resumed[2] == pytest.approx(whole[2], rel=1e-6, abs=1e-6)
    assert not (folder / "checkpoints").exists(), "those of a finished run must be removed"


def test_a_checkpoint_that_is_not_complete_does_not_count(job, tmp_path):
    whole, _ = job(tmp_path / "whole", save_steps=3)
    torn = tmp_path / "torn" / "checkpoints" / "checkpoint-3"
    torn.mkdir(parents=True)
    (torn / "model.safetensors").write_bytes(b"half a file")
    run, _ = job(tmp_path / "torn", save_steps=3)
    assert run == whole


def test_a_finished_tuning_is_not_done_again(job, tmp_path):
    first, _ = job(tmp_path / "states")
    written = (tmp_path / "states" / "weights.safetensors").stat().st_mtime_ns
    again, model = job(tmp_path / "states")
    assert again == first
    assert (tmp_path / "states" / "weights.safetensors").stat().st_mtime_ns == written
    _, fresh = job(None)
    mine, theirs = model.trained_part().own_state(), fresh.trained_part().own_state()
    assert all((mine[name] == theirs[name]).all() for name in theirs)


def test_states_of_another_tuning_are_refused(job, tmp_path):
    job(tmp_path / "states")
    with pytest.raises(JobError, match="states of the same tuning"):
        job(tmp_path / "states", epochs=3)


@pytest.mark.parametrize("mode", ["full", "gradual"])
def test_two_processes_learn_as_one_with_twice_the_batch(script, tmp_path, mode):
    one = finish(
        start(script, "-", {"mode": mode, "batch_size": 16}, tmp_path / "one.json"),
        tmp_path / "one.json",
    )
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    two = finish(
        start(script, "-", {"mode": mode, "batch_size": 8}, tmp_path / "two.json", launcher),
        tmp_path / "two.json",
    )
    assert two[0] == pytest.approx(one[0], rel=1e-4)
    assert two[1] == pytest.approx(one[1], rel=1e-4)

"""What happens to processes: they are killed, or there are two of them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from fusion.errors import JobError
from fusion.tuning import states
from fusion.tuning.trainer import TuningProgress, TuningTrainer

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


def another_text(inputs, model):
    inputs.values["text"][70] = "a better title"


def an_absent_text(inputs, model):
    inputs.present["text"][3] = False


def another_fusion(inputs, model):
    model.fusion.settings["dropout"] = 0.5


@pytest.mark.parametrize("change", [another_text, an_absent_text, another_fusion])
def test_states_of_other_contents_or_models_are_refused(job, tmp_path, change):
    job(tmp_path / "states", epochs=1)
    with pytest.raises(JobError, match="states of the same tuning"):
        job(tmp_path / "states", epochs=1, change=change)


def test_states_of_another_tuning_are_refused(job, tmp_path):
    job(tmp_path / "states")
    with pytest.raises(JobError, match="states of the same tuning"):
        job(tmp_path / "states", epochs=3)


class Killed(BaseException):
    """Stands for a kill: nothing below catches it."""


def kill_at(patch, owner, method, n_calls):
    """Ends a run where a method of the trainer or callback is called for the n-th time."""
    original, left = getattr(owner, method), [n_calls]

    def wrapped(self, *arguments, **options):
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return original(self, *arguments, **options)

    patch.setattr(owner, method, wrapped)


@pytest.mark.parametrize("save_steps", [3, 8])  # an epoch has 8 steps
@pytest.mark.parametrize(
    ("owner", "method", "n_calls"),
    [
        (TuningTrainer, "evaluate", 1),
        (TuningTrainer, "evaluate", 3),
        (TuningTrainer, "training_step", 9),
        (TuningTrainer, "training_step", 17),
        (TuningProgress, "on_save", 2),
        (TuningProgress, "on_epoch_end", 2),
    ],
)
def test_a_kill_around_the_end_of_an_epoch_changes_nothing(
    job, tmp_path, monkeypatch, save_steps, owner, method, n_calls
):
    options = {"epochs": 3, "save_steps": save_steps}
    whole, model = job(None, **options)
    with monkeypatch.context() as patch:
        kill_at(patch, owner, method, n_calls)
        with pytest.raises(Killed):
            job(tmp_path / "states", **options)
    resumed, again = job(tmp_path / "states", **options)
    assert resumed.train_loss == pytest.approx(whole.train_loss, rel=1e-6)
    assert resumed.validation_loss == pytest.approx(whole.validation_loss, rel=1e-6)
    assert resumed.best_epoch == whole.best_epoch
    mine, theirs = again.trained_part().own_state(), model.trained_part().own_state()
    assert all(torch.allclose(mine[name], theirs[name], atol=1e-6) for name in theirs)


def test_a_run_killed_after_it_was_over_does_not_learn_on(job, tmp_path, monkeypatch):
    options = {"epochs": 8, "patience": 1, "learning_rate": 1e-2, "head_learning_rate": 0.1}
    whole, _ = job(None, **options)
    assert len(whole.validation_loss) < 8
    with monkeypatch.context() as patch:
        patch.setattr(states, "save_result", killed)
        with pytest.raises(Killed):
            job(tmp_path / "states", **options)
    resumed, _ = job(tmp_path / "states", **options)
    assert resumed.validation_loss == pytest.approx(whole.validation_loss, rel=1e-6)
    assert resumed.best_epoch == whole.best_epoch


def killed(*arguments):
    raise Killed


def test_a_run_without_validation_killed_at_its_very_end_keeps_its_weights(
    job, tmp_path, monkeypatch
):
    whole, model = job(None, n_validation=0)
    with monkeypatch.context() as patch:
        patch.setattr(states, "save_result", killed)
        with pytest.raises(Killed):
            job(tmp_path / "states", n_validation=0)
    resumed, again = job(tmp_path / "states", n_validation=0)
    assert resumed == whole
    mine, theirs = again.trained_part().own_state(), model.trained_part().own_state()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
FSDP = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_TRANSFORMER_CLS_TO_WRAP": "BertLayer",
    "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT",
}
"""What `accelerate launch` makes of its own file."""
AS_IF_GPUS = """
import torch
from accelerate.state import PartialState
from accelerate.utils import DistributedType

torch.distributed.init_process_group("gloo")
PartialState._prepare_backend = lambda self, *arguments: ("gloo", DistributedType.MULTI_GPU)
PartialState.set_device = lambda self: setattr(self, "device", torch.device("cpu"))
"""
"""accelerate offers FSDP on GPUs alone, torch on CPUs too: so it is told that these are GPUs."""


@pytest.mark.parametrize("mode", ["full", "gradual"])
def test_two_processes_learn_as_one_with_twice_the_batch(script, tmp_path, mode):
    one = finish(
        start(script, "-", {"mode": mode, "batch_size": 16}, tmp_path / "one.json"),
        tmp_path / "one.json",
    )
    two = finish(
        start(script, "-", {"mode": mode, "batch_size": 8}, tmp_path / "two.json", TWO),
        tmp_path / "two.json",
    )
    assert two[0] == pytest.approx(one[0], rel=1e-4)
    assert two[1] == pytest.approx(one[1], rel=1e-4)


@pytest.mark.parametrize("weights", ["in every process", "shared out by FSDP"])
def test_two_killed_processes_go_on_to_the_weights_of_one(script, tmp_path, monkeypatch, weights):
    """Killed in the middle of a later epoch, which must go on with its own order of rows."""
    options = {"epochs": 3, "batch_size": 16}
    one = finish(start(script, "-", options, tmp_path / "one.json"), tmp_path / "one.json")
    if weights == "shared out by FSDP":
        script.write_text(AS_IF_GPUS + script.read_text())
        for name, value in FSDP.items():
            monkeypatch.setitem(ENVIRONMENT, name, value)
    folder, options = tmp_path / "states", {"epochs": 3, "batch_size": 8, "save_steps": 1}
    process = start(script, folder, options, tmp_path / "killed.json", TWO)
    deadline = time.monotonic() + 200
    while not any((folder / "checkpoints" / f"checkpoint-{n}").exists() for n in (5, 6, 7)):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children()
    for killed_one in [process, *workers]:
        killed_one.send_signal(signal.SIGKILL)
    process.communicate()
    psutil.wait_procs(workers, timeout=60)
    assert not (folder / "result.json").exists()
    two = finish(start(script, folder, options, tmp_path / "two.json", TWO), tmp_path / "two.json")
    assert two[0] == pytest.approx(one[0], rel=1e-4)
    assert two[1] == pytest.approx(one[1], rel=1e-4)
    assert two[2] == pytest.approx(one[2], rel=1e-3, abs=1e-3)

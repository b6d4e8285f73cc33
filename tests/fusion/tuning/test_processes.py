"""What happens to processes: they are killed, or there are two of them."""

import numpy as np
import pandas as pd
import pytest
import torch
import tuning_job

from encoders.text.tiny_bert import tiny_checkpoint
from fusion import load_bundle
from fusion.errors import JobError
from fusion.tuning import states
from fusion.tuning.trainer import TuningProgress, TuningTrainer


def test_a_killed_tuning_goes_on_to_the_same_weights(in_processes, tmp_path, precision):
    options = {"save_steps": 1, "epochs": 3, "text": {"word_dropout": 0.2}, "dropout": 0.1}
    whole = in_processes(options)
    folder = tmp_path / "states"
    for step in (2, 7):  # the second in a later epoch, counted from the beginning
        assert in_processes(options, folder=folder, die_at=step) is None
        assert (folder / "checkpoints" / f"checkpoint-{step - 1}").exists()
        assert not (folder / "result.json").exists()
    assert in_processes(options, folder=folder) == whole
    assert whole["precision"] == precision
    assert not (folder / "checkpoints").exists(), "those of a finished run must be removed"


def test_a_checkpoint_that_is_not_complete_does_not_count(job, tmp_path):
    whole, _ = job(tmp_path / "torn", save_steps=3)
    (tmp_path / "torn" / "result.json").unlink()
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
    mine, theirs = model.trained_part().delta_state_dict(), fresh.trained_part().delta_state_dict()
    assert all((mine[name] == theirs[name]).all() for name in theirs)


def another_text(inputs, model):
    inputs.values["text"][40] = "a better title"


def an_absent_text(inputs, model):
    inputs.present["text"][3] = False


def another_fusion(inputs, model):
    model.fusion.settings["dropout"] = 0.5


@pytest.mark.parametrize("change", [another_text, an_absent_text, another_fusion])
def test_states_of_other_contents_or_models_are_refused(job, tmp_path, change):
    job(tmp_path / "states", epochs=1)
    with pytest.raises(JobError, match="states of the same tuning"):
        job(tmp_path / "states", epochs=1, change=change)


def test_states_keep_the_format_that_they_were_begun_in(job, tmp_path, monkeypatch):
    """The processor has bf16 where a run goes on that was begun without."""
    monkeypatch.setenv("FUSION_BF16", "no")
    whole, _ = job(None, save_steps=1)
    with monkeypatch.context() as patch:
        kill_at(patch, TuningTrainer, "training_step", 4)
        with pytest.raises(Killed):
            job(tmp_path / "states", save_steps=1)
    monkeypatch.setenv("FUSION_BF16", "yes")
    resumed, _ = job(tmp_path / "states", save_steps=1)
    assert resumed == whole and resumed.precision == "float32"


def test_states_in_bfloat16_are_not_gone_on_with_where_it_would_be_emulated(
    job, tmp_path, monkeypatch
):
    monkeypatch.setenv("FUSION_BF16", "yes")
    with monkeypatch.context() as patch:
        kill_at(patch, TuningTrainer, "training_step", 4)
        with pytest.raises(Killed):
            job(tmp_path / "states", save_steps=1)
    monkeypatch.setenv("FUSION_BF16", "no")
    with pytest.raises(JobError, match=r"begun in bfloat16 must go on where the processor has it"):
        job(tmp_path / "states", save_steps=1)


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


@pytest.fixture(scope="module")
def undisturbed():
    """Run and weights of a tuning that nobody stopped, made once."""
    return {}


def kill_case(owner, method, n_calls, save_steps, *marks):
    name = f"{method}-{n_calls}-{save_steps}"
    return pytest.param(owner, method, n_calls, save_steps, id=name, marks=marks)


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("owner", "method", "n_calls", "save_steps"),  # an epoch has 4 steps
    [
        kill_case(TuningTrainer, "evaluate", 1, 4, SLOW),
        kill_case(TuningTrainer, "evaluate", 1, 3, SLOW),
        kill_case(TuningTrainer, "evaluate", 3, 4),
        kill_case(TuningTrainer, "evaluate", 3, 3, SLOW),
        kill_case(TuningTrainer, "training_step", 5, 4, SLOW),
        kill_case(TuningTrainer, "training_step", 5, 3, SLOW),
        kill_case(TuningTrainer, "training_step", 9, 4, SLOW),
        kill_case(TuningTrainer, "training_step", 9, 3),
        kill_case(TuningProgress, "on_save", 2, 4, SLOW),
        kill_case(TuningProgress, "on_save", 2, 3),
        kill_case(TuningProgress, "on_epoch_end", 2, 4),
        kill_case(TuningProgress, "on_epoch_end", 2, 3, SLOW),
    ],
)
def test_a_kill_around_the_end_of_an_epoch_changes_nothing(
    job, tmp_path, monkeypatch, undisturbed, owner, method, n_calls, save_steps
):
    options = {"epochs": 3, "save_steps": save_steps}
    if not undisturbed:
        run, model = job(None, **options)
        undisturbed.update(run=run, weights=model.trained_part().delta_state_dict())
    with monkeypatch.context() as patch:
        kill_at(patch, owner, method, n_calls)
        with pytest.raises(Killed):
            job(tmp_path / "states", **options)
    resumed, again = job(tmp_path / "states", **options)
    assert resumed == undisturbed["run"]
    mine = again.trained_part().delta_state_dict()
    assert all(torch.equal(mine[name], weight) for name, weight in undisturbed["weights"].items())


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
    mine, theirs = again.trained_part().delta_state_dict(), model.trained_part().delta_state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


FSDP = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_TRANSFORMER_CLS_TO_WRAP": "BertLayer",
    "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT",
}
"""What `accelerate launch` makes of its own file."""


@pytest.mark.parametrize("mode", ["full", pytest.param("gradual", marks=SLOW)])
def test_two_processes_learn_as_one_with_twice_the_batch(in_processes, mode, near):
    one = in_processes({"mode": mode, "batch_size": 16})
    two = in_processes({"mode": mode, "batch_size": 8}, n=2)
    assert two["train"] == pytest.approx(one["train"], rel=near)
    assert two["validation"] == pytest.approx(one["validation"], rel=near)


@pytest.mark.parametrize(
    ("weights", "precision"),
    [
        ("in every process", "float32"),
        pytest.param("in every process", "bfloat16", marks=SLOW),
        ("shared out by FSDP", "bfloat16"),
        pytest.param("shared out by FSDP", "float32", marks=SLOW),
    ],
    indirect=["precision"],
)
def test_two_killed_processes_go_on_to_the_same_weights(
    in_processes, tmp_path, weights, precision, near
):
    """Killed in the middle of a later epoch, which must go on with its own order of rows."""
    environment = FSDP if weights == "shared out by FSDP" else {}
    options = {"epochs": 2, "batch_size": 8, "save_steps": 1}  # an epoch has 2 steps
    whole = in_processes(options, n=2, environment=environment)
    folder = tmp_path / "states"
    in_processes(options, n=2, environment=environment, folder=folder, die_at=3)
    assert not (folder / "result.json").exists()
    resumed = in_processes(options, n=2, environment=environment, folder=folder)
    assert resumed == whole
    assert whole["precision"] == precision
    one = in_processes({"epochs": 2, "batch_size": 16})
    assert whole["train"] == pytest.approx(one["train"], rel=near)
    for name, weight in one["weights"].items():
        np.testing.assert_allclose(whole["weights"][name], weight, atol=10 * near)


def test_two_processes_make_one_model(together, tmp_path):
    """The first tunes with the other, embeds, and goes on alone; tests/test_cli_tuning.py has the
    same by a launcher.
    """
    texts, units = tuning_job.texts_and_units()
    items = pd.DataFrame({"id": [f"B{i}" for i in range(len(texts))], "title": texts})
    items.assign(units=units, title=items["title"] + " " + items["id"]).to_csv(
        tmp_path / "items.csv", index=False
    )
    config = {
        "data": {
            "items": str(tmp_path / "items.csv"),
            "columns": {"id": ["id"], "text": ["title"], "row_text": []},
        },
        "heads": [{"head": "sales_volume", "target": "units"}],
        "encoders": {"text": str(tiny_checkpoint())},
        "training": {"epochs": 1, "folds": 2},
        "tuning": {"mode": "last_layers", "layers": 1, "epochs": 1, "folds": 2, "batch_size": 4},
    }
    assert together(tuning_job.run_fine_tune, config, tmp_path / "out", n=2) == {0}
    assert (tmp_path / "out" / "report.html").is_file()
    assert load_bundle(tmp_path / "out" / "bundle").model.encoder("text").adapter is not None

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from encoders import BertEncoder
from encoders.adapter import Adapter
from fusion.errors import ConfigError
from fusion.tuning import TuningSettings, guards
from fusion.tuning.trainer import TuningTrainer

OUT_OF_MEMORY = torch.cuda.OutOfMemoryError("CUDA out of memory.")


def test_frozen_encoders_are_refused():
    with pytest.raises(ConfigError, match=r"at least one weight .* all frozen \(text\)"):
        guards.check_something_trains({"text": BertEncoder.tiny()})
    with pytest.raises(ConfigError, match=r"all frozen \(none\)"):
        guards.check_something_trains({})
    encoder = BertEncoder.tiny()
    encoder.adapt(Adapter(layers=1))
    guards.check_something_trains({"text": encoder})


@pytest.mark.parametrize(("n_rows", "batch_size"), [(10, 1), (33, 32), (65, 32)])
def test_a_batch_of_one_row_and_batch_norm_do_not_go_together(n_rows, batch_size):
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    with pytest.raises(ConfigError, match="no batch of one row for BatchNorm"):
        guards.check_batch_norm(module, n_rows=n_rows, batch_size=batch_size)
    guards.check_batch_norm(module, n_rows=64, batch_size=32)
    guards.check_batch_norm(nn.Linear(2, 2), n_rows=n_rows, batch_size=batch_size)


def test_a_result_far_worse_than_a_constant_is_refused():
    with pytest.raises(FloatingPointError, match=r"has diverged\. Use a smaller learning_rate"):
        guards.check_not_diverged(11.0, [1.2, 40.0, 20.0], TuningSettings())
    guards.check_not_diverged(1.1, [1.2, 4.0, 2.0], TuningSettings())


def test_a_run_that_was_only_short_has_not_diverged():
    guards.check_not_diverged(40.0, [60.0, 50.0], TuningSettings())


@pytest.mark.parametrize(
    ("before", "after"),
    [((32, 1), (16, 2)), ((3, 1), (1, 3)), ((25, 1), (5, 5)), ((6, 5), (3, 10))],
)
def test_memory_that_is_short_gives_the_same_steps_in_smaller_batches(before, after):
    settings = TuningSettings(batch_size=before[0], accumulation=before[1])
    smaller = guards.smaller_batches(OUT_OF_MEMORY, settings, n_processes=1)
    assert (smaller.batch_size, smaller.accumulation) == after
    assert smaller == settings.model_copy(update={"batch_size": after[0], "accumulation": after[1]})


def test_memory_that_is_too_short_says_what_to_change():
    with pytest.raises(MemoryError, match=r"memory must hold one row.*checkpointing=True"):
        guards.smaller_batches(OUT_OF_MEMORY, TuningSettings(batch_size=1), n_processes=1)
    with pytest.raises(MemoryError, match=r"batch of 32 rows in each of 2 processes.*smaller"):
        guards.smaller_batches(MemoryError(), TuningSettings(), n_processes=2)


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="shapes differ"):
        guards.smaller_batches(RuntimeError("shapes differ"), TuningSettings(), n_processes=1)


def test_more_processes_than_rows_fill_are_refused():
    guards.check_whole_step(200, TuningSettings(), n_processes=6)
    with pytest.raises(ConfigError, match=r"has 256 rows .* got 200 rows\. Use fewer processes"):
        guards.check_whole_step(200, TuningSettings(), n_processes=8)
    guards.check_whole_step(20, TuningSettings(), n_processes=1)


def test_a_rate_that_is_far_too_high_says_what_to_change(job):
    with pytest.raises(FloatingPointError, match=r"learning_rate \(it is 1e\+20"):
        job(None, learning_rate=1e20, warmup=0.0, max_gradient=1e9)


def test_short_memory_changes_batches_but_not_what_is_learned(job, monkeypatch, tmp_path, near):
    whole, _ = job(None, batch_size=16)
    step, tried = TuningTrainer.training_step, []

    def short(self, *arguments, **options):
        tried.append(self.args.per_device_train_batch_size)
        if tried.count(4) == 6:
            raise KeyboardInterrupt
        if self.args.per_device_train_batch_size > 4:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return step(self, *arguments, **options)

    monkeypatch.setattr(TuningTrainer, "training_step", short)
    with pytest.raises(KeyboardInterrupt):
        job(tmp_path, batch_size=16, save_steps=1)
    assert tried == [16, 8, *[4] * 6]
    run, _ = job(tmp_path, batch_size=16, save_steps=1)
    assert run.batch_size == 4
    assert tried[8:] == [4] * 12, "goes on after step 1 of 4, with batches that fitted"
    assert run.train_loss == pytest.approx(whole.train_loss, rel=near)
    assert run.validation_loss == pytest.approx(whole.validation_loss, rel=near)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"fsdp_plugin": SimpleNamespace(fsdp_version=1)}, "fsdp_version must be 2.*got 1"),
        ({"deepspeed_plugin": SimpleNamespace(zero_stage=3)}, "zero_stage must be 0, 1 or 2.*3"),
    ],
)
def test_weights_that_cannot_be_put_together_again_are_refused(state, message):
    with pytest.raises(ConfigError, match=message):
        guards.check_whole_weights(SimpleNamespace(**state))


def test_other_ways_of_sharing_are_accelerates_own():
    guards.check_whole_weights(SimpleNamespace(deepspeed_plugin=None))
    guards.check_whole_weights(SimpleNamespace(fsdp_plugin=SimpleNamespace(fsdp_version=2)))
    guards.check_whole_weights(SimpleNamespace(deepspeed_plugin=SimpleNamespace(zero_stage=2)))

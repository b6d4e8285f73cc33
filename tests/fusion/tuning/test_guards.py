import pytest
import torch
from torch import nn

from encoders import BertEncoder
from encoders.adapter import Adapter
from fusion.errors import ConfigError
from fusion.tuning import TuningSettings, guards


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


def test_memory_that_is_short_halves_the_batch():
    error = torch.cuda.OutOfMemoryError("CUDA out of memory.")
    assert guards.smaller_batch(error, 32) == 16
    assert guards.smaller_batch(MemoryError(), 3) == 1
    with pytest.raises(MemoryError, match=r"memory must hold one row.*checkpointing=True"):
        guards.smaller_batch(error, 1)


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="shapes differ"):
        guards.smaller_batch(RuntimeError("shapes differ"), 32)


def test_a_rate_that_is_far_too_high_says_what_to_change(job):
    with pytest.raises(FloatingPointError, match=r"learning_rate \(it is 1e\+20"):
        job(None, learning_rate=1e20, warmup=0.0, max_gradient=1e9)


def test_short_memory_changes_batches_but_not_what_is_learned(job, monkeypatch):
    whole, _ = job(None, batch_size=16)
    from fusion.tuning.trainer import TuningTrainer

    step = TuningTrainer.training_step

    def short(self, *arguments, **options):
        if self.args.per_device_train_batch_size > 4:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return step(self, *arguments, **options)

    monkeypatch.setattr(TuningTrainer, "training_step", short)
    run, _ = job(None, batch_size=16)
    assert run.batch_size == 4
    assert run.train_loss == pytest.approx(whole.train_loss, rel=1e-4)
    assert run.validation_loss == pytest.approx(whole.validation_loss, rel=1e-4)

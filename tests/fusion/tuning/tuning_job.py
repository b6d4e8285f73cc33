"""A small tuning job: in the process of the tests, or in processes forked from one that loaded all.

The fork server imports this module once; nothing may be computed at its import but the checkpoint,
because torch cannot train in a fork of a process that has trained.
"""

import gc
import json
import os
import signal
from pathlib import Path

import numpy as np
import torch

from encoders import BertEncoder
from encoders.text.tiny_bert import tiny_checkpoint
from fusion.choices.build import build_decoders
from fusion.data.batch import ModelInputs
from fusion.network import FusionNetwork
from fusion.progress import Work, silent
from fusion.strategies import ConcatFusion
from fusion.system.processes import is_first
from fusion.tuning import TuningSettings
from fusion.tuning.rows import TuningRows
from fusion.tuning.tune import tune_model
from heads import RegressionHead

WORDS = ["red", "blue", "green", "dress", "shoe", "coat"]
N_ROWS, N_LEARN, N_VALIDATION = 48, 32, 16
NEAR = {"float32": 1e-4, "bfloat16": 1e-2}
"""How far losses are from those of the same steps in batches of another size, relatively, at most;
docs/fine_tuning.md says so too."""

tiny_checkpoint()  # forked processes find it made
gc.freeze()  # they need not look through what is loaded


def texts_and_units(n=N_ROWS):
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, size=random.integers(2, 8))) for _ in range(n)]
    units = [10.0 + 5 * text.count("red") + 3 * text.count("coat") for text in texts]
    return texts, np.array(units)


def model_of(settings, units):
    torch.manual_seed(0)
    encoder = BertEncoder.tiny()
    encoder.adapt(settings.adapter)
    fusion = ConcatFusion(
        {"text": encoder.embedding_dim}, width=16, n_networks=1, dropout=0.0, modality_dropout=0.0
    )
    heads = {"units": RegressionHead.fitted(units)}
    decoders = build_decoders(heads, fused_dim=fusion.fused_dim)
    return FusionNetwork({"text": encoder}, fusion=fusion, heads=heads, decoders=decoders)


def job(
    folder,
    *,
    change=lambda inputs, model: None,
    n_validation=N_VALIDATION,
    stage=silent,
    **options,
):
    """Tunes on 32 rows, four batches of eight; gives back the run and the model."""
    settings = TuningSettings(
        **{"mode": "full", "epochs": 2, "batch_size": 8, "dropout": 0.0, "learning_rate": 1e-3}
        | options
    )
    texts, units = texts_and_units()
    model = model_of(settings, units)
    inputs = ModelInputs(
        present={"text": torch.ones(len(texts), dtype=torch.bool)},
        values={"text": texts},
        encoders={"text": model.encoder("text")},
    )
    change(inputs, model)
    rows = (np.arange(N_LEARN), np.arange(N_LEARN, N_LEARN + n_validation))
    run = tune_model(
        model,
        TuningRows(inputs, {"units": units}, *rows),
        settings=settings,
        folder=folder,
        stage=stage,
    )
    return run, model


class DieAt:
    """A progress bar that kills its process when so many steps are done."""

    def __init__(self, step):
        self.step = step

    def __call__(self, name, total, unit):
        return Work(name, total, unit, self.look)

    def look(self, work):
        if work.done == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def as_if_gpus():
    """Accelerate offers FSDP on GPUs alone, torch on CPUs too: it is told that these are GPUs."""
    from accelerate.state import PartialState
    from accelerate.utils import DistributedType

    torch.distributed.init_process_group("gloo")
    PartialState._prepare_backend = lambda self, *arguments: ("gloo", DistributedType.MULTI_GPU)
    PartialState.set_device = lambda self: setattr(self, "device", torch.device("cpu"))


def in_environment(environment, function, *arguments):
    """Calls a function in a forked process, as if it had been started with an environment."""
    os.environ.update(environment)
    torch.set_num_threads(1)
    if "ACCELERATE_USE_FSDP" in environment:
        as_if_gpus()
    function(*arguments)


def run_job(folder, options, result, die_at):
    """The job; losses and weights of a finished one go to a file."""
    stage = silent if die_at is None else DieAt(die_at)
    run, model = job(None if folder is None else Path(folder), stage=stage, **options)
    if is_first():
        own = model.trained_part().delta_state_dict()
        weights = {name: weight.double().flatten().tolist() for name, weight in own.items()}
        content = {"train": run.train_loss, "validation": run.validation_loss, "weights": weights}
        Path(result).write_text(json.dumps({**content, "precision": run.precision}))


def run_fine_tune(config, output):
    """What `fusion fine-tune` does with the content of a file."""
    from fusion.job_steps.config import TrainConfig
    from fusion.jobs.train import fine_tune

    fine_tune(TrainConfig.from_dict(config), Path(output))

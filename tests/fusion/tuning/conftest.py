"""A small tuning job, in this process or as a script that other processes run."""

from pathlib import Path

import pytest

JOB = """
import json
import sys
from pathlib import Path

import numpy as np
import torch

from encoders import BertEncoder
from fusion.data.batch import ModelInputs
from fusion.model import ProductModel
from fusion.processes import is_first
from fusion.strategies import ConcatFusion
from fusion.tuning import TuningSettings
from fusion.tuning.tune import tune_model
from heads import RegressionHead

WORDS = ["red", "blue", "green", "dress", "shoe", "coat"]


def texts_and_units(n=96):
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, size=random.integers(2, 8))) for _ in range(n)]
    units = [10.0 + 5 * text.count("red") + 3 * text.count("coat") for text in texts]
    return texts, np.array(units)


def model_of(settings, units):
    torch.manual_seed(0)
    encoder = BertEncoder.tiny()
    encoder.adapt(settings.adapter)
    fusion = ConcatFusion(
        {"text": encoder.embedding_dim}, width=16, n_members=1, dropout=0.0, modality_dropout=0.0
    )
    head = RegressionHead.fitted(units, in_dim=fusion.fused_dim)
    return ProductModel({"text": encoder}, fusion=fusion, heads={"units": head})


def job(folder, *, change=lambda inputs, model: None, n_validation=32, **options):
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
    rows = (np.arange(64), np.arange(64, 64 + n_validation))
    run = tune_model(model, inputs, {"units": units}, rows=rows, settings=settings, folder=folder)
    return run, model
"""

SCRIPT = """
if __name__ == "__main__":
    torch.set_num_threads(1)
    options = json.loads(sys.argv[2])
    run, model = job(None if sys.argv[1] == "-" else Path(sys.argv[1]), **options)
    if is_first():
        own = model.trained_part().own_state()
        weights = {name: weight.double().sum().item() for name, weight in own.items()}
        Path(sys.argv[3]).write_text(json.dumps([run.train_loss, run.validation_loss, weights]))
"""

_names: dict = {"__name__": "job"}
exec(JOB, _names)  # one text serves the tests and the processes that they start


@pytest.fixture
def job():
    """`job(folder, change=, n_validation=, **settings)` tunes; gives back the run and the model."""
    return _names["job"]


@pytest.fixture
def parts():
    """`texts_and_units()` and `model_of(settings, units)`."""
    return _names["texts_and_units"], _names["model_of"]


@pytest.fixture
def script(tmp_path) -> Path:
    """A file that runs the job: FOLDER OPTIONS_AS_JSON RESULT_FILE."""
    path = tmp_path / "job.py"
    path.write_text(JOB + SCRIPT)
    return path

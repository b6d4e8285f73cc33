import numpy as np
import pytest
import torch

from fusion.choices.build import build_decoders
from fusion.data.batch import ModelInputs
from fusion.network import FusionNetwork
from fusion.strategies import ConcatFusion
from fusion.training import TrainingSettings, fit_model
from fusion.training.loss import BalancedLoss, pull
from fusion.training.trainer import BestWeights
from heads import HotItemHead, RegressionHead, SalesVolumeHead


def frozen(dim):
    from encoders.base import Encoder

    class FrozenEncoder(Encoder):
        modality = "text"
        cacheable = True
        embedding_dim = property(lambda self: dim)
        config = property(lambda self: {})
        origin = property(lambda self: {"name": "frozen"})

        def preprocess(self, values):
            raise AssertionError("a frozen encoder must not run in training")

        def forward(self, tensors):
            raise AssertionError("a frozen encoder must not run in training")

        @classmethod
        def tiny(cls):
            return cls()

    return FrozenEncoder()


@pytest.fixture
def problem():
    torch.manual_seed(0)
    vectors = torch.randn(200, 6)
    target = (vectors[:, 0] * 20 + 100).double().numpy()
    inputs = ModelInputs(
        present={"text": torch.ones(200, dtype=torch.bool)}, embeddings={"text": vectors}
    )
    fusion = ConcatFusion({"text": 6}, width=16, depth=1, n_networks=2, dropout=0.0)
    heads = {"y": RegressionHead.fitted(target)}
    decoders = build_decoders(heads, fused_dim=16)
    model = FusionNetwork({"text": frozen(6)}, fusion=fusion, heads=heads, decoders=decoders)
    return model, inputs, {"y": target}, (np.arange(150), np.arange(150, 200))


def test_training_learns_and_keeps_the_best_epoch(problem):
    model, inputs, targets, rows = problem
    settings = TrainingSettings(epochs=30, batch_size=32)
    history = fit_model(model, inputs, targets, rows=rows, settings=settings)
    assert history.validation_loss[history.best_epoch - 1] == min(history.validation_loss)
    assert min(history.validation_loss) < 0.1 < history.validation_loss[0]
    assert len(history.train_loss) == len(history.validation_loss) == 30
    loss = BalancedLoss(model, encoded(model, targets, rows[0]))
    with torch.inference_mode():
        raw = model.trained_part()(**inputs.batch(rows[1]))
        value = loss(raw, encoded(model, targets, rows[1]))
    assert float(value) == pytest.approx(min(history.validation_loss), rel=1e-4)
    assert not model.training


def encoded(model, targets, rows):
    return {
        name: torch.from_numpy(model.heads[name].encode_target(values[rows]))
        for name, values in targets.items()
    }


def test_training_stops_when_nothing_gets_better(problem):
    model, inputs, _, rows = problem
    noise = {"y": np.random.default_rng(0).normal(100, 20, 200)}
    settings = TrainingSettings(epochs=60, batch_size=32, patience=3)
    history = fit_model(model, inputs, noise, rows=rows, settings=settings)
    assert len(history.validation_loss) < 60
    assert len(history.validation_loss) - history.best_epoch == 3


def test_a_shuffled_target_is_no_better_than_a_constant(problem):
    model, inputs, targets, rows = problem
    shuffled = {"y": np.random.default_rng(1).permutation(targets["y"])}
    settings = TrainingSettings(epochs=10, batch_size=32)
    history = fit_model(model, inputs, shuffled, rows=rows, settings=settings)
    assert min(history.validation_loss) > 0.8


def test_an_exploding_step_is_a_clear_error(problem):
    model, inputs, targets, rows = problem
    settings = TrainingSettings(epochs=5, learning_rate=1e30)
    with pytest.raises(FloatingPointError, match="smaller learning_rate or weight_decay"):
        fit_model(model, inputs, targets, rows=rows, settings=settings)


def test_no_rows_are_a_clear_error(problem):
    model, inputs, targets, rows = problem
    with pytest.raises(ValueError, match="at least one training and one validation row"):
        fit_model(model, inputs, targets, rows=(rows[0], np.arange(0)), settings=TrainingSettings())


def test_heads_pull_equally_and_one_point_zero_is_the_constant_answer():
    units = np.random.default_rng(0).negative_binomial(3, 0.02, 300).astype(float)
    fusion = ConcatFusion({"text": 4}, width=8, depth=1, n_networks=1)
    heads = {
        "units": SalesVolumeHead.fitted(units),
        "hot": HotItemHead.fitted(units),
    }
    decoders = build_decoders(heads, fused_dim=8)
    model = FusionNetwork({"text": frozen(4)}, fusion=fusion, heads=heads, decoders=decoders)
    targets = encoded(model, {"units": units, "hot": units}, np.arange(300))
    loss = BalancedLoss(model, targets)
    pulls = {
        name: pull(decoders[name], head, targets[name]) * loss.weights[name]
        for name, head in heads.items()
    }
    assert pulls["units"] == pytest.approx(pulls["hot"])
    raw = {name: decoder(torch.zeros(300, 1, 8)) for name, decoder in decoders.items()}
    assert loss(raw, targets).item() == pytest.approx(1.0, abs=0.01)


def test_batch_size_and_step_suit_the_number_of_rows():
    few, many = TrainingSettings().suited_to(100), TrainingSettings().suited_to(100_000)
    assert (few.batch_size, many.batch_size) == (32, 256)
    assert few.learning_rate < many.learning_rate == 0.004
    given = TrainingSettings(batch_size=7, learning_rate=0.5).suited_to(1000)
    assert (given.batch_size, given.learning_rate) == (7, 0.5)


def test_tensorboard_logs_are_written_on_request(problem, tmp_path):
    model, inputs, targets, rows = problem
    settings = TrainingSettings(epochs=2, batch_size=64, tensorboard=tmp_path / "logs")
    fit_model(model, inputs, targets, rows=rows, settings=settings)
    assert list((tmp_path / "logs").glob("events*"))


def test_restoring_gives_the_weights_of_the_best_epoch_back(problem):
    module = problem[0].trained_part()
    weight = next(module.decoders.parameters())
    best = BestWeights(patience=5, advance=lambda count: None)
    for loss, value in [(1.0, 1.0), (0.5, 2.0), (0.7, 3.0)]:
        torch.nn.init.constant_(weight, value)
        best.on_evaluate(None, None, None, metrics={"eval_loss": loss}, model=module)
    best.restore(module)
    assert (weight == 2.0).all() and best.best_epoch == 2

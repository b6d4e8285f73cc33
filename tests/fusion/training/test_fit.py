import copy
import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch.nn.utils import parameters_to_vector

from encoders.process_state import OwnGenerators
from fusion.choices.build import build_decoders
from fusion.data.batch import ModelInputs
from fusion.data.training_rows import TrainingRows
from fusion.network import FusionNetwork
from fusion.strategies import ConcatFusion, JoinFusion
from fusion.training import TrainingSettings, fit_networks, loop
from fusion.training.loss import BalancedLoss, pull
from heads import HotItemHead, LinearHead, RegressionHead, SalesVolumeHead


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


def fit(model, inputs, targets, *, rows, settings, weight=None):
    """Trains one network on some rows, stopped by others; there may be no more than these."""
    n_rows = len(inputs)
    counts = np.isin(np.arange(n_rows), np.concatenate(rows)).astype(float)
    weight = counts if weight is None else weight * counts
    training = TrainingRows(targets, [rows[1]], weight)
    (history,) = fit_networks([model], inputs, training, settings=settings)
    return history


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
    history = fit(model, inputs, targets, rows=rows, settings=settings)
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
    history = fit(model, inputs, noise, rows=rows, settings=settings)
    assert len(history.validation_loss) < 60
    assert len(history.validation_loss) - history.best_epoch == 3


def test_a_shuffled_target_is_no_better_than_a_constant(problem):
    model, inputs, targets, rows = problem
    shuffled = {"y": np.random.default_rng(1).permutation(targets["y"])}
    settings = TrainingSettings(epochs=10, batch_size=32)
    history = fit(model, inputs, shuffled, rows=rows, settings=settings)
    assert min(history.validation_loss) > 0.8


def test_an_exploding_step_is_a_clear_error(problem):
    model, inputs, targets, rows = problem
    settings = TrainingSettings(epochs=5, learning_rate=1e30)
    with pytest.raises(FloatingPointError, match="smaller learning_rate or weight_decay"):
        fit(model, inputs, targets, rows=rows, settings=settings)


def test_no_rows_are_a_clear_error(problem):
    model, inputs, targets, rows = problem
    with pytest.raises(ValueError, match="at least one training and one validation row"):
        fit(model, inputs, targets, rows=(rows[0], np.arange(0)), settings=TrainingSettings())


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
    fit(model, inputs, targets, rows=rows, settings=settings)
    assert list((tmp_path / "logs").glob("events*"))


def test_validation_rows_are_judged_alike_in_one_piece_and_in_several(problem, monkeypatch):
    model, inputs, targets, rows = problem
    targets["y"][160:] = np.where(np.arange(40) % 3, targets["y"][160:], np.nan)
    twin, settings = copy.deepcopy(model), TrainingSettings(epochs=2, batch_size=50)
    whole = fit(model, inputs, targets, rows=rows, settings=settings)
    monkeypatch.setattr(loop, "EVALUATION_ROWS", 7)
    parts = fit(twin, inputs, targets, rows=rows, settings=settings)
    assert parts.validation_loss == pytest.approx(whole.validation_loss, rel=1e-4)


def weighted_fit(problem, *, rows, weight, epochs=3, seed=0):
    """Losses and weights of a network that is trained in whole batches."""
    model, inputs, targets, _ = problem
    twin = copy.deepcopy(model)
    settings = TrainingSettings(epochs=epochs, batch_size=1000, learning_rate=0.01, seed=seed)
    history = fit(twin, inputs, targets, rows=rows, settings=settings, weight=weight)
    return history, parameters_to_vector(twin.parameters()).detach()


def test_a_row_of_weight_two_counts_as_two_rows(problem):
    model, inputs, targets, (train, validation) = problem
    weight = np.ones(200)
    weight[:40] = weight[150:170] = 2.0
    history, found = weighted_fit(problem, rows=(train, validation), weight=weight)
    doubled = np.repeat(np.arange(200), weight.astype(int))
    twice = model, inputs.take(doubled), {"y": targets["y"][doubled]}, None
    parts = np.flatnonzero(doubled < 150), np.flatnonzero(doubled >= 150)
    expected = weighted_fit(twice, rows=parts, weight=np.ones(260))
    plain, other = weighted_fit(problem, rows=(train, validation), weight=np.ones(200))
    torch.testing.assert_close(found, expected[1], rtol=1e-3, atol=1e-4)
    ratio = np.divide(history.validation_loss, expected[0].validation_loss)
    assert ratio == pytest.approx(ratio[0], rel=1e-3)  # the yardstick is that of plain rows
    assert not torch.allclose(found, other, rtol=1e-3, atol=1e-4)
    again, same = weighted_fit(problem, rows=(train, validation), weight=np.full(200, 3.0))
    assert torch.equal(other, same) and again == plain


def test_a_row_of_weight_zero_counts_nothing(problem):
    model, inputs, targets, (train, validation) = problem
    weight = np.random.default_rng(0).uniform(0.5, 2, 200)
    weight[::3] = 0.0
    expected = weighted_fit(problem, rows=(train, validation), weight=weight)
    targets["y"][::3] = 1e6
    found = weighted_fit((model, inputs, targets, None), rows=(train, validation), weight=weight)
    assert found[0] == expected[0] and torch.equal(found[1], expected[1])


def test_a_line_is_solved_with_the_weights_of_its_rows():
    vectors = torch.randn(30, 1, generator=torch.Generator().manual_seed(0))
    inputs = ModelInputs({"text": torch.ones(30, dtype=torch.bool)}, embeddings={"text": vectors})
    target = np.square(vectors[:, 0].double().numpy())

    def solved(rows, weight):
        fusion, heads = JoinFusion({"text": 1}), {"y": LinearHead()}
        decoders = build_decoders(heads, fused_dim=fusion.fused_dim)
        model = FusionNetwork({"text": frozen(1)}, fusion=fusion, heads=heads, decoders=decoders)
        training = TrainingRows({"y": target[rows]}, [np.arange(3)], weight)
        settings = TrainingSettings()
        (history,) = fit_networks([model], inputs.take(rows), training, settings=settings)
        assert history.best_epoch == 0
        return decoders["y"].weight

    weight = np.array([0.0, 1.0, 2.0] * 10)
    found = solved(np.arange(30), weight)
    doubled = np.repeat(np.arange(30), weight.astype(int))
    torch.testing.assert_close(found, solved(doubled, np.ones(30)))
    assert not torch.allclose(found, solved(np.arange(30), np.ones(30)))


def several(problem, *, threads, epochs=3, seed=0, **settings):
    """Three networks with dropout, trained side by side."""
    _, inputs, targets, _ = problem
    heads = {"y": RegressionHead.fitted(targets["y"])}
    folds = np.array_split(np.arange(200), 3)
    settings = TrainingSettings(
        epochs=epochs, batch_size=32, threads=threads, seed=seed, noise=0.1, mixup=0.2, **settings
    )
    networks = []
    for place in range(3):
        with OwnGenerators(place):
            fusion = ConcatFusion({"text": 6}, width=16, depth=1, n_networks=2)
            decoders = build_decoders(heads, fused_dim=16)
        networks.append(
            FusionNetwork({"text": frozen(6)}, fusion=fusion, heads=heads, decoders=decoders)
        )
    training = TrainingRows(targets, folds, np.ones(200))
    histories = fit_networks(networks, inputs, training, settings=settings)
    return histories, torch.stack([parameters_to_vector(one.parameters()) for one in networks])


def same(one, other):
    return one[0] == other[0] and torch.equal(one[1], other[1])


def test_networks_are_the_same_one_after_the_other_side_by_side_and_beside_other_trainings(problem):
    alone = [several(problem, threads=1, seed=seed) for seed in (0, 5)]
    assert same(several(problem, threads=3), alone[0])
    assert not same(*alone)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda seed: several(problem, threads=2, seed=seed), (0, 5)))
    assert all(same(*pair) for pair in zip(found, alone, strict=True))
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    assert before[2] == random.getstate()


class ForeignFusion(JoinFusion):
    """A stranger's strategy, which draws as torch does."""

    def __init__(self, dims):
        super().__init__(dims)
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, embeddings, present):
        fused = self.dropout(super().forward(embeddings, present))
        return fused + 0.01 * torch.randn(fused.shape) if self.training else fused


@pytest.mark.parametrize("threads", [1, 2])
def test_strategies_of_others_draw_from_generators_of_the_training_too(problem, threads):
    _, inputs, targets, _ = problem
    heads = {"y": RegressionHead.fitted(targets["y"])}

    def trained():
        networks = []
        for _ in range(2):
            fusion = ForeignFusion({"text": 6})
            with OwnGenerators(0):
                decoders = build_decoders(heads, fused_dim=fusion.fused_dim)
            parts = {"fusion": fusion, "heads": heads, "decoders": decoders}
            networks.append(FusionNetwork({"text": frozen(6)}, **parts))
        settings = TrainingSettings(epochs=2, batch_size=50, threads=threads)
        training = TrainingRows(targets, [np.arange(50)] * 2, np.ones(200))
        return fit_networks(networks, inputs, training, settings=settings)

    before = torch.get_rng_state()
    expected = trained()
    assert expected[0] != expected[1]  # another seed draws otherwise
    torch.rand(7)
    assert trained() == expected
    torch.set_rng_state(before)
    trained()
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("threads", [1, 3])
def test_one_exploding_network_ends_the_others(problem, threads, monkeypatch):
    def judged(training):
        return float("nan") if training.settings.seed == 0 else 1.0

    monkeypatch.setattr(loop.NetworkTraining, "_judged", judged)
    with pytest.raises(FloatingPointError, match="validation loss must be finite, got nan in epoc"):
        several(problem, threads=threads, epochs=10_000, patience=10_000)


def test_the_bar_counts_the_epochs_of_all_networks(problem, works):
    model, inputs, targets, _ = problem
    settings = TrainingSettings(epochs=3, batch_size=64, threads=2)
    folds, networks = [np.arange(50), np.arange(50, 100)], [model, copy.deepcopy(model)]
    training = TrainingRows(targets, folds, np.ones(200))
    fit_networks(networks, inputs, training, settings=settings, stage=works)
    works.check()
    (work,) = works.opened
    assert (work.name, work.total, work.unit, work.ending) == ("training", 6, "epochs", "done")


def test_each_network_of_several_has_logs_of_its_own(problem, tmp_path):
    several(problem, threads=3, epochs=1, tensorboard=tmp_path)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == [
        "network_1",
        "network_2",
        "network_3",
    ]

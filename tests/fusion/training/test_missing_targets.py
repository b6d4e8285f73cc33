"""A row without one of several targets is left out for this head alone, by whatever learns."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from encoders import TfidfEncoder
from fusion.choices.build import build_decoders, build_heads
from fusion.choices.heads import HeadChoice
from fusion.data.batch import ModelInputs
from fusion.data.training_rows import TrainingRows
from fusion.network import FusionNetwork
from fusion.strategies import ConcatFusion, JoinFusion
from fusion.training import TrainingSettings, fit_networks
from fusion.training.augment import Mixup
from fusion.training.loss import BalancedLoss, encoded_targets
from heads import LinearHead

N = 200
HEADS = {
    "units": HeadChoice("sales_volume", target="units", options={}),
    "price": HeadChoice("regression", target="price", options={}),
    "hot": HeadChoice("hot_item", target="hot", options={}),
}
EVERYTHING = np.arange(N)
FOLDS = [np.arange(start, N, 4) for start in range(4)]
RANDOM = np.random.default_rng(0)
VECTORS = torch.from_numpy(RANDOM.normal(size=(N, 6))).float()
DESIGNS = RANDOM.integers(0, 25, N)
KINDS = torch.from_numpy(RANDOM.normal(size=(25, 6))[DESIGNS]).float()
WORTH = RANDOM.normal(size=25)[DESIGNS]  # what the nearest know, and a line does not


def inputs_of():
    present = {"row_text": torch.from_numpy(RANDOM.random(N) < 0.8), "text": torch.ones(N).bool()}
    return ModelInputs(present=present, embeddings={"row_text": VECTORS, "text": KINDS})


INPUTS = inputs_of()


def targets_of(*, absent=()):
    """Three targets, two of them of the kind alone; the price lacks some rows."""
    random = np.random.default_rng(1)
    units = random.poisson(np.exp(2 + WORTH)).astype(float)
    price = np.exp(3 + WORTH + 0.8 * VECTORS[:, 0].numpy() + random.normal(0, 0.05, N))
    price[list(absent)] = np.nan
    return {"units": units, "price": price, "hot": (units >= 10).astype(float)}


ABSENT = np.flatnonzero(np.random.default_rng(2).random(N) < 0.3)
KNOWN = np.setdiff1d(EVERYTHING, ABSENT)


def model_of(targets, heads=None):
    heads = build_heads(HEADS, targets) if heads is None else heads
    fusion = ConcatFusion({"row_text": 6, "text": 6}, width=8, depth=1, n_networks=1, dropout=0.0)
    encoders = {"row_text": TfidfEncoder(embedding_dim=6), "text": TfidfEncoder(embedding_dim=6)}
    decoders = build_decoders(heads, fused_dim=fusion.fused_dim)
    return FusionNetwork(encoders, fusion=fusion, heads=heads, decoders=decoders)


@pytest.mark.parametrize("mixup", [0.0, 0.4])
def test_networks_learn_a_head_from_the_rows_that_have_its_target(mixup):
    targets = targets_of(absent=ABSENT)
    torch.manual_seed(0)
    model = model_of(targets)
    settings = TrainingSettings(epochs=25, batch_size=16, mixup=mixup, learning_rate=0.02)
    training = TrainingRows(targets, FOLDS[:1], np.ones(N))
    (history,) = fit_networks([model], INPUTS, training, settings=settings)
    assert all(np.isfinite(history.train_loss + history.validation_loss))
    assert min(history.validation_loss) < 0.85
    with torch.inference_mode():
        raw = model.forward_embeddings(INPUTS.embeddings, INPUTS.present)["price"]
        price = model.heads["price"].decode(raw)["prediction"].numpy()
    truth = targets_of()["price"][ABSENT]  # rows that only taught the other heads
    assert np.corrcoef(np.log(price[ABSENT]), np.log(truth))[0, 1] > 0.6


def loss_and_gradients(raw, targets):
    torch.manual_seed(0)
    model = model_of(targets_of())
    loss = BalancedLoss(model, encoded_targets(model, targets_of()))
    raw = {name: values.clone().requires_grad_() for name, values in raw.items()}
    found = loss(raw, encoded_targets(model, targets))
    found.backward()
    return float(found.detach()), {name: values.grad for name, values in raw.items()}


def raw_answers():
    torch.manual_seed(0)
    with torch.inference_mode():
        raw = model_of(targets_of()).forward_embeddings(INPUTS.embeddings, INPUTS.present)
    return {name: values.clone() for name, values in raw.items()}


@pytest.mark.parametrize("content", [np.nan, np.inf, 1e30])
def test_answers_to_rows_without_a_target_move_neither_loss_nor_gradient(content):
    raw, targets = raw_answers(), targets_of(absent=ABSENT)
    expected, slopes = loss_and_gradients(raw, targets)
    raw["price"][ABSENT] = content
    found, again = loss_and_gradients(raw, targets)
    assert found == expected and np.isfinite(found)
    for name, slope in again.items():
        assert torch.equal(slope, slopes[name]) and torch.isfinite(slope).all()
    assert not again["price"][ABSENT].any() and again["price"][KNOWN].any()


def test_a_head_without_a_target_in_a_batch_adds_nothing():
    raw, targets = raw_answers(), targets_of(absent=EVERYTHING)
    found, slopes = loss_and_gradients(raw, targets)
    assert not slopes["price"].any() and slopes["units"].any()
    others = {name: values for name, values in targets.items() if name != "price"}
    assert found == pytest.approx(loss_and_gradients(raw, others)[0])


def test_a_mixed_row_has_a_target_where_both_rows_have_one():
    mix = Mixup(torch.tensor([1, 2, 0]), 0.75)
    mixed = mix.of_targets({"price": torch.tensor([4.0, 8.0, torch.nan])})["price"]
    assert mixed[0] == 5.0 and mixed[1:].isnan().all()


def test_a_linear_head_is_solved_on_the_rows_that_have_its_target():
    target = 3.0 + 2.0 * VECTORS[:, 0].double().numpy()
    target[ABSENT] = np.nan
    fusion = JoinFusion({"row_text": 6})
    heads = {"a": LinearHead(), "b": LinearHead()}
    inputs = replace(
        INPUTS, present={"row_text": torch.ones(N).bool()}, embeddings={"row_text": VECTORS}
    )

    def solved(targets, rows):
        torch.manual_seed(0)
        encoders = {"row_text": TfidfEncoder(embedding_dim=6)}
        decoders = build_decoders(heads, fused_dim=fusion.fused_dim)
        model = FusionNetwork(encoders, fusion=fusion, heads=heads, decoders=decoders)
        weight = np.isin(EVERYTHING, rows).astype(float)
        training = TrainingRows(targets, [rows[:10]], weight)
        fit_networks([model], inputs, training, settings=TrainingSettings())
        return {name: copy.deepcopy(decoders[name].state_dict()) for name in targets}

    found = solved({"a": np.nan_to_num(target), "b": target}, EVERYTHING)["b"]
    expected = solved({"a": target, "b": target}, KNOWN)["b"]
    for key, values in expected.items():
        torch.testing.assert_close(found[key], values)

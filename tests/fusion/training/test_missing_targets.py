"""A row without one of several targets is left out for this head alone, by whatever learns."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

import fusion.training.ensemble
import fusion.training.neighbours as neighbours
from encoders import TfidfEncoder
from fusion.choices.build import build_decoders, build_heads
from fusion.choices.heads import HeadChoice
from fusion.data.batch import ModelInputs
from fusion.data.known import folds_within, known_rows
from fusion.ensemble import ProductEnsemble
from fusion.members.blending import score_decoder
from fusion.network import FusionNetwork
from fusion.strategies import ConcatFusion, JoinFusion
from fusion.training import TrainingHistory, TrainingSettings, best_options, fit_ensemble, fit_model
from fusion.training.augment import Mixup
from fusion.training.blend_weights import OutOfFold, out_of_fold_loss
from fusion.training.fit import encoded_targets
from fusion.training.loss import BalancedLoss
from fusion.training.options import Candidate
from heads import HotItemHead, LinearHead, RegressionHead

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


def answers(targets, *, rows=EVERYTHING):
    """What is fitted beside networks that stay as they were drawn: answers of each head."""
    rows_of_folds = folds_within(FOLDS, rows)
    heads = build_heads(HEADS, targets)
    ensemble, _, out_of_fold = fit_ensemble(
        lambda: model_of(targets, heads),
        INPUTS.take(rows),
        {name: values[rows] for name, values in targets.items()},
        folds=rows_of_folds,
        settings=TrainingSettings(epochs=1),
    )
    with torch.inference_mode():
        raw = ensemble(**INPUTS.batch(EVERYTHING))
        found = {
            name: torch.stack(list(ensemble.head(name).decode(raw[name]).values()), dim=1)
            for name in ensemble.heads
        }
    return ensemble, found, out_of_fold


def scores(ensemble):
    """What ridge and the nearest items answer, before it is mapped and blended."""
    batch = INPUTS.batch(EVERYTHING)
    blocks = ensemble.linear_blocks(batch["inputs"], batch["embeddings"])
    yield ensemble.linear.scores(blocks, batch["present"])
    yield ensemble.neighbours.scores(batch["embeddings"], batch["present"])


@pytest.fixture
def untrained(monkeypatch):
    """Networks share layers, so heads meet in them by design; here they stay as drawn."""
    monkeypatch.setattr(fusion.training.ensemble, "fit_model", lambda *_, **__: TrainingHistory())


@pytest.mark.usefixtures("untrained")
def test_what_stands_beside_the_networks_is_for_other_heads_as_if_no_target_were_missing():
    whole, expected, _ = answers(targets_of())
    some, found, _ = answers(targets_of(absent=ABSENT))
    assert (
        whole.blend_weights["units"]["neighbours"] > 0
        and whole.blend_weights["price"]["linear"] > 0
    )
    for name in ("units", "hot"):
        torch.testing.assert_close(found[name], expected[name])
        assert some.blend_weights[name] == whole.blend_weights[name]
        assert repr(some.head(name).config) == repr(whole.head(name).config)
    assert not torch.allclose(found["price"], expected["price"], rtol=1e-3)


@pytest.mark.usefixtures("untrained")
def test_a_head_is_answered_as_if_the_rows_without_its_target_did_not_exist(monkeypatch):
    monkeypatch.setattr(neighbours, "TEMPERATURES", (0.05,))  # which all heads choose together
    targets = targets_of(absent=ABSENT)
    some, found, _ = answers(targets)
    alone, expected, _ = answers(targets, rows=KNOWN)
    for one, other in zip(scores(some), scores(alone), strict=True):
        torch.testing.assert_close(one[:, 1], other[:, 1])
    assert some.blend_weights["price"] == pytest.approx(alone.blend_weights["price"])
    torch.testing.assert_close(found["price"], expected["price"], rtol=0.03, atol=0.03)  # searches
    assert not torch.allclose(found["units"], expected["units"], rtol=1e-3)  # fewer rows


@pytest.mark.usefixtures("untrained")
def test_what_stands_in_the_place_of_an_absent_target_changes_no_answer():
    ensemble, found, _ = answers(targets_of(absent=ABSENT))
    part = ensemble.neighbours
    assert part is not None and int((~part.has_target).sum()) == len(ABSENT)
    for content in (torch.nan, torch.inf, 1e9):
        part.targets[~part.has_target] = content
        with torch.inference_mode():
            raw = ensemble(**INPUTS.batch(EVERYTHING))
        for name in ensemble.heads:
            again = torch.stack(list(ensemble.head(name).decode(raw[name]).values()), dim=1)
            assert torch.equal(again, found[name])


@pytest.mark.usefixtures("untrained")
def test_a_head_with_targets_in_one_fold_alone_is_answered_by_its_network():
    targets = targets_of(absent=np.setdiff1d(EVERYTHING, FOLDS[1]))
    ensemble, found, _ = answers(targets)
    assert ensemble.blend_weights["price"] == {"networks": 1.0, "linear": 0.0, "neighbours": 0.0}
    assert all(torch.isfinite(values).all() for values in found.values())


@pytest.mark.parametrize("mixup", [0.0, 0.4])
def test_networks_learn_a_head_from_the_rows_that_have_its_target(mixup):
    targets = targets_of(absent=ABSENT)
    torch.manual_seed(0)
    model = model_of(targets)
    settings = TrainingSettings(epochs=25, batch_size=16, mixup=mixup, learning_rate=0.02)
    rows = np.setdiff1d(EVERYTHING, FOLDS[0]), FOLDS[0]
    history = fit_model(model, INPUTS, targets, rows=rows, settings=settings)
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


def test_a_loss_taken_batch_by_batch_is_that_of_all_rows_together():
    model, targets = model_of(targets_of()), targets_of(absent=range(5, 60))
    encoded = encoded_targets(model, targets)
    loss = BalancedLoss(model, encoded)
    raw = raw_answers()
    shares = {name: len(known_rows(values)) / N for name, values in targets.items()}
    total = 0.0
    for rows in np.array_split(EVERYTHING, 7):
        some = {name: values[rows] for name, values in raw.items()}
        parts = {name: values[rows] for name, values in encoded.items()}
        total += float(loss(some, parts, shares=shares)) * len(rows) / N
    assert total == pytest.approx(float(loss(raw, encoded)), rel=1e-5)


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
        rows = np.split(rows, [10])
        fit_model(model, inputs, targets, rows=tuple(rows), settings=TrainingSettings())
        return {name: copy.deepcopy(decoders[name].state_dict()) for name in targets}

    found = solved({"a": np.nan_to_num(target), "b": target}, EVERYTHING)["b"]
    expected = solved({"a": target, "b": target}, KNOWN)["b"]
    for key, values in expected.items():
        torch.testing.assert_close(found[key], values)


def test_options_are_chosen_by_the_rows_that_have_the_target():
    targets = targets_of(absent=ABSENT)
    targets["price"] = np.exp(VECTORS[:, :3].sum(dim=1).double().numpy() + RANDOM.normal(0, 0.3, N))
    targets["price"][ABSENT] = np.nan

    def candidate(target, scale):
        head = RegressionHead.fitted(target, transform=scale)
        return Candidate(head, score_decoder(head))

    candidates = {
        "price": [candidate(targets["price"][KNOWN], scale) for scale in ("identity", "log")],
        "units": [candidate(targets["units"], "log1p")] * 2,
    }
    ensemble = ProductEnsemble([model_of(targets)])
    options = {"candidates": candidates, "folds": FOLDS, "seed": 0}
    best = best_options(ensemble, INPUTS, targets, **options)
    assert best == {"price": 1, "units": 0}  # prices are factors


def test_a_held_out_loss_is_the_mean_over_heads_of_their_own_rows():
    target = np.array([1.0, 0.0, 1.0, np.nan])
    head = HotItemHead.fitted(target[:3])
    raw = torch.randn(4, 1, 1)
    out_of_fold = OutOfFold([np.arange(4)], {"hot": raw, "price": raw})
    heads = {"hot": head, "price": RegressionHead()}
    targets = {"hot": target, "price": np.full(4, np.nan)}
    alone = out_of_fold_loss({"hot": head}, {"hot": target}, out_of_fold, np.arange(3))
    assert out_of_fold_loss(heads, targets, out_of_fold, np.arange(4)) == pytest.approx(alone)
    assert np.isnan(out_of_fold_loss(heads, targets, out_of_fold, np.array([3])))

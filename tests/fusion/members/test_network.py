import numpy as np
import pytest
import torch

from encoders import NumericEncoder, TfidfEncoder
from fusion.data.batch import ModelInputs
from fusion.data.training_rows import TrainingRows
from fusion.members.network import NetworkMember
from fusion.members.view import view_of
from heads import LinearHead, SalesVolumeHead

N = 120
FOLDS = np.array_split(np.arange(N), 3)
SMALL = {"width": 16, "depth": 1, "n_networks": 2}


@pytest.fixture(scope="module")
def problem():
    import pandas as pd

    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"price": random.uniform(1, 9, N), "brand": random.choice(["a", "b", "c"], N)}
    )
    encoder = NumericEncoder.fitted(frame, numeric=["price"], categorical=["brand"])
    text = torch.from_numpy(random.normal(size=(N, 8))).float()
    units = np.round(np.exp(2 + text[:, 0].numpy() - 0.1 * frame["price"].to_numpy()))
    inputs = ModelInputs(
        present={"text": torch.ones(N).bool(), "numeric": torch.ones(N).bool()},
        embeddings={"text": text},
        tensors={"numeric": encoder.preprocess(frame)},
    )
    view = view_of({"text": TfidfEncoder(embedding_dim=8), "numeric": encoder}, inputs)
    targets = {"units": units.astype(np.float64)}
    return view, targets, {"units": SalesVolumeHead.fitted(units)}


def fit(problem, held_out=FOLDS, **training):
    view, targets, heads = problem
    member = NetworkMember(
        strategy_options=SMALL, training={"epochs": 6, "batch_size": 32, **training}
    )
    rows = TrainingRows(targets, held_out, np.ones(N))
    raw = member.fit(view, heads=heads, training=rows, seed=0)
    return member, raw


@pytest.fixture(scope="module")
def fitted(problem):
    return fit(problem)


def test_each_network_is_stopped_by_its_own_fold(fitted):
    member, _ = fitted
    assert len(member.networks) == len(member.histories) == member.config["n_networks"] == 3
    assert len({tuple(history.validation_loss) for history in member.histories}) == 3


def test_a_row_is_answered_out_of_fold_by_the_network_that_did_not_see_it(problem, fitted):
    member, raw = fitted
    assert raw["units"].shape == (N, 2, 2)
    answers = member.raw(problem[0])["units"]
    assert answers.shape == (N, 6, 2)
    for place, fold in enumerate(FOLDS):
        torch.testing.assert_close(raw["units"][fold], answers[fold][:, 2 * place : 2 * place + 2])


def test_networks_train_category_vectors_of_their_own_and_share_frozen_encoders(problem, fitted):
    first, second = fitted[0].networks[:2]
    vectors = [one.encoder("numeric").vectors[0].weight for one in (first, second)]
    assert not torch.equal(*vectors)
    assert first.encoder("text") is second.encoder("text") is problem[0].encoders["text"]


def test_the_encoders_of_the_view_stay_as_they_were(problem):
    before = problem[0].encoders["numeric"].vectors[0].weight.detach().clone()
    fit(problem, epochs=1)
    assert torch.equal(problem[0].encoders["numeric"].vectors[0].weight, before)


def test_what_was_saved_comes_back(problem, fitted):
    view, _, heads = problem
    member, _ = fitted
    state = {name: tensor.clone() for name, tensor in member.state().items()}
    assert not [name for name in state if "encoders.text" in name]  # the model has it
    again = NetworkMember(**member.config)
    again.load_state(state, heads=heads, encoders=view.encoders)
    assert torch.equal(again.raw(view)["units"], member.raw(view)["units"])
    assert again.config == member.config
    with pytest.raises(ValueError, match="n_networks must be the number of networks whose"):
        NetworkMember(**member.config).load_state({}, heads=heads, encoders=view.encoders)


def test_fused_vectors_of_the_networks_stand_side_by_side(problem, fitted):
    view = problem[0]
    assert fitted[0].fuse(view.take(np.arange(4))).shape == (4, 48)
    assert fitted[0].fuse(view.take(np.arange(0))).shape == (0, 48)


def test_the_same_seed_trains_the_same_networks_and_draws_from_no_global_generator(problem, fitted):
    before = torch.get_rng_state()
    again, _ = fit(problem)
    assert torch.equal(torch.get_rng_state(), before)
    expected = fitted[0].state()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in again.state().items())


def test_one_validation_set_stops_several_networks_that_differ_by_their_seed(problem):
    member, raw = fit(problem, [np.arange(30)], folds=2, epochs=2)
    one, other = member.histories
    assert one.validation_loss != other.validation_loss
    assert raw["units"].shape == (N, 4, 2) and not raw["units"][30:].any()


def test_a_head_solved_in_closed_form_has_one_network_of_all_rows(problem):
    view, targets, _ = problem
    member = NetworkMember(training={"folds": 3})
    heads = {"units": LinearHead()}
    rows = TrainingRows(targets, [FOLDS[0]], np.ones(N))
    member.fit(view, heads=heads, training=rows, seed=0)
    assert len(member.networks) == 1 and member.config["strategy"] == "join"


def test_what_it_cannot_be_built_from_is_told_at_once():
    with pytest.raises(ValueError, match="strategy must be one of concat, gated, join, got 'conc'"):
        NetworkMember(strategy="conc")
    with pytest.raises(ValueError, match="epochs"):
        NetworkMember(training={"epochs": 0})

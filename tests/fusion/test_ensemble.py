import numpy as np
import pytest
import torch

from encoders import NumericEncoder
from fusion.choices.build import build_decoders, own_encoder
from fusion.data.batch import ModelInputs
from fusion.ensemble import ProductEnsemble
from fusion.network import FusionNetwork
from fusion.strategies import ConcatFusion
from fusion.training import TrainingSettings, fit_ensemble
from heads import SalesVolumeHead

N = 120


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
    return encoder, inputs, {"units": units.astype(np.float64)}, SalesVolumeHead.fitted(units)


def build(problem):
    encoder, _, _, head = problem
    text = _ready(8)
    dims = {"text": 8, "numeric": encoder.embedding_dim}
    fusion = ConcatFusion(dims, width=16, depth=1, n_networks=2)
    return FusionNetwork(
        {"text": text, "numeric": own_encoder(encoder)},
        fusion=fusion,
        heads={"units": head},
        decoders=build_decoders({"units": head}, fused_dim=16),
    )


def _ready(dim):
    from encoders import TfidfEncoder

    return TfidfEncoder(embedding_dim=dim)


def fit(problem, folds, **settings):
    _, inputs, targets, _ = problem
    return fit_ensemble(
        lambda: build(problem),
        inputs,
        targets,
        folds=folds,
        settings=TrainingSettings(epochs=6, batch_size=32, **settings),
    )[:2]


@pytest.fixture(scope="module")
def fitted(problem):
    return fit(problem, np.array_split(np.arange(N), 3))


def test_each_member_is_stopped_by_its_own_fold(fitted):
    ensemble, histories = fitted
    assert len(ensemble.members) == len(histories) == 3
    assert len({tuple(history.validation_loss) for history in histories}) == 3


def test_members_train_category_vectors_of_their_own(fitted):
    ensemble, _ = fitted
    first, second = (member.encoder("numeric").vectors[0].weight for member in ensemble.members[:2])
    assert not torch.equal(first, second)
    assert ensemble.members[0].encoder("text") is not ensemble.members[1].encoder("numeric")


def test_the_answer_is_that_of_members_and_linear_part_together(problem, fitted):
    ensemble, _ = fitted
    batch = problem[1].batch(np.arange(5))
    with torch.inference_mode():
        alone = [ProductEnsemble([member])(**batch)["units"] for member in ensemble.members]
        together = ensemble(**batch)["units"]
        blended = ensemble.linear.blend(
            {"units": torch.cat(alone, dim=1)},
            ensemble.linear_blocks(batch["inputs"], batch["embeddings"]),
            batch["present"],
        )
    assert together.shape == (5, 6, 2)
    torch.testing.assert_close(together, blended["units"])


def test_the_linear_part_reads_every_modality_and_learns(problem, fitted):
    ensemble, _ = fitted
    _, inputs, targets, _ = problem
    assert ensemble.linear.dims.keys() == {"numeric", "text"}
    batch = inputs.batch(np.arange(N))
    blocks = ensemble.linear_blocks(batch["inputs"], batch["embeddings"])
    scores = ensemble.linear.scores(blocks, batch["present"])[:, 0].numpy()
    assert np.corrcoef(scores, np.log1p(targets["units"]))[0, 1] > 0.9


def test_what_was_saved_comes_back(problem, fitted):
    ensemble, _ = fitted
    again = ProductEnsemble(
        [build(problem) for _ in range(3)],
        linear=type(ensemble.linear)(**ensemble.linear.config, heads=ensemble.heads),
    ).eval()
    again.load_state({name: tensor.clone() for name, tensor in ensemble.state().items()})
    batch = problem[1].batch(np.arange(7))
    assert torch.equal(again(**batch)["units"], ensemble(**batch)["units"])
    with pytest.raises(RuntimeError, match="missing or left over: 0"):
        again.load_state({})
    wrong = {**ensemble.state(), "linear.center": torch.zeros(1)}
    with pytest.raises(RuntimeError, match=r"of another shape: linear\.center"):
        again.load_state(wrong)


def test_fused_vectors_of_the_members_stand_side_by_side(problem, fitted):
    ensemble, _ = fitted
    fused = ensemble.fuse(**problem[1].batch(np.arange(4)))
    assert fused.shape == (4, 48) and ensemble.fused_dim == 48


def test_the_same_seed_trains_the_same_ensemble(problem, fitted):
    again, _ = fit(problem, np.array_split(np.arange(N), 3))
    expected = fitted[0].state()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in again.state().items())


def test_networks_with_one_validation_set_differ_by_their_seed(problem):
    ensemble, histories = fit(problem, [np.arange(30)] * 2)
    assert histories[0].validation_loss != histories[1].validation_loss
    assert ensemble.linear is not None


def test_too_few_rows_to_judge_by_leave_the_networks_alone(problem):
    ensemble, _ = fit(problem, [np.arange(10)])
    assert ensemble.linear is None


def test_members_must_be_alike_and_share_their_heads(problem):
    fresh = SalesVolumeHead(**problem[3].config)
    other = build((*problem[:3], fresh))  # calibrating one would not calibrate the other
    with pytest.raises(ValueError, match="share their heads, got 2 of 2 kinds"):
        ProductEnsemble([build(problem), other])
    with pytest.raises(ValueError, match="one or more models"):
        ProductEnsemble([])

"""Numbers in a bundle that no training gives: an error that names them, never NaN in a table."""

import os

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from fusion import BundleError, load_bundle
from fusion.predictor import Predictor

pytestmark = [
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
    pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux"),  # noqa: PTH110
]


SIGNS = np.array([1.0, -1.0, -1.0])
HOSTILE = {
    "as large as can be": lambda most: most * SIGNS,
    "as large as is loaded": lambda most: min(most, 9e17) * SIGNS,
    "of huge squares": lambda most: most**0.6 * SIGNS,
    "0": lambda most: 0.0,
    "next to 0": lambda most: 1e-300,
}


@pytest.mark.parametrize(
    ("file", "every"), [("weights.safetensors", 7), ("reference.safetensors", 5)]
)
def test_numbers_that_no_training_gives_end_in_an_error_and_never_in_nan(
    every_member, complaint_about, hostile_weights, short_of_memory, file, every
):
    cases = hostile_weights(every_member, complaint_about(), HOSTILE, every=every, file=file)
    complaints = short_of_memory(cases)
    assert not complaints, "\n".join(complaints)


def test_weights_of_networks_beyond_all_training_are_refused_by_name(every_member, write_weights):
    tensors = load((every_member / "weights.safetensors").read_bytes())
    own = [name for name in tensors if name.startswith("members.network.")]
    changed = {name: torch.full_like(tensors[name], 3e38) for name in own}
    write_weights(every_member, save({**tensors, **changed}))
    with pytest.raises(BundleError, match=r"finite numbers, .* up to 1e\+18, got .*\.network\."):
        load_bundle(every_member)


def test_vectors_of_training_items_longer_than_1_are_refused(folder, write_weights):
    tensors = load((folder / "reference.safetensors").read_bytes())
    changed = {**tensors, "vectors.text": 2.0 + tensors["vectors.text"]}
    write_weights(folder, save(changed), "reference.safetensors")
    with pytest.raises(BundleError, match=r"vectors of length 1 or 0, got longer ones in text\."):
        load_bundle(folder)


def test_an_answer_that_is_no_number_is_an_error_with_column_and_rows(
    small_model, some_items, monkeypatch
):
    head, asked = small_model.bundle_.model.head("target"), some_items(3)
    decode = head.decode

    def damaged(raw):
        return {name: each / torch.tensor([1.0, 0.0, 0.0]) for name, each in decode(raw).items()}

    monkeypatch.setattr(head, "decode", damaged)
    with pytest.raises(BundleError, match=r"got others in prediction \(2 of 3 rows\)"):
        small_model.predict(asked)


def test_an_embedding_that_is_no_number_is_an_error(small_model, some_items, monkeypatch):
    monkeypatch.setattr(
        type(small_model.bundle_.model), "fuse", lambda self, inputs: torch.full((3, 2), torch.nan)
    )
    with pytest.raises(BundleError, match=r"got others in embedding \(3 of 3 rows\)"):
        small_model.embed(some_items(3))


def test_no_items_have_no_embeddings(small_model, some_items):
    assert small_model.embed(some_items(3).iloc[:0]).shape[0] == 0


def test_items_of_which_none_can_be_read_have_embeddings_of_nan(small_model, some_items):
    predictor = Predictor(small_model.bundle_, on_bad_rows="record")
    vectors = predictor.embed(some_items(3).assign(cost="cheap"))
    assert len(vectors) == 3 and np.isnan(vectors).all()


def test_a_model_that_cannot_be_loaded_again_is_not_saved(small_model, tmp_path, monkeypatch):
    member = small_model.bundle_.model.members["kernel"]
    state = {**member.state(), "block.0.std": torch.tensor(torch.nan, dtype=torch.float64)}
    monkeypatch.setattr(member, "state", lambda: state)
    with pytest.raises(BundleError, match=r"must hold finite numbers.*kernel\.block\.0\.std"):
        small_model.save(tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.slow
@pytest.mark.parametrize("file", ["weights.safetensors", "reference.safetensors"])
def test_every_number_that_no_training_gives_ends_in_an_error_and_never_in_nan(
    every_member, complaint_about, hostile_weights, short_of_memory, file
):
    cases = hostile_weights(every_member, complaint_about(), HOSTILE, every=1, file=file)
    complaints = short_of_memory(cases)
    assert not complaints, "\n".join(complaints)

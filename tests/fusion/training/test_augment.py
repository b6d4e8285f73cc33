import numpy as np
import pytest
import torch

from encoders import NumericEncoder
from fusion.training.augment import Mixup, with_noise


def mixed(present_a, share=0.75):
    embeddings = {"a": torch.tensor([[0.0], [4.0], [8.0]])}
    mix = Mixup(torch.tensor([1, 2, 0]), share)
    return mix(embeddings, {"a": torch.tensor(present_a)})["a"].squeeze(1).tolist()


def test_rows_move_towards_their_partners():
    assert mixed([True, True, True]) == [1.0, 5.0, 6.0]


def test_a_modality_that_one_of_two_rows_lacks_is_not_mixed():
    assert mixed([True, False, True]) == [0.0, 4.0, 6.0]


def test_absent_content_never_reaches_another_row():
    embeddings = {"a": torch.tensor([[1.0], [float("nan")], [3.0]])}
    present = {"a": torch.tensor([True, False, True])}
    out = Mixup(torch.tensor([1, 0, 2]), 0.5)(embeddings, present)["a"]
    assert out[0] == 1.0 and out[2] == 3.0


def test_targets_are_mixed_as_embeddings_are():
    mix = Mixup(torch.tensor([1, 0]), 0.75)
    assert mix.of_targets({"y": torch.tensor([0.0, 1.0])})["y"].tolist() == [0.25, 0.75]


def test_labels_are_not_mixed_but_their_losses_are():
    nan = float("nan")
    targets = {"y": torch.tensor([0.0, 2.0, 4.0, nan]), "k": torch.tensor([0.0, 2.0, 1.0, 2.0])}
    targets["k"][2] = nan
    seen = []

    def loss(some):
        seen.append({name: target.tolist() for name, target in some.items()})
        return some["k"].nansum()

    mixed = Mixup(torch.tensor([1, 0, 3, 2]), 0.75).loss(loss, targets, {"k"})
    assert [str(one["k"]) for one in seen] == ["[0.0, 2.0, nan, nan]", "[2.0, 0.0, nan, nan]"]
    assert all(str(one["y"]) == "[0.5, 1.5, nan, nan]" for one in seen)
    assert mixed == 2.0


def test_a_row_keeps_at_least_half_of_itself():
    drawn = [Mixup.drawn(4, strength=0.4, random=np.random.default_rng(s)) for s in range(50)]
    assert min(mix.share for mix in drawn) >= 0.5 and max(mix.share for mix in drawn) <= 1.0
    assert all(sorted(mix.partner.tolist()) == [0, 1, 2, 3] for mix in drawn)


def test_noise_moves_numbers_by_their_spread_and_leaves_missing_ones():
    import pandas as pd

    frame = pd.DataFrame({"price": np.linspace(0, 1000, 200)})
    frame.loc[0, "price"] = np.nan
    encoder = NumericEncoder.fitted(frame, numeric=["price"])
    tensors = encoder.preprocess(frame)
    encoders = torch.nn.ModuleDict({"numeric": encoder})
    random = np.random.default_rng(0)
    noisy = with_noise({"numeric": tensors}, encoders, strength=0.1, random=random)["numeric"]
    moved = (noisy["numbers"] - tensors["numbers"])[1:]
    assert noisy["numbers"][0].isnan().all()
    assert moved.std().item() == pytest.approx(0.1 * float(encoder.scale[0]), rel=0.2)
    assert noisy["codes"] is tensors["codes"]

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fusion.pretraining import PretrainingSettings
from fusion.pretraining.batches import Batches
from fusion.pretraining.self_supervised import SelfSupervisedObjective, nt_xent_loss


def slow_nt_xent(first, second, temperature):
    """Chen et al. (2020), equation 1, term by term."""
    vectors = [*first, *second]
    n = len(first)

    def likeness(i, j):
        return math.exp(F.cosine_similarity(vectors[i], vectors[j], dim=0).item() / temperature)

    total = 0.0
    for i in range(2 * n):
        others = sum(likeness(i, k) for k in range(2 * n) if k != i)
        total -= math.log(likeness(i, (i + n) % (2 * n)) / others)
    return total / (2 * n)


def test_the_loss_is_that_of_the_published_equation():
    first, second = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    loss = nt_xent_loss(first, second, temperature=0.3)
    assert loss.item() == pytest.approx(slow_nt_xent(first, second, 0.3), rel=1e-5)


@pytest.fixture
def objective(small_encoder, rows_of):
    encoders = {"image": small_encoder}
    settings = PretrainingSettings(objective="self_supervised")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SelfSupervisedObjective(encoders, rows_of(encoders), settings)


def test_a_batch_holds_two_different_copies_of_each_photo(objective):
    batch = objective.batch(np.arange(6), torch.Generator().manual_seed(0))["image"]
    first, second = batch["pixels"].chunk(2)
    assert first.shape == (6, 3, 16, 16) and first.dtype == torch.uint8
    assert not torch.equal(first, second)
    assert batch["counts"].tolist() == [1] * 12


def test_copies_find_each_other_better_after_training(objective, fit):
    batches = Batches(objective, np.arange(len(objective.rows)), batch_size=32, epochs=40, seed=0)
    losses = fit(objective, batches, learning_rate=3e-3)
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])

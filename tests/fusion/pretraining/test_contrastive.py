import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fusion.pretraining import PretrainingSettings
from fusion.pretraining.batches import Batches
from fusion.pretraining.contents import Contents
from fusion.pretraining.contrastive import (
    ContrastiveObjective,
    clip_loss,
    siglip_loss,
)
from fusion.pretraining.rows import join_contents

NONE = torch.zeros(3, 3, dtype=torch.bool)


@pytest.fixture
def logits():
    return torch.randn(3, 3, generator=torch.Generator().manual_seed(0))


def test_the_clip_loss_is_the_mean_cross_entropy_of_both_directions(logits):
    expected = 0.0
    for i in range(3):
        expected -= math.log(math.exp(logits[i, i]) / sum(math.exp(logits[i, j]) for j in range(3)))
        expected -= math.log(math.exp(logits[i, i]) / sum(math.exp(logits[j, i]) for j in range(3)))
    assert clip_loss(logits, NONE).item() == pytest.approx(expected / 6)


def test_the_siglip_loss_is_a_binary_cross_entropy_of_every_pair(logits):
    expected = F.binary_cross_entropy_with_logits(logits, torch.eye(3), reduction="sum") / 3
    assert siglip_loss(logits, NONE).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("loss", [clip_loss, siglip_loss])
def test_a_pair_that_is_left_out_has_no_part_in_the_loss(loss, logits):
    left_out = NONE.clone()
    left_out[0, 1] = left_out[1, 0] = True
    changed = logits.clone()
    changed[0, 1], changed[1, 0] = 50.0, -7.0
    assert loss(changed, left_out) == loss(logits, left_out)
    assert loss(logits, left_out) < loss(logits, NONE)
    logits.requires_grad_(True)
    loss(logits, left_out).backward()
    assert logits.grad[0, 1] == logits.grad[1, 0] == 0
    assert torch.isfinite(logits.grad).all()


def test_a_perfect_answer_has_no_loss():
    assert clip_loss(torch.eye(4) * 100, torch.zeros(4, 4, dtype=torch.bool)).item() < 1e-6
    assert siglip_loss(torch.eye(3) * 200 - 100, NONE).item() < 1e-6


def objective_of(encoders, rows, **options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ContrastiveObjective(
            encoders, rows, PretrainingSettings(objective="contrastive", **options)
        )


def test_pairs_of_any_row_are_no_negatives(tiny_encoders, rows_of, photo):
    encoders = tiny_encoders("text", "image")
    red, blue = photo((200, 0, 0)), photo((0, 0, 200))
    rows = rows_of(
        encoders, {"text": ["a coat", "a coat", "a hat"], "image": [[red], [blue], [blue]]}
    )
    objective = objective_of(encoders, rows)
    batch = objective.batch(range(3), torch.Generator().manual_seed(0))
    assert batch["pairs"]["known"].int().tolist() == [[0, 1, 0], [1, 0, 1], [1, 1, 0]]


def test_all_texts_and_photos_of_one_item_belong_together(tiny_encoders):
    texts, photos = [b"begin", b"end", b"hat"], [b"front", b"back", b"hat"]
    nothing = {"parts": [], "held": {}, "failures": {}, "encoder": tiny_encoders("text")["text"]}
    contents = {
        "text": Contents(keys=texts, places=[[0, 1], [2]], **nothing),
        "image": Contents(keys=photos, places=[[0, 1], [2]], **nothing),
    }
    rows = join_contents(contents, [0, 1])
    assert rows.places.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [2, 2]]
    few = np.array([0, 3, 4])  # begin with front, end with back, the hat
    assert rows.known_pairs(few).astype(int).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_scale_and_bias_begin_as_published_and_only_what_is_used_trains(tiny_encoders, rows_of):
    encoders = tiny_encoders("text", "image")
    rows = rows_of(encoders)
    clip = objective_of(tiny_encoders("text", "image"), rows)
    siglip = objective_of(tiny_encoders("text", "image"), rows, loss="siglip")
    given = objective_of(tiny_encoders("text", "image"), rows, temperature=0.5)
    assert clip.log_scale.exp().item() == pytest.approx(1 / 0.07)
    assert siglip.log_scale.exp().item() == pytest.approx(10.0)
    assert torch.sigmoid(siglip.bias).item() == pytest.approx(1 / 64)  # one pair in 64 belongs
    assert given.log_scale.exp().item() == pytest.approx(2.0)
    assert (clip.bias.requires_grad, siglip.bias.requires_grad) == (False, True)


@torch.no_grad()
def recall(objective, rows):
    """Share of photos whose nearest text names their colour."""
    everything = np.arange(len(rows))
    texts, photos = (
        objective.project(name, rows.tensors(name, everything)) for name in ("text", "image")
    )
    nearest = (photos @ texts.T).argmax(dim=1).numpy()
    return (nearest % 6 == everything % 6).mean()


@pytest.mark.parametrize("loss", ["clip", "siglip"])
def test_photos_find_texts_of_their_colour(loss, tiny_encoders, small_encoder, rows_of, fit):
    encoders = {**tiny_encoders("text"), "image": small_encoder}
    rows = rows_of(encoders)
    objective = objective_of(encoders, rows, loss=loss)
    batches = Batches(objective, np.arange(len(rows)), batch_size=24, epochs=30, seed=0)
    objective.eval()
    before = recall(objective, rows)
    losses = fit(objective, batches, learning_rate=2e-3)
    assert sum(losses[-8:]) < 0.9 * sum(losses[:8])
    chance = 1 / 6
    assert before < 2 * chance and recall(objective, rows) > 2.7 * chance

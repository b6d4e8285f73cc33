import numpy as np
import pytest
import torch

from fusion.pretraining import PretrainingSettings
from fusion.pretraining.batches import Batches, seed_of
from fusion.pretraining.masked_language import MaskedLanguageObjective


@pytest.fixture
def objective(tiny_encoders, rows_of):
    encoders = tiny_encoders("text")
    rows = rows_of(encoders, {"text": [f"{'x' * (n % 23)} {n}" for n in range(300)]})
    return MaskedLanguageObjective(encoders, rows, PretrainingSettings(objective="mlm"))


def batches_of(objective, n_rows=300, *, batch_size=7, epochs=3, seed=0):
    return Batches(objective, np.arange(n_rows), batch_size=batch_size, epochs=epochs, seed=seed)


def test_every_epoch_has_every_row_once_in_another_order(objective):
    batches = batches_of(objective)
    orders = [np.concatenate(batches.rows_of(epoch)) for epoch in range(3)]
    assert len(batches) == 3 * 43
    for order in orders:
        assert sorted(order) == list(range(300))
    assert not np.array_equal(orders[0], orders[1])


@pytest.mark.parametrize(("n_rows", "batch_size"), [(300, 7), (65, 64), (8, 8), (3, 10), (9, 4)])
def test_batches_are_of_nearly_equal_size_and_never_too_large(objective, n_rows, batch_size):
    batches = batches_of(objective, n_rows, batch_size=batch_size)
    sizes = [len(rows) for rows in batches.rows_of(0)]
    assert max(sizes) <= batch_size and max(sizes) - min(sizes) <= 1
    assert batches.smallest == min(sizes) and sum(sizes) == n_rows


def test_texts_of_a_batch_are_of_similar_length(objective):
    lengths = objective.rows.lengths
    spread = [np.ptp(lengths[rows]) for rows in batches_of(objective).rows_of(0)]
    assert np.mean(spread) < 2 < np.ptp(lengths)


def test_a_batch_follows_from_its_number_alone(objective):
    straight, back = batches_of(objective), batches_of(objective)
    forwards = [straight[number] for number in range(len(straight))]
    for number in reversed(range(len(back))):
        for name, tensor in back[number]["text"].items():
            assert torch.equal(tensor, forwards[number]["text"][name])


def test_chance_differs_between_epochs_and_seeds(objective):
    def labels(**options):
        batches = batches_of(objective, 5, batch_size=5, **options)
        found = [batches[number]["text"]["labels"] for number in range(len(batches))]
        return [sorted(map(tuple, label.tolist())) for label in found]

    first, second, third = labels()
    assert first != second != third
    assert labels(seed=1)[0] != first


def test_a_seed_depends_on_every_number_and_its_place():
    seeds = [seed_of(1), seed_of(1, 2), seed_of(2, 1), seed_of(1, 2, 0), seed_of(0, 1, 2)]
    assert len(set(seeds)) == 5 and all(0 <= seed < 2**64 for seed in seeds)

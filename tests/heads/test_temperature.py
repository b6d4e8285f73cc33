import numpy as np
import pytest
from scipy.special import softmax

from heads.temperature import fit_temperature

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(0, 2, (4000, 3))
CLASSES = (softmax(LOGITS, axis=1).cumsum(axis=1) < RANDOM.random((4000, 1))).sum(axis=1)
PARTS = np.arange(4000) % 4


@pytest.mark.parametrize("factor", [0.25, 1.0, 4.0])
def test_the_factor_of_bold_and_timid_logits_is_found(factor):
    found = fit_temperature(factor * LOGITS[:, None], CLASSES, parts=PARTS)
    assert found == pytest.approx(factor, rel=0.06)


def test_probabilities_of_several_networks_are_sharpened_together():
    noisy = LOGITS[:, None] + RANDOM.normal(0, 2, (4000, 4, 3))
    found = fit_temperature(noisy, CLASSES, parts=PARTS)

    def loss(temperature):
        chances = softmax(noisy / temperature, axis=2).mean(axis=1)
        return -np.log(chances[np.arange(4000), CLASSES]).mean()

    grid = np.geomspace(0.2, 5, 200)
    assert loss(found) <= min(map(loss, grid)) + 1e-4
    assert loss(found) < loss(1.0)


@pytest.mark.parametrize("n_rows", [0, 1, 19])
def test_few_rows_move_nothing(n_rows):
    logits = 9 * LOGITS[:n_rows, None]
    assert fit_temperature(logits, CLASSES[:n_rows], parts=PARTS[:n_rows]) == 1.0


def test_what_does_not_help_on_other_parts_is_left():
    classes = np.repeat([0, 1, 0, 1], 10)  # each part says the opposite of what the other says
    parts = np.repeat([0, 0, 1, 1], 10)
    logits = np.zeros((40, 1, 2))
    logits[:20, 0] = np.eye(2)[classes[:20]]
    logits[20:, 0] = np.eye(2)[1 - classes[20:]]
    assert fit_temperature(logits, classes, parts=parts) == 1.0


def test_endless_logits_stay_finite():
    logits = np.where(np.eye(3)[CLASSES] > 0, 1e30, -1e30)[:, None]
    assert 0.1 <= fit_temperature(logits, CLASSES, parts=PARTS) <= 10

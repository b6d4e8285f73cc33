import numpy as np
import pytest
import torch

from encoders.blocks import Block
from fusion.data.batch import ModelInputs
from fusion.data.training_rows import TrainingRows
from fusion.members.options import best_options
from fusion.members.view import View
from heads import RegressionHead
from heads.scales import suited_scales

RANDOM = np.random.default_rng(0)
N_ROWS = 300
FOLDS = [np.arange(0, N_ROWS, 2), np.arange(1, N_ROWS, 2)]
NUMBERS = RANDOM.normal(size=(N_ROWS, 3)).astype(np.float32)


def view_of(numbers, kind="vectors"):
    present = np.ones(len(numbers), dtype=bool)
    inputs = ModelInputs(present={"text": torch.from_numpy(present)})
    return View({"text": Block("", kind, numbers)}, {"text": present}, inputs, {})


def chosen(numbers, target, *, folds=FOLDS, kind="vectors", weight=None):
    weight = np.ones(len(target)) if weight is None else weight
    known = target[~np.isnan(target) & (weight > 0)]
    options = RegressionHead.open_options(known)
    tried = [RegressionHead.fitted(known, **each) for each in options]
    best = best_options(
        view_of(numbers, kind),
        TrainingRows({"y": target}, folds, weight),
        candidates={"y": tried},
        seed=0,
    )
    return options[best["y"]]["transform"]


def test_errors_choose_the_scale_and_not_the_skewness():
    numbers = np.exp(NUMBERS)
    target = (numbers.sum(axis=1) + RANDOM.normal(0, 0.1, N_ROWS) + 1).astype(np.float64)
    assert suited_scales(target)[0] in ("log", "log1p")  # what skewness says
    assert chosen(numbers, target) == "identity"


def test_effects_that_multiply_are_learned_as_logarithms():
    target = np.exp(NUMBERS.sum(axis=1) + RANDOM.normal(0, 0.3, N_ROWS)).astype(np.float64)
    assert chosen(NUMBERS, target) in ("log", "rank")


def test_squares_are_learned_as_square_roots():
    numbers = RANDOM.normal(size=(N_ROWS, 20)).astype(np.float32)
    root = 15.0 + numbers.sum(axis=1) + RANDOM.normal(0, 0.2, N_ROWS)
    assert chosen(numbers, root.clip(0.0).astype(np.float64) ** 2) == "sqrt"


@pytest.mark.parametrize("folds", [[np.arange(5)], [FOLDS[0]], FOLDS])
def test_given_rows_few_rows_and_equal_targets_are_fine(folds):
    target = np.exp(NUMBERS.sum(axis=1)).astype(np.float64)
    found = chosen(NUMBERS, target, folds=folds)
    assert found in suited_scales(target)
    if len(folds[0]) < 20:
        assert found == suited_scales(target)[0]


def test_rows_without_the_target_or_of_weight_zero_have_no_say():
    target = np.exp(NUMBERS.sum(axis=1) + RANDOM.normal(0, 0.1, N_ROWS)).astype(np.float64)
    some, weight = target.copy(), np.ones(N_ROWS)
    some[::7] = np.nan
    weight[::5] = 0.0
    wild = np.where(weight > 0, some, 1e9)
    assert chosen(NUMBERS, wild, weight=weight) == chosen(NUMBERS, some, weight=weight)


def test_without_a_block_that_a_kernel_reads_the_first_is_taken():
    target = np.exp(NUMBERS.sum(axis=1)).astype(np.float64)
    assert chosen(NUMBERS, target, kind="raw") == suited_scales(target)[0]


def test_what_a_head_was_asked_for_is_not_open():
    target = np.exp(NUMBERS.sum(axis=1)).astype(np.float64)
    assert RegressionHead.open_options(target, transform="log1p") == ({"transform": "log1p"},)
    assert RegressionHead.open_options(np.ones(9)) == ({"transform": "identity"},)

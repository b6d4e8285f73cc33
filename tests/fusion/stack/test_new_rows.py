import numpy as np
import torch

from encoders.blocks import Block
from fusion.data.batch import ModelInputs
from fusion.members.view import View
from fusion.stack import new_out_of_fold, new_rows


def category_view(*columns, present=None):
    n = len(columns[0])
    blocks = {
        f"numeric.{place}": Block(str(place), "category", np.array(codes), n_levels=9)
        for place, codes in enumerate(columns)
    }
    there = np.ones(n, dtype=bool) if present is None else np.array(present)
    inputs = ModelInputs({"numeric": torch.from_numpy(there)})
    return View(blocks, dict.fromkeys(blocks, there), inputs, {})


def test_rows_are_new_where_training_never_saw_a_level():
    view = category_view([0, 1, 2, 3, 1], [2, 2, 2, 1, 2], present=[True] * 4 + [False])
    assert new_rows(view).tolist() == [False, True, False, True, False]


def test_rows_are_new_out_of_fold_where_no_other_fold_holds_their_level():
    view = category_view([2, 2, 3, 3, 4, 0, 1], [5] * 7)
    folds = [np.array([0, 1, 2]), np.array([3, 4, 5, 6])]
    assert new_out_of_fold(view, folds).tolist() == [True, True, False, False, True, False, True]


def test_rows_of_no_fold_show_their_levels_to_all():
    view = category_view([2, 2, 3, 4])
    assert new_out_of_fold(view, [np.array([0, 2])]).tolist() == [False, False, True, False]

import numpy as np
import torch

from encoders.blocks import Block
from fusion.data.batch import ModelInputs
from fusion.members.view import View


def two_blocks():
    there = np.array([True, False, True])
    blocks = {
        "text": Block("", "vectors", np.array([[1.0, 2.0], [np.nan, 9.0], [3.0, 4.0]])),
        "brand": Block("", "category", np.array([2, 9, 1]), n_levels=3),
    }
    inputs = ModelInputs({"text": torch.from_numpy(there)})
    return View(blocks, {"text": there, "brand": ~there}, inputs, {})


def test_what_is_absent_is_filled_with_zeros():
    view = two_blocks()
    assert view.filled("text").tolist() == [[1.0, 2.0], [0.0, 0.0], [3.0, 4.0]]
    assert view.filled("brand").tolist() == [0, 9, 0]


def test_a_row_is_known_by_any_of_some_blocks():
    view = two_blocks()
    assert view.known(["text"]).tolist() == [True, False, True]
    assert view.known(["text", "brand"]).all()
    assert not view.known([]).any()

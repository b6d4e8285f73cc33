import random
import sys

import numpy as np
import pytest
import torch

from fusion.errors import MissingExtraError
from fusion.trainers import random_states_kept, tensorboard_callbacks


def draw():
    return random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002


def test_seeding_inside_the_block_does_not_reach_the_caller():
    with random_states_kept():
        expected = draw()
    with random_states_kept():
        random.seed(7)
        np.random.seed(7)  # noqa: NPY002
        torch.manual_seed(7)
        draw()
    assert draw() == expected


def test_an_error_inside_the_block_leaves_the_states_of_the_caller():
    with random_states_kept():
        expected = draw()
    with pytest.raises(KeyError), random_states_kept():
        torch.manual_seed(7)
        random.seed(7)
        raise KeyError
    assert draw() == expected


def test_no_folder_means_no_logs():
    assert tensorboard_callbacks(None) == []


def test_logs_without_tensorboard_say_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError, match="product-fusion\\[tensorboard\\]"):
        tensorboard_callbacks(tmp_path)

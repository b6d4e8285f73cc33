import random
import sys

import numpy as np
import pytest
import torch
import transformers

from fusion.errors import MissingExtraError
from fusion.tuning.trainers import OneDeviceArguments, tensorboard_callbacks, training_alone


def draw():
    return random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002


def test_seeding_inside_the_block_does_not_reach_the_caller():
    with training_alone():
        expected = draw()
    with training_alone():
        random.seed(7)
        np.random.seed(7)  # noqa: NPY002
        torch.manual_seed(7)
        draw()
    assert draw() == expected


def test_an_error_inside_the_block_leaves_the_states_of_the_caller():
    with training_alone():
        expected = draw()
    with pytest.raises(KeyError), training_alone():
        torch.manual_seed(7)
        random.seed(7)
        raise KeyError
    assert draw() == expected


@pytest.mark.parametrize(("visible", "used"), [(0, 0), (1, 1), (4, 1)])
def test_a_process_takes_at_most_one_gpu(tmp_path, visible, used):
    arguments = OneDeviceArguments(str(tmp_path), per_device_train_batch_size=8)
    assert arguments.n_gpu >= 0  # the devices are looked at before, and not again
    arguments._n_gpu = visible
    assert arguments.n_gpu == used
    assert arguments.train_batch_size == 8


def test_a_cpu_has_no_number_in_a_group_of_processes(tmp_path, monkeypatch):
    """Accelerate calls it `cpu:0`, to which torch before 2.14 loads no tensor."""
    numbered = property(lambda arguments: torch.device("cpu", 0))
    monkeypatch.setattr(transformers.TrainingArguments, "device", numbered)
    assert OneDeviceArguments(str(tmp_path), use_cpu=True).device == torch.device("cpu")


def test_no_folder_means_no_logs():
    assert tensorboard_callbacks(None) == []


def test_logs_without_tensorboard_say_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError, match="product-fusion\\[tensorboard\\]"):
        tensorboard_callbacks(tmp_path)

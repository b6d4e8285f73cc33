import numpy as np
import pytest
import torch

from encoders import BertEncoder, ResNetEncoder
from fusion.tuning import TuningSettings
from fusion.tuning.optimiser import depths, parameter_groups, schedules


def encoders(settings, *makers):
    built = {}
    for make in makers or (BertEncoder.tiny, ResNetEncoder.tiny):
        encoder = make()
        encoder.adapt(settings.adapter)
        built[encoder.modality] = encoder
    return built


def groups_of(settings):
    tuned = encoders(settings)
    module = torch.nn.ModuleDict({**tuned, "head": torch.nn.Linear(2, 1)})
    return parameter_groups(module, depths(tuned), settings), module


@pytest.mark.parametrize("mode", ["lora", "last_layers", "full", "gradual"])
def test_every_weight_that_trains_is_in_one_group_and_no_other_is(mode):
    groups, module = groups_of(TuningSettings(mode=mode, layers=2))
    grouped = [id(weight) for group in groups for weight in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(w) for w in module.parameters() if w.requires_grad}


def test_layers_take_smaller_steps_the_further_they_are_from_the_head():
    settings = TuningSettings(mode="full", learning_rate=1e-3, layer_decay=0.5)
    rates = {group["depth"]: group["lr"] for group in groups_of(settings)[0]}
    assert rates[-1] == settings.head_learning_rate
    assert rates[0] == 1e-3 and rates[1] == 5e-4
    assert rates[max(rates)] == pytest.approx(1e-3 * 0.5 ** max(rates))


def test_biases_and_normalisation_do_not_decay():
    groups, _ = groups_of(TuningSettings(mode="full"))
    for group in groups:
        assert {weight.ndim > 1 for weight in group["params"]} == {group["weight_decay"] > 0}


def factors(settings, n_steps=100):
    groups, _ = groups_of(settings)
    optimizer = torch.optim.AdamW(groups, lr=1.0)
    found = schedules(optimizer, n_steps=n_steps, settings=settings)
    steps = range(n_steps + 1)
    return {
        group["depth"]: np.array([factor(step) for step in steps])
        for group, factor in zip(optimizer.param_groups, found, strict=True)
    }


def test_steps_warm_up_and_fall_to_zero():
    curve = factors(TuningSettings(mode="last_layers", warmup=0.1))[0]
    assert curve[0] < 0.2 < 0.9 < curve.max() <= 1.0
    assert (np.diff(curve[10:]) <= 0).all()
    assert curve[-1] == pytest.approx(0, abs=1e-6)


def test_gradual_wakes_the_last_layer_first_and_then_one_after_the_other():
    curves = factors(TuningSettings(mode="gradual", layers=2))
    wakes = {depth: int(np.flatnonzero(curve > 0)[0]) for depth, curve in curves.items()}
    assert wakes[-1] == wakes[0] == 0
    assert wakes[1] == 50
    assert (curves[1][:50] == 0).all()

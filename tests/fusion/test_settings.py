"""Every setting that is a number with a fraction refuses what no run could work with."""

import inspect
from dataclasses import fields, is_dataclass
from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from fusion.choices.mistakes import RunSettings
from fusion.job_steps.config import TrainConfig
from fusion.pretraining import PretrainingSettings
from fusion.strategies import FUSIONS
from fusion.training import TrainingSettings
from heads import HEADS

IMPOSSIBLE = (float("nan"), float("inf"), float("-inf"), -1.0)


def every(kind):
    for one in kind.__subclasses__():
        yield one
        yield from every(one)


MODELS = [one for one in every(RunSettings) if not one.__module__.startswith("tests.")]
NUMBERS = [
    (model, name)
    for model in MODELS
    for name, field in model.model_fields.items()
    if float in (field.annotation, *get_args(field.annotation))
]
PARTS = {
    field.annotation
    for model in MODELS
    for field in model.model_fields.values()
    if is_dataclass(field.annotation)
}


def test_settings_with_and_without_parts_are_found():
    assert {TrainConfig, PretrainingSettings} <= set(MODELS)
    assert len(NUMBERS) > 15 and len(PARTS) == 2


@pytest.mark.parametrize(
    ("model", "name"), NUMBERS, ids=lambda each: getattr(each, "__name__", each)
)
@pytest.mark.parametrize("value", IMPOSSIBLE)
def test_a_setting_refuses_what_is_negative_or_not_finite(model, name, value):
    with pytest.raises(ValidationError) as caught:
        model.model_validate({name: value})
    assert (name,) in [fault["loc"] for fault in caught.value.errors()]


@pytest.mark.parametrize("value", IMPOSSIBLE)
def test_a_part_of_settings_refuses_what_is_negative_or_not_finite(value):
    for part in PARTS:
        for field in fields(part):
            with pytest.raises(ValueError, match=field.name):
                part(**{field.name: value})


@pytest.mark.parametrize("value", IMPOSSIBLE)
def test_options_of_strategies_and_heads_refuse_what_is_negative_or_not_finite(value):
    n_tried = 0
    for fusion in FUSIONS.values():
        for name in _fractions(fusion):
            n_tried += 1
            with pytest.raises(ValueError, match=name):
                fusion({"a": 2}, **{name: value})
    for head in HEADS.values():
        for name in _fractions(head.fitted):
            n_tried += 1
            with pytest.raises(ValueError, match=name):
                head.fitted(np.arange(9.0), **{name: value})
    assert n_tried > 4


def _fractions(call):
    parameters = inspect.signature(call).parameters.values()
    return [one.name for one in parameters if isinstance(one.default, float)]


def test_a_batch_larger_than_any_table_is_refused_before_any_work():
    with pytest.raises(ValueError, match=r"batch_size\s.*less than 2147483648"):
        TrainingSettings(batch_size=10**30)


@pytest.mark.parametrize("model", [m for m, name in NUMBERS if name == "weight_decay"])
def test_a_shrinkage_that_no_learning_rate_survives_is_refused(model):
    needed = {"objective": "contrastive"} if model is PretrainingSettings else {}
    assert model(weight_decay=100, **needed).weight_decay == 100
    with pytest.raises(ValidationError, match=r"weight_decay\n.*less than or equal to 100"):
        model(weight_decay=1e5, **needed)

import ast
from pathlib import Path

import numpy as np
import pytest
import torch

import heads
from heads import HEADS, ClosedForm, Head, HotItemHead, LinearHead, RegressionHead, check_head

ROOM = Path(heads.__file__).parent


@pytest.mark.parametrize("name", HEADS)
def test_head_keeps_the_contract(name):
    check_head(HEADS[name])


@pytest.mark.parametrize("name", HEADS)
def test_registry_name_is_the_file_name(name):
    assert HEADS[name].__module__ == f"heads.{name}"


@pytest.mark.parametrize("name", HEADS)
def test_closed_form_heads_solve_and_the_others_have_weights(name):
    head = HEADS[name].tiny()
    assert isinstance(head, ClosedForm) == head.closed_form
    assert bool(list(head.parameters())) != head.closed_form


@pytest.mark.parametrize("name", HEADS)
def test_targets_that_are_not_finite_are_faults_of_their_rows(name):
    faults = HEADS[name].target_faults(np.array([np.nan, 1.0, np.inf, 2.0]))
    assert [mask.tolist() for mask in faults.values()] == [[True, False, True, False]]
    assert not HEADS[name].target_faults(np.array([0.0, 1.0]))


@pytest.mark.parametrize("name", HEADS)
def test_predictions_are_float64(name):
    head = HEADS[name].tiny()
    columns = head.predict(head(torch.ones(2, 4)))
    assert {values.dtype for values in columns.values()} == {torch.float64}


def test_heads_import_nothing_of_the_other_rooms():
    for path in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {name.split(".")[0] for name in names} & {"fusion", "encoders"}, path.name


class BatchMixer(RegressionHead):
    def forward(self, fused):
        return super().forward(fused - fused.mean(dim=0)) if len(fused) else super().forward(fused)


class DeafHead(RegressionHead):
    def loss(self, raw, target):
        return super().loss(raw.detach() + 0 * raw, target)


class ForgetfulHead(RegressionHead):
    @property
    def config(self):
        return {**super().config, "scale": "identity", "centre": 0.0}


class OvershootingHead(HotItemHead):
    def predict(self, raw):
        return {"hot_probability": super().predict(raw)["hot_probability"] * 1.5}


class FirstMemberHead(LinearHead):
    """Forgets all members but the first."""

    def predict(self, raw):
        return {"prediction": raw.flatten(1)[:, 0] + (raw.ndim - 2)}


class NegativeLossHead(RegressionHead):
    def loss(self, raw, target):
        return super().loss(raw, target) - 1.0


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (BatchMixer, "must not depend on the other rows"),
        (DeafHead, "the gradient must reach"),
        (ForgetfulHead, "must rebuild the head"),
        (OvershootingHead, r"must be in \[0, 1\]"),
        (FirstMemberHead, "of equal members"),
        (NegativeLossHead, "loss must be 0 or more"),
    ],
)
def test_check_head_names_the_broken_rule(broken: type[Head], rule):
    with pytest.raises((AssertionError, RuntimeError), match=rule):
        check_head(broken)

import ast
from pathlib import Path

import numpy as np
import pytest
import torch

import heads
from heads import (
    DECODERS,
    HEADS,
    Column,
    Head,
    HotItemHead,
    LinearHead,
    MulticlassHead,
    RegressionHead,
    check_head,
)

ROOM = Path(heads.__file__).parent


@pytest.mark.parametrize("name", HEADS)
def test_head_keeps_the_contract(name):
    check_head(HEADS[name])


@pytest.mark.parametrize("name", HEADS)
def test_registry_name_is_the_file_name(name):
    assert HEADS[name].__module__ == f"heads.{name}"


@pytest.mark.parametrize("name", HEADS)
def test_targets_that_are_not_finite_are_faults_of_their_rows(name):
    faults = HEADS[name].target_faults(np.array([np.nan, 1.0, np.inf, 2.0]))
    assert [mask.tolist() for mask in faults.values()] == [[True, False, True, False]]
    assert not HEADS[name].target_faults(np.array([0.0, 1.0]))


def test_a_head_with_several_steps_keeps_the_contract(steps_head):
    check_head(steps_head)


@pytest.mark.parametrize("name", HEADS)
def test_the_decoder_that_a_head_names_is_registered(name):
    assert HEADS[name].decoder in DECODERS


def test_heads_import_nothing_of_the_other_rooms():
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {name.split(".")[0] for name in names} & {"fusion", "encoders"}, path.name


class BatchMixer(RegressionHead):
    def decode(self, raw):
        return super().decode(raw - raw.mean(dim=0) if len(raw) else raw)


class DeafHead(RegressionHead):
    def losses(self, raw, target):
        return super().losses(raw.detach() + 0 * raw, target)


class ForgetfulHead(RegressionHead):
    @property
    def config(self):
        return {**super().config, "scale": "identity", "mean": 0.0}


class OvershootingHead(HotItemHead):
    def decode(self, raw):
        return {"hot_probability": super().decode(raw)["hot_probability"] * 1.5}


class FirstNetworkHead(LinearHead):
    """Forgets all networks but the first."""

    def decode(self, raw):
        return super().decode(raw[:, :1])


class SummingHead(LinearHead):
    """Adds the networks up."""

    def decode(self, raw):
        return super().decode(raw * raw.shape[1])


class NegativeLossHead(RegressionHead):
    def losses(self, raw, target):
        return super().losses(raw, target) - 1.0


class LopsidedHead(RegressionHead):
    """Trains the mean of the networks, not each of them."""

    def losses(self, raw, target):
        return super().losses(raw.mean(dim=1, keepdim=True), target)


class LateHead(HotItemHead):
    @property
    def start(self):
        return super().start + 1.0


class SingleHead(LinearHead):
    def decode(self, raw):
        return {name: values.float() for name, values in super().decode(raw).items()}


class ProudHead(HotItemHead):
    """Says that logits are additive scores."""

    raw_is_additive = True


class CrossingHead(RegressionHead):
    @property
    def columns(self):
        low = Column("low", "quantile", level=0.1)
        return (*super().columns, low)

    def decode(self, raw):
        return {**super().decode(raw), "low": super().decode(raw + 1)["prediction"]}


class HalvingHead(MulticlassHead):
    def decode(self, raw):
        found = super().decode(raw)
        return {name: v / 2 if "probability" in name else v for name, v in found.items()}


class FirstClassHead(MulticlassHead):
    """Always answers the first class."""

    def decode(self, raw):
        return {**super().decode(raw), "predicted_class": torch.zeros(len(raw)).double()}


class OneScoreHead(MulticlassHead):
    n_scores = 1


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (BatchMixer, "must not depend on the other rows"),
        (DeafHead, "the gradient must reach"),
        (ForgetfulHead, "must rebuild the head"),
        (OvershootingHead, r"must be in \[0, 1\]"),
        (FirstNetworkHead, "must not depend on the networks' order"),
        (SummingHead, "of equal networks"),
        (NegativeLossHead, "loss must be 0 or more"),
        (LopsidedHead, "mean over networks, each on its own"),
        (LateHead, "start must be as good as the best constant"),
        (SingleHead, "must be float64"),
        (ProudHead, "additive raw outputs must be perfect"),
        (CrossingHead, "quantiles must be in order"),
        (HalvingHead, "probabilities of classes must sum to 1"),
        (FirstClassHead, "position of the likeliest"),
        (OneScoreHead, "additive_scale must give"),
    ],
)
def test_check_head_names_the_broken_rule(broken: type[Head], rule):
    with pytest.raises((AssertionError, RuntimeError), match=rule):
        check_head(broken)


def test_check_head_sees_steps_that_are_mixed(steps_head):
    class MixingHead(steps_head):
        def decode(self, raw):
            return super().decode(raw + 0.1 * raw.mean(dim=2, keepdim=True))

    with pytest.raises(AssertionError, match="must depend on its step alone"):
        check_head(MixingHead)

"""Every member of a forecast keeps the contract."""

import importlib.util

import numpy as np
import pytest

from fusion.forecasting.members.check import check_forecast_member
from fusion.forecasting.members.classical import ClassicalMember
from fusion.forecasting.members.registry import FORECAST_MEMBERS

MARKS = {
    "fracast": (
        pytest.mark.slow,  # seconds for a hundred examples
        pytest.mark.skipif(importlib.util.find_spec("fracast") is None, reason="needs the extra"),
    ),
    "chronos": pytest.mark.skip(reason="needs weights; see test_chronos.py"),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=MARKS.get(name, ())) for name in FORECAST_MEMBERS]
)
def test_member_keeps_the_contract(name):
    check_forecast_member(FORECAST_MEMBERS[name].tiny)


@pytest.mark.parametrize("name", FORECAST_MEMBERS)
def test_registry_name_is_the_file_name(name):
    assert FORECAST_MEMBERS[name].__module__ == f"fusion.forecasting.members.{name}"


class PeekingMember(ClassicalMember):
    def raw(self, examples):
        return super().raw(examples) + np.nan_to_num(examples.targets()).sum(axis=1)[:, None, None]


class LooseMember(ClassicalMember):
    def load_state(self, state, *, head):
        super().load_state({k: v for k, v in state.items() if k != "left_over"}, head=head)


class MixingMember(ClassicalMember):
    def raw(self, examples):
        raw = super().raw(examples)
        return raw + raw.mean() / 2 if len(raw) else raw


class ForgetfulMember(ClassicalMember):
    def state(self):
        return {name: tensor * 0.9 for name, tensor in super().state().items()}


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (PeekingMember, "see nothing of what comes later"),
        (LooseMember, "refuse a state that has something left over"),
        (MixingMember, "without regard to others"),
        (ForgetfulMember, "the same after a round trip"),
    ],
)
def test_the_contract_finds_what_breaks_it(broken, rule):
    with pytest.raises(AssertionError, match=rule):
        check_forecast_member(broken)

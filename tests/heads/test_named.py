import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from heads.named import NamedHeads

NAMES = ["units.next", "type", "items", "keys", "", "a b", "%2E", "=x", "[bold]", "forward", "_a"]


def test_any_text_is_the_name_of_a_head():
    heads = NamedHeads({name: nn.Linear(1, 1) for name in NAMES})
    assert list(heads) == list(heads.keys()) == [name for name, _ in heads.items()] == NAMES
    assert [heads[name] for name in NAMES] == list(heads.values())
    assert len(heads) == len(NAMES)
    assert all(name in heads for name in NAMES)
    assert "unit" not in heads
    del heads["items"]
    assert "items" not in heads
    with pytest.raises(KeyError):
        heads["items"]


@given(st.lists(st.text(max_size=5), unique=True))
def test_different_names_stay_different_inside(names):
    heads = NamedHeads({name: nn.Linear(1, 1) for name in names})
    assert list(heads) == names
    assert len(heads.state_dict()) == 2 * len(names)
    assert all(key.count(".") == 1 for key in heads.state_dict())


def test_weights_move_between_two_dicts_of_the_same_names():
    heads = NamedHeads({name: nn.Linear(2, 1) for name in NAMES})
    other = NamedHeads({name: nn.Linear(2, 1) for name in NAMES})
    other.load_state_dict(heads.state_dict())
    for name in NAMES:
        assert torch.equal(other[name].weight, heads[name].weight)
    assert list(copy.deepcopy(heads)) == NAMES

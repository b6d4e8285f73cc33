import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from heads.decoders.named import NamedDecoders

NAMES = ["units.next", "type", "items", "keys", "", "a b", "%2E", "=x", "[bold]", "forward", "_a"]


def test_any_text_is_the_name_of_a_head():
    named = NamedDecoders({name: nn.Linear(1, 1) for name in NAMES})
    assert list(named) == list(named.keys()) == [name for name, _ in named.items()] == NAMES
    assert [named[name] for name in NAMES] == list(named.values())
    assert len(named) == len(NAMES)
    assert all(name in named for name in NAMES)
    assert "unit" not in named
    del named["items"]
    assert "items" not in named
    with pytest.raises(KeyError):
        named["items"]


@given(st.lists(st.text(max_size=5), unique=True))
def test_different_names_stay_different_inside(names):
    named = NamedDecoders({name: nn.Linear(1, 1) for name in names})
    assert list(named) == names
    assert len(named.state_dict()) == 2 * len(names)
    assert all(key.count(".") == 1 for key in named.state_dict())


def test_weights_move_between_two_dicts_of_the_same_names():
    named = NamedDecoders({name: nn.Linear(2, 1) for name in NAMES})
    other = NamedDecoders({name: nn.Linear(2, 1) for name in NAMES})
    other.load_state_dict(named.state_dict())
    for name in NAMES:
        assert torch.equal(other[name].weight, named[name].weight)
    assert list(copy.deepcopy(named)) == NAMES

import numpy as np
import pytest
import torch

from fusion.members.example import example_rows
from fusion.members.ridge import RidgeMember
from fusion.members.taken import Taken


def test_whole_numbers_and_floats_are_taken_once():
    taken = Taken({"a": torch.tensor([0.5, 1.5]), "b": torch.tensor([[-1], [3]])})
    np.testing.assert_array_equal(taken.floats("a", 2), [0.5, 1.5])
    np.testing.assert_array_equal(taken.whole("b", 2, 1, least=-1, most=3), [[-1], [3]])
    taken.finish()
    with pytest.raises(ValueError, match="a must be of shape"):
        taken.floats("a", 2)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.tensor([1.0]), "a must be of shape"),
        (b"text", "a must be of shape"),
        (torch.tensor([1, 2]), "a must hold finite floats"),
        (torch.tensor([1.0, torch.nan]), "a must hold finite floats"),
    ],
)
def test_odd_floats_are_refused(value, message):
    with pytest.raises(ValueError, match=message):
        Taken({"a": value}).floats("a", 2)


@pytest.mark.parametrize("value", [[0, 4], [-2, 0], [0.0, 1.0]])
def test_odd_whole_numbers_are_refused(value):
    with pytest.raises(ValueError, match="a must hold whole numbers from -1 to 3"):
        Taken({"a": torch.tensor(value)}).whole("a", 2, least=-1, most=3)


def test_what_is_left_over_is_refused():
    with pytest.raises(ValueError, match="nothing else, got b"):
        Taken({"b": torch.ones(1)}).finish()


@pytest.mark.parametrize("name", ["weights.0.0", "offsets.0", "intercept.0", "numbers"])
def test_a_ridge_takes_back_finite_numbers_alone(name):
    member = RidgeMember.tiny()
    example = example_rows({}).of_heads("regression")
    example.fitted(member)
    state = member.state()
    key = next(key for key in state if key.startswith(name))
    state[key] = torch.full_like(state[key], torch.nan)
    with pytest.raises(ValueError, match=f"{key} must hold finite floats"):
        RidgeMember(**member.config).load_state(state, heads=example.heads, encoders={})

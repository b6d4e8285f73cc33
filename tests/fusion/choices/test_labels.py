import numpy as np
import pandas as pd
import pytest

from fusion.choices.heads import HeadChoice
from fusion.choices.labels import head_targets, read_label_targets, shared_label_mistakes

TREND = pd.Series(["up", "down", None, "up", "down"], name="trend")


def choice(head="multiclass", target="trend", **options):
    return HeadChoice(head, target=target, options=options)


def test_labels_are_found_and_put_in_the_options_of_the_head():
    found = read_label_targets({"trend": choice()}, {"trend": TREND})
    assert found.heads["trend"].options == {"labels": ("down", "up")}
    np.testing.assert_array_equal(found.positions["trend"], [1, 0, np.nan, 1, 0])
    assert found.mistakes == [] and found.problems == []


def test_labels_of_ones_own_decide_order_and_what_is_unknown():
    heads = {"trend": choice(labels=["up", "flat"])}
    found = read_label_targets(heads, {"trend": TREND})
    np.testing.assert_array_equal(found.positions["trend"], [0, np.nan, np.nan, 0, np.nan])
    assert [problem.row for problem in found.problems] == [1, 4]
    assert "got fewer of flat" in found.mistakes[0]


def test_steps_have_the_labels_of_all_their_columns_together():
    later = pd.Series(["flat", "flat", "up", "up", "up"], name="later")
    heads = {"both": choice(target=("trend", "later"))}
    found = read_label_targets(heads, {"trend": TREND, "later": later})
    assert found.heads["both"].options["labels"] == ("down", "flat", "up")
    targets = head_targets(found.heads, found.positions)["both"]
    np.testing.assert_array_equal(targets[:2], [[2, 1], [0, 1]])


def test_heads_that_read_numbers_are_left_as_they_are():
    heads = {"price": choice("regression", "price"), "gone": choice(target="gone")}
    found = read_label_targets(heads, {"price": pd.Series([1.0])})
    assert found.heads == heads and found.positions == {}


def test_one_column_is_not_read_in_two_ways():
    assert shared_label_mistakes({"a": choice(), "b": choice()}) == []
    (told,) = shared_label_mistakes({"a": choice(), "b": choice("regression")})
    assert "trend must be read as labels or as numbers, got both" in told
    (told,) = shared_label_mistakes({"a": choice(labels=["x", "y"]), "b": choice()})
    assert "trend must have the same labels for all its heads" in told


def test_a_target_of_several_columns_is_there_where_all_of_them_are():
    heads = {"weeks": choice("regression", ("w1", "w2")), "one": choice("regression", "w1")}
    columns = {"w1": np.arange(3.0)}
    assert list(head_targets(heads, columns)) == ["one"]
    both = head_targets(heads, {**columns, "w2": np.ones(3)})
    np.testing.assert_array_equal(both["weeks"], [[0, 1], [1, 1], [2, 1]])


@pytest.mark.parametrize("given", [["a", "a"], [1, "1.0"], ["a"], [], "ab", [["a"], ["b"]], 3])
def test_labels_that_are_no_list_of_different_ones_are_a_mistake(given):
    heads = {"trend": HeadChoice("multiclass", "trend", {"labels": given})}
    found = read_label_targets(heads, {"trend": pd.Series(["a", "b"] * 3)})
    (told,) = found.mistakes
    assert told.startswith(
        "option labels of head multiclass of trend must be a list of two or more"
    )
    assert not found.problems and not found.positions

import numpy as np
import pandas as pd
import pytest

from fusion.data.labels import (
    SHOWN_LABELS,
    canonical_labels,
    label_mistakes,
    label_positions,
    label_texts,
    listed,
    read_labels,
    sorted_labels,
)


def test_a_label_is_the_same_however_a_table_holds_it():
    typed, problems = read_labels(pd.Series([1.0, 2.0, np.nan, 1.0]))
    written, more = read_labels(pd.Series(["1", " 2.0", "", "1"], dtype=object))
    assert typed == written == ["1", "2", None, "1"]
    assert not problems and not more


def test_labels_are_sorted_numbers_by_value_and_others_by_letters():
    assert sorted_labels(["10", "2", "-1", None]) == ("-1", "2", "10")
    assert sorted_labels(["up", "down", "10", "2"]) == ("10", "2", "down", "up")
    assert sorted_labels([None]) == ()


def test_positions_and_labels_lead_to_each_other():
    texts = ["up", None, "down", "up"]
    positions, problems = label_positions(texts, ("down", "up"), column="trend")
    np.testing.assert_array_equal(positions, [1, np.nan, 0, 1])
    assert problems == []
    assert label_texts(positions, ("down", "up")).tolist() == texts
    steps = np.array([[0.0, 1.0], [np.nan, 1.0]])
    assert label_texts(steps, ("down", "up")).tolist() == [["down", "up"], [None, "up"]]


def test_an_unknown_label_is_a_problem_that_names_the_known_ones():
    positions, (problem,) = label_positions(["up", "sideways"], ("down", "up"), column="trend")
    assert np.isnan(positions[1])
    assert str(problem) == "row 2, column trend: must be one of down, up, got 'sideways'"
    many = tuple(f"label {place}" for place in range(SHOWN_LABELS + 3))
    assert label_positions(["x"], many, column="a")[1][0].message.endswith("and 3 more, got 'x'")


def test_a_cell_that_is_no_text_is_a_problem_of_the_target():
    texts, (problem,) = read_labels(pd.Series(["up", ["a", "list"]], name="trend"))
    assert texts == ["up", None]
    assert (problem.code, problem.row) == ("target_label_not_text", 1)


@pytest.mark.parametrize(
    ("positions", "labels", "told"),
    [
        ([0.0, 0.0, np.nan], ("up",), "at least two labels, got 1 (up)"),
        ([np.nan], (), "at least two labels, got none"),
        ([0.0, 1.0, 1.0], ("down", "up"), "2 or more rows of each label, got fewer of down"),
        ([0.0, 0.0, 2.0], ("down", "flat", "up"), "got fewer of flat, up"),
        ([0.0, 0.0, 1.0, 1.0], ("down", "up"), ""),
    ],
)
def test_labels_that_cannot_be_learned_from_are_told(positions, labels, told):
    found = label_mistakes(np.array(positions), labels, what="trend")
    assert told in found and bool(told) == bool(found)


@pytest.mark.parametrize("given", ["up", 3, None, ["up", "up"], ["up", ""], [["up"], "down"]])
def test_what_is_no_list_of_different_labels_is_none(given):
    assert canonical_labels(given) is None


def test_listed_labels_keep_their_order_and_have_their_one_form():
    assert canonical_labels(["up", 1.0, "2.50"]) == ("up", "1", "2.5")


def test_labels_in_messages_are_short_and_printable():
    assert listed(["a\n", "b" * 100]) == f"a?, {'b' * 60}..."

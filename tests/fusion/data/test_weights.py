import numpy as np
import pandas as pd
import pytest

from fusion.data.weights import checked_weights, counted, weight_values


@pytest.mark.parametrize("given", [[0, 1, 2.5], np.array([0.0, 1.0, 2.5]), pd.Series([0, 1, 2.5])])
def test_weights_are_numbers_in_the_order_of_the_rows(given):
    assert checked_weights(given, n_rows=3).tolist() == [0.0, 1.0, 2.5]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([1.0, 2.0], "got shape (2,) for 3 rows"),
        (2.0, "got shape () for 3 rows"),
        ([[1.0], [1.0], [1.0]], "got shape (3, 1) for 3 rows"),
        ([1.0, np.nan, 1.0], "got row 2: nan"),
        ([1.0, 1.0, -0.5], "got row 3: -0.5"),
        ([np.inf, 1.0, 1.0], "got row 1: inf"),
        (["much", 1.0, 1.0], "got row 1: 'much'"),
        ([0.0, 0.0, 0.0], "got zero in all 3 rows. Weigh some rows"),
    ],
)
def test_weights_that_are_none_are_refused_with_their_rows(given, told):
    with pytest.raises(ValueError, match="sample_weight must hold one finite number of 0") as error:
        checked_weights(given, n_rows=3)
    assert told in str(error.value)


def test_many_faulty_weights_are_counted():
    with pytest.raises(ValueError, match=r"row 1: -1.0, .* and 15 more"):
        checked_weights(np.full(20, -1.0), n_rows=20)


def test_weights_of_a_table_are_problems_of_their_cells():
    column = pd.Series(["1", "-2", "much", "", "0"], name="stores")
    weights, problems = weight_values(column)
    assert weights.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert {(each.row, each.code) for each in problems} == {
        (1, "weight_range"),
        (2, "weight_not_number"),
        (3, "weight_range"),
    }
    assert {each.column for each in problems} == {"stores"}


def test_rows_of_weight_zero_do_not_count():
    rows = np.array([3, 0, 1])
    assert counted(rows, np.array([1.0, 0.0, 1.0, 2.0])).tolist() == [3, 0]
    assert counted(rows, None) is rows

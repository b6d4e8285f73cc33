"""Past sales that are summed up part by part say what the whole table says."""

import numpy as np
import pandas as pd
import pytest

from fusion.data.panel.asof import history_names, item_history
from fusion.data.panel.cells import MOST_PROBLEMS
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.reading import read_panel
from fusion.data.panel.tables import add_history
from fusion.errors import CatalogueError

COLUMNS = SalesColumns("id", "week")


def history_of(parts, as_of):
    return item_history(read_panel(parts, columns=COLUMNS), as_of=as_of)


def sales_of(n_rows, *, form="%Y-%m-%d"):
    draw = np.random.default_rng(0)
    weeks = pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * draw.integers(0, 57, n_rows), unit="D")
    frame = {
        "id": [f"i{row}" for row in draw.integers(0, 60, n_rows)],
        "week": weeks.strftime(form),
        "units": draw.integers(-3, 9, n_rows),
    }
    return pd.DataFrame(frame, dtype=object)


def parts_of(sales, size):
    return lambda: (sales[first : first + size] for first in range(0, len(sales), size))


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d/%m/%Y"])
@pytest.mark.parametrize("size", [2000, 90])
def test_parts_of_any_size_say_what_the_whole_table_says(size, form):
    sales = sales_of(2000, form=form)
    items = pd.DataFrame({"id": [f"i{row}" for row in range(70)]})
    whole = add_history(items, sales, columns=COLUMNS, as_of="2024-10-02")[
        list(history_names("week"))
    ]
    found = history_of(parts_of(sales, size), "2024-10-02")
    np.testing.assert_allclose(found.reindex(items["id"]), whole.astype(float))


def test_an_item_that_is_sold_later_alone_is_known_and_has_no_past():
    sales = pd.DataFrame({"id": ["a", "b"], "week": ["2024-01-01", "2024-09-02"], "units": [3, 4]})
    found = history_of(lambda: [sales], "2024-01-29")
    assert found.loc["a"].tolist() == [3.0, 3.0, 3.0, 4.0, 4.0]
    assert found.loc["b"].isna().all()


def test_a_table_that_grows_while_it_is_read_is_refused():
    rows = [("a", "2024-01-01", 3), ("b", "2024-01-08", 4)]
    seen = []

    def parts():
        seen.append(1)
        yield pd.DataFrame(rows[: 1 + len(seen) // 4], columns=["id", "week", "units"])

    with pytest.raises(CatalogueError, match="must stay as it is while it is read"):
        read_panel(parts, columns=COLUMNS)


def test_faults_are_told_with_their_rows_in_the_whole_table():
    sales = sales_of(100)
    sales.loc[71, "units"] = "many"
    sales.loc[93, "week"] = None
    with pytest.raises(CatalogueError, match=r"row 72(.|\n)*row 94"):
        history_of(parts_of(sales, 10), "2024-10-02")


@pytest.mark.parametrize("form", ["{}T23:59", "{} 00:00:00", "{} 07:08:09.123456"])
def test_a_time_of_day_changes_nothing_and_a_wrong_one_is_told(form):
    sales = sales_of(300)
    stamped = sales.assign(week=sales["week"].map(form.format))
    expected = history_of(parts_of(sales, 100), "2024-10-02")
    pd.testing.assert_frame_equal(history_of(parts_of(stamped, 100), "2024-10-02"), expected)
    stamped.loc[7, "week"] = None
    stamped.loc[150, "week"] = "2024-01-01 24:61"
    stamped.loc[250, "week"] = "2024-02-30 10:00"
    with pytest.raises(CatalogueError, match=r"row 8, (.|\n)*row 151, (.|\n)*row 251, "):
        history_of(parts_of(stamped, 100), "2024-10-02")


def test_a_table_of_faults_alone_is_not_held():
    seen = []

    def parts():
        for _ in range(10):
            seen.append(1)
            yield (
                pd.DataFrame({"id": ["a"], "week": ["2024-01-01"], "units": ["x"]})
                .loc[[0] * (MOST_PROBLEMS // 2)]
                .reset_index(drop=True)
            )

    with pytest.raises(CatalogueError):
        history_of(parts, "2024-10-02")
    assert len(seen) == 1 + 10 + 10 + 3  # columns, dates and items; three parts for the units


def test_days_and_months_that_could_be_either_are_refused():
    sales = pd.DataFrame({"id": ["a"] * 2, "week": ["01/02/2024", "03/02/2024"], "units": [1, 1]})
    with pytest.raises(CatalogueError, match="week"):
        history_of(lambda: [sales], "2024-10-02")


def test_a_date_before_all_sales_is_refused_part_by_part_too():
    sales = pd.DataFrame({"id": ["a", "b"], "week": ["2024-01-01", "2024-01-08"], "units": [3, 4]})
    with pytest.raises(CatalogueError, match=r"by as_of 2020-03-04, got 2024-01-01 as its first"):
        history_of(parts_of(sales, 1), "2020-03-04")


def test_sales_that_end_long_before_the_date_are_refused_part_by_part_too():
    sales = pd.DataFrame({"id": ["a", "b"], "week": ["2024-01-01", "2024-01-08"], "units": [3, 4]})
    with pytest.raises(CatalogueError, match=r"before as_of 2024-03-04, got 2024-01-08"):
        history_of(parts_of(sales, 1), "2024-03-04")

"""Tables of many columns: each name is looked up, none is searched for among all others."""

import numpy as np
import pandas as pd
import pytest

from fusion.data import Schema, build_catalogue, header, read_table
from fusion.data.policy import apply_policy
from fusion.data.problems import Problem
from fusion.data.schema import missing_columns
from fusion.errors import CatalogueError
from fusion.shards.csv_rows import first_csv_rows
from fusion.shards.tables import column_names

N = 300


class Counted(str):
    """Text that counts how often it is compared."""

    __slots__ = ()
    n_compared = 0

    def __eq__(self, other):
        Counted.n_compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


@pytest.fixture
def names():
    Counted.n_compared = 0
    yield [Counted(f"c{place}") for place in range(N)]
    assert Counted.n_compared < 20 * N  # to search each would be about N * N / 2


def test_a_catalogue_looks_columns_up(names):
    kinds = {"categorical": names[:100], "dates": names[100:200], "numeric": names[200:]}
    schema = Schema(columns={"text": ("title",), "row_text": ("title", *names), **kinds})
    cells = [*["red"] * 100, *["2024-01-31"] * 100, *["1.5"] * 100]
    frame = pd.DataFrame({"title": ["a", "b"], **dict(zip(map(str, names), cells, strict=True))})
    assert build_catalogue(frame, schema, photos=None).problems == []


def test_faults_find_their_modality_without_a_search(names):
    schema = Schema(columns={"numeric": names})
    frame = pd.DataFrame({str(name): [1.0] for name in names})
    problems = [
        Problem("number_not_read", "must be", row=0, column=name, modality="numeric")
        for name in names
    ]
    catalogue = build_catalogue(frame, schema, photos=None)
    kept, dropped = apply_policy(catalogue, problems, on_bad_rows="absent")
    assert dropped == {} and np.isnan(kept.values["numeric"]).all(axis=None)


def test_missing_columns_are_found_without_a_search(names):
    assert missing_columns(names, names) == []


def test_rows_of_a_job_find_their_columns_without_a_search(names, tmp_path):
    path = tmp_path / "items.csv"
    row = ",".join(map(str, range(N)))
    path.write_text(f"{','.join(names)}\n{row}\n")
    rows = first_csv_rows(path, names=names, n_rows=1, delimiter=",")
    assert rows.iloc[0].tolist() == [str(place) for place in range(N)]


def test_a_table_that_lacks_every_column_says_so_for_each():
    lacking = [f"x{place}" for place in range(2000)]
    there = [f"column {place}" for place in range(2000)]
    assert [problem.column for problem in missing_columns(lacking, there)] == lacking
    (near,) = missing_columns(["column 7x"], there)
    assert "Did you mean 'column 7" in near.message


def test_integers_with_gaps_keep_their_digits_in_a_wide_parquet_table(tmp_path):
    columns = {f"c{place}": pd.array([2**53 + 1, None], dtype="Int64") for place in range(50)}
    pd.DataFrame(columns).to_parquet(tmp_path / "items.parquet")
    frame = read_table(tmp_path / "items.parquet")
    assert (frame.dtypes == "Int64").all() and (frame.iloc[0] == 2**53 + 1).all()


def test_a_job_reads_as_many_columns_as_a_training(tmp_path, monkeypatch):
    monkeypatch.setattr(header, "MAX_COLUMNS", 3)
    (tmp_path / "items.csv").write_text("a,b,c,d\n1,2,3,4\n")
    with pytest.raises(CatalogueError, match="at most 3 columns, got 4"):
        column_names(tmp_path / "items.csv")

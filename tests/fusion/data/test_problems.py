import pytest

from fusion.data.problems import Problem, printable, raise_for, report_problems, shown
from fusion.errors import CatalogueError


def test_place_counts_rows_from_one_and_names_id_and_column() -> None:
    problem = Problem("number_not_read", "must be a number, got 'x'", 16, "A12", "price")
    assert str(problem) == "row 17 (id A12), column price: must be a number, got 'x'"
    assert str(Problem("photo_folder", "must exist")) == "must exist"


def test_report_groups_by_code_and_column_and_shows_the_first_five() -> None:
    many = [Problem("number_not_read", f"got {row}", row, f"A{row}", "price") for row in range(8)]
    report = report_problems([*many, Problem("id_duplicate", "again", 3)], source="items.csv")
    assert report.startswith("items.csv has 9 problems in 8 rows.")
    assert "number_not_read, column price (8)" in report
    assert "row 5 (id A4), column price: got 4" in report
    assert "row 6" not in report
    assert "... and 3 more" in report
    assert "Write these numbers as the others" in report
    assert "Give every row an id of its own" in report


def test_no_problem_raises_nothing_and_any_raises_all_in_one_message() -> None:
    raise_for([], source="items.csv")
    problems = [Problem("text_nul", "nul", 0), Problem("photo_missing", "gone", 1)]
    with pytest.raises(CatalogueError, match=r"(?s)text_nul.*photo_missing"):
        raise_for(problems, source="items.csv")


def test_values_and_ids_are_shown_short_and_without_control_characters() -> None:
    assert len(shown("x" * 10_000_000)) < 80
    assert len(shown(b"x" * 10_000_000)) < 80
    assert len(shown(list(range(10_000)))) < 200
    assert printable("A\x1b[31m\ud800\n") == "A?[31m??"
    shown("\ud800").encode("utf-8")


def test_unknown_code_has_an_advice_too() -> None:
    assert "leave them out" in report_problems([Problem("other", "odd", 0)], source="items")


def test_a_target_of_labels_is_told_which_head_takes_them() -> None:
    found = Problem("target_not_number", "must be a number, got 'up'", row=0, column="trend")
    assert "head multiclass (FusionClassifier" in report_problems([found], source="items.csv")


def test_columns_that_a_table_lacks_are_one_group_of_at_most_fifty_with_one_advice() -> None:
    lacking = [Problem("column_missing", "must be there", column=f"c{i}") for i in range(60)]
    report = report_problems(lacking, source="items.csv")
    assert "- column_missing (60):" in report and "column c49: must be there" in report
    assert "column c50" not in report and "... and 10 more" in report
    assert report.count("Correct the name") == 1
    one = report_problems(lacking[:1], source="items.csv")
    assert "- column_missing, column c0 (1):" in one

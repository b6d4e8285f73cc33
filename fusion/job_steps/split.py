"""Which rows of a training job are learned from, and which are held out."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.catalogue import Catalogue
from fusion.data.dates import read_date_column
from fusion.data.duplicates import near_duplicate_groups
from fusion.data.folds import RowOptions
from fusion.data.problems import Problem, raise_for
from fusion.data.schema import Schema
from fusion.data.split import Split, date_split, group_split
from fusion.job_steps.config import SplitSection


def split_rows(
    section: SplitSection,
    catalogue: Catalogue,
    *,
    groups: NDArray[np.int64],
    n_folds: int,
    seed: int,
) -> tuple[Split, RowOptions]:
    """Training, validation and test rows; groups stay on one side, but of a split by date.

    A split by date has the latest known rows for validation. Otherwise folds of the known rows take
    turns to be held out of the members, so that none is kept aside.

    Raises:
        ValueError: If there are too few rows.
    """
    if section.kind == "date":
        fractions = (1.0 - section.test - section.validation, section.validation, section.test)
        dates, _ = split_dates(section, catalogue.frame, catalogue.schema)
        split = date_split(dates, fractions=fractions, gap_days=section.gap_days)
        return split, RowOptions(validation=split.validation)
    share = section.validation if n_folds == 1 else 0.0
    fractions = (1.0 - section.test - share, share, section.test)
    split = group_split(groups, fractions=fractions, seed=seed)
    if n_folds == 1:
        return split, RowOptions(validation=split.validation)
    return split, RowOptions(groups=groups)


def split_dates(
    section: SplitSection, frame: pd.DataFrame, schema: Schema
) -> tuple[NDArray[np.datetime64], list[Problem]]:
    """Dates `[n]` of the column that a split by date goes by, and rows that have none.

    Raises:
        CatalogueError: If day and month cannot be told apart.
    """
    column = str(section.column)
    dates, found = read_date_column(frame[column], schema.format_of(column, "dates"))
    raise_for([problem for problem in found if problem.row is None], source="the split's column")
    problems = [replace(problem, code="split_not_read") for problem in found]
    faulty = {problem.row for problem in found}
    for row in np.flatnonzero(np.isnat(dates)).tolist():
        if row not in faulty:
            message = "must be a date, to be on one side of the split, got none"
            problems.append(Problem("split_missing", message, row, column=column))
    return dates, problems


def row_groups(section: SplitSection, catalogue: Catalogue) -> NDArray[np.int64]:
    """A label `[n]` for each row: its group in the split's column, or that of its near-duplicates.

    Rows of one label are no new evidence beside each other: intervals draw them together.
    """
    values: dict[str, Any] = catalogue.values
    if section.kind != "group" and ("text" in values or "image" in values):
        return near_duplicate_groups(texts=values.get("text"), photos=values.get("image"))
    return column_groups(section, catalogue.frame)


def column_groups(section: SplitSection, frame: pd.DataFrame) -> NDArray[np.int64]:
    """A label `[n]` for each row: its group in the split's column, or one of its own."""
    if section.kind != "group":
        return np.arange(len(frame))
    return np.asarray(pd.factorize(frame[section.column], use_na_sentinel=False)[0])

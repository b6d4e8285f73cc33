"""What becomes of bad rows: the one place that decides it, by the word of the user."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from fusion.data.catalogue import Catalogue, present_rows, reasons, with_ids
from fusion.data.problems import SHOWN_ROWS, OnBadRows, Problem, check_policy, raise_for


def refuse_early(
    catalogue: Catalogue, extra_problems: Sequence[Problem] = (), *, on_bad_rows: OnBadRows
) -> None:
    """Stops for what is wrong with cells where `raise` is the policy, before anything is embedded.

    Raises:
        CatalogueError: With all problems that are known so far.
    """
    if on_bad_rows == "raise":
        problems = [*catalogue.problems, *with_ids(extra_problems, ids=catalogue.ids)]
        raise_for(problems, source=catalogue.source)


def apply_policy(
    catalogue: Catalogue,
    extra_problems: Sequence[Problem] = (),
    *,
    on_bad_rows: OnBadRows,
) -> tuple[Catalogue, dict[int, str]]:
    """Settle all problems of a catalogue; rows without a problem are the same in every case.

    Args:
        catalogue: What was read.
        extra_problems: Problems that were found elsewhere, such as targets and undecodable photos.
        on_bad_rows: `raise` stops with all problems; `record` leaves faulty rows out; `absent`
            keeps rows whose faults are single values: a bad text or photo, say, makes its modality
            absent, a bad number, date or category that cell, also in the row text. Other faults
            are recorded.

    Returns:
        The catalogue of the rows that stay, without problems, and for every row left out its
        position in the given catalogue and the reason.

    Raises:
        CatalogueError: With `raise`, if there is any problem; always if one concerns no row.
        ConfigError: If the policy is unknown.
    """
    dropped = dropped_rows(catalogue, extra_problems, on_bad_rows=on_bad_rows)
    if on_bad_rows == "absent":
        catalogue = _without_values(catalogue, extra_problems)
    kept = [row for row in range(len(catalogue)) if row not in dropped]
    return replace(catalogue, problems=[]).take(kept), dropped


def dropped_rows(
    catalogue: Catalogue, extra_problems: Sequence[Problem] = (), *, on_bad_rows: OnBadRows
) -> dict[int, str]:
    """Position and reason of every row that `apply_policy` leaves out.

    Raises:
        CatalogueError: With `raise`, if there is any problem; always if one concerns no row.
        ConfigError: If the policy is unknown.
    """
    check_policy(on_bad_rows)
    problems = [*catalogue.problems, *with_ids(extra_problems, ids=catalogue.ids)]
    if on_bad_rows == "raise":
        raise_for(problems, source=catalogue.source)
    raise_for([problem for problem in problems if problem.row is None], source=catalogue.source)
    if on_bad_rows == "absent":
        problems = [problem for problem in problems if problem.modality is None]
    return reasons(problems)


def left_out(dropped: Mapping[int, str]) -> str:
    """Rows that were left out, the first five with their reasons, as lines to end a message with.

    Args:
        dropped: Row -> reason, as `apply_policy` gives it; where there is none, nothing is said.
    """
    if not dropped:
        return ""
    noun = "row was" if len(dropped) == 1 else "rows were"
    lines = [f"- row {row + 1}: {dropped[row]}" for row in sorted(dropped)[:SHOWN_ROWS]]
    if len(dropped) > SHOWN_ROWS:
        lines.append(f"- ... and {len(dropped) - SHOWN_ROWS} more")
    return "\n".join([f" {len(dropped)} {noun} left out:", *lines])


def _without_values(catalogue: Catalogue, extra_problems: Sequence[Problem]) -> Catalogue:
    """The catalogue without values that were found faulty after it was read.

    Those found while it was read are missing in it already.
    """
    values = {name: value.copy() for name, value in catalogue.values.items()}
    for problem in extra_problems:
        if problem.modality is None or problem.row is None:
            continue
        value = values[problem.modality]
        if isinstance(value, pd.DataFrame):
            column = str(problem.column)
            floats = value.dtypes[column] == np.float64
            value.loc[problem.row, column] = np.nan if floats else None
        else:
            value[problem.row] = None
    present = {name: present_rows(value) for name, value in values.items()}
    return replace(catalogue, values=values, present=present)

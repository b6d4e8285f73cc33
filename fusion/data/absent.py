"""Columns that a model reads and a table lacks: absent in every row, where that is asked for."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fusion.data.problems import raise_for
from fusion.data.schema import HISTORY, PAST_SALES, Schema, missing_columns
from fusion.progress import say_once

if TYPE_CHECKING:
    import pandas as pd


def with_absent_columns(frame: "pd.DataFrame", schema: Schema, *, source: str) -> "pd.DataFrame":
    """The table with every column of the schema; those that it lacked have no value in any row.

    Raises:
        CatalogueError: As `tell_absent_columns`.
    """
    lacking = tell_absent_columns(
        schema.all_columns, frame.columns, id_column=schema.id, source=source
    )
    if not lacking:
        return frame
    import pandas as pd  # the columns are told without it

    empty = pd.DataFrame(None, index=frame.index, columns=pd.Index(lacking, dtype=object))
    return pd.concat([frame, empty.astype(object)], axis=1)


def tell_absent_columns(
    wanted: Iterable[str], names: Iterable[str], *, id_column: str | None, source: str
) -> list[str]:
    """As `absent_columns`; a line tells them, once in a process."""
    lacking = absent_columns(wanted, names, id_column=id_column, source=source)
    if lacking:
        noun = "column" if len(lacking) == 1 else "columns"
        say_once(
            f"{source} has no {noun} {', '.join(lacking)}: absent in every row, and answers know "
            f"less. {_advice(lacking)}"
        )
    return lacking


def absent_columns(
    wanted: Iterable[str], names: Iterable[str], *, id_column: str | None, source: str
) -> list[str]:
    """Columns that a table lacks and that may be absent.

    Args:
        wanted: Columns that are read.
        names: Columns of the table.
        id_column: The one that names each item, which cannot be absent.
        source: Name of the table in messages.

    Raises:
        CatalogueError: If the table lacks the id, or every other column: it is another table.
    """
    columns = list(wanted)
    missing = missing_columns(columns, names)
    lacking = [str(problem.column) for problem in missing if problem.column != id_column]
    n_told = len([name for name in columns if name != id_column])
    if len(lacking) < len(missing) or (lacking and len(lacking) == n_told):
        raise_for(missing, source=source)
    return lacking


def _advice(lacking: list[str]) -> str:
    if any(map(HISTORY.fullmatch, lacking)):
        return PAST_SALES
    return "Correct the names if the table should have them."

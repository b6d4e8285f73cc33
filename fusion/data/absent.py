"""Columns that a model reads and a table lacks: absent in every row, where that is asked for."""

import pandas as pd

from fusion.data.problems import raise_for
from fusion.data.schema import HISTORY, PAST_SALES, Schema, missing_columns
from fusion.progress import say_once


def with_absent_columns(frame: pd.DataFrame, schema: Schema, *, source: str) -> pd.DataFrame:
    """The table with every column of the schema; those that it lacked have no value in any row.

    One line tells them, once in a process. The id cannot be absent.

    Args:
        frame: The table, with names as `as_frame` gives them.
        schema: What the model reads.
        source: Name of the table in messages.

    Raises:
        CatalogueError: If the table lacks the id, or every column that tells something of an item:
            it is another table.
    """
    lacking = absent_columns(list(frame.columns), schema, source=source)
    if not lacking:
        return frame
    say_once(absent_line(lacking, schema, source=source))
    empty = pd.DataFrame(None, index=frame.index, columns=pd.Index(lacking, dtype=object))
    return pd.concat([frame, empty.astype(object)], axis=1)


def absent_columns(names: list[str], schema: Schema, *, source: str) -> list[str]:
    """Columns of a schema that a table lacks and that may be absent.

    Raises:
        CatalogueError: As `with_absent_columns`.
    """
    missing = missing_columns(schema.columns, names)
    told = [name for name in schema.columns if name != schema.id]
    lacking = [str(problem.column) for problem in missing if problem.column != schema.id]
    if len(lacking) < len(missing) or (lacking and len(lacking) == len(told)):
        raise_for(missing, source=source)
    return lacking


def absent_line(lacking: list[str], schema: Schema, *, source: str) -> str:
    """What people are told of absent columns."""
    gone = set(lacking)
    columns = {"text": schema.text, "image": schema.image, **schema.tables}
    whole = [name for name, own in columns.items() if own and gone >= set(own)]
    modalities = f" (all of {' and '.join(whole)})" if whole else ""
    advice = "Correct the names if the table should have them."
    if any(map(HISTORY.fullmatch, lacking)):
        advice = PAST_SALES
    noun = "column" if len(lacking) == 1 else "columns"
    return (
        f"{source} has no {noun} {', '.join(lacking)}{modalities}: absent in every row, and "
        f"answers know less. {advice}"
    )

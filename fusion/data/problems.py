"""Problems of a table: each one a value, all of them shown together.

Nothing in this room stops at the first fault. Readers return problems, and `raise_for` or the
policy of `fusion.data.policy` decides what becomes of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from encoders.spelling import unknown_name
from fusion.errors import CatalogueError, ConfigError
from fusion.system.words import number_of

OnBadRows = Literal["raise", "record", "absent"]
POLICIES = ("raise", "record", "absent")
"""What faulty rows do, by the word of the user, see `fusion.data.policy`."""

SHOWN_ROWS = 5  # of each group: enough to see the pattern, few enough to read them all
SHOWN_COLUMNS = 50  # of those that a table lacks: all, but for another table's
FIRST_SHOWN = 3  # values that a sentence names
SHOWN_CHARACTERS = 60

ADVICE = {
    "column": "Correct the name, here or in the table, or give the table that has it.",
    "column_excluded": "Take it out of one of the two lists.",
    "column_id": "Name one id column.",
    "column_name": "Rename it.",
    "column_numbers": "Leave it out of text_numbers.",
    "column_twice": "Give each column a name of its own.",
    "photo_folder": "Give the folder of the photos (--photos FOLDER, photos= in Python), or list "
    "no image columns.",
    "id_duplicate": "Give every row an id of its own, or list no id column.",
    "id_rounded": "Read ids as text or whole numbers: as floats they have lost digits.",
    "id": "Write an id into every row, or list no id column.",
    "text": "Write plain text into these cells or leave them empty.",
    "category": "Write plain text into these cells or leave them empty.",
    "number": "Write these numbers as the others of the column, or leave the cells empty.",
    "row": "Write plain text into these cells or leave them empty.",
    "split": "Write dates as 2024-01-31 into the split's column, or leave these rows out.",
    "date_doubt": "Write the dates of this column as 2024-01-31.",
    "date": "Write dates as 2024-01-31 or leave the cells empty.",
    "photo": "Name a file inside the photo folder, or leave the cell empty.",
    "target": "Write a finite number into the target column, or leave these rows out.",
    "target_not_number": "Write a number into the target column, or leave these rows out; for "
    "labels take the head multiclass (FusionClassifier in Python).",
    "target_label": "Write one of the labels into the target column, or leave these rows out.",
    "weight": "Write a number of 0 or more into the weight column, or leave these rows out.",
    "sales": "Correct these rows of the sales table, or leave them out.",
    "sales_without_stock": "Units that were sold were at hand: write the stock with them in it "
    "(what was left and what was sold), or the share of the period with stock as `in_stock`, or "
    "correct the units.",
    "sales_share": "Write the share of the period in which the item was to be had, 0 to 1 (40 % is "
    "0.4), or name a column that counts units as `stock`.",
    "planner_item": "Correct these ids, or leave the rows out: no forecast is there of them.",
    "planner_missing": "Write a value into these cells, or leave the rows out.",
    "planner_twice": "Add the figures of these rows up, or leave all but one of them out.",
    "sales_missing_units": "Write the units (0 where nothing was sold) or leave these rows out. "
    "Planned rows after the last sale may lack them where `known` names a column of the table that "
    "is known ahead, such as the price.",
}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a table.

    Args:
        code: Short stable name such as `number_not_read`; its first word says what it concerns.
        message: The rule that is broken and the value that was found.
        row: Position in the table, from 0; None where the table as a whole is concerned.
        id: Id of the row's item, where it has one.
        column: Name of the column, where one is concerned.
        modality: The modality whose value is at fault; None if the fault is not that of one value.

    Example:
        >>> print(Problem("number_not_read", "must be a number, got 'x'", row=16, id="A12"))
        row 17 (id A12): must be a number, got 'x'
    """

    code: str
    message: str
    row: int | None = None
    id: str | None = None
    column: str | None = None
    modality: str | None = None

    @property
    def where(self) -> str:
        """The place in words, with data rows counted from 1: `row 17 (id A12), column price`."""
        row = "" if self.row is None else f"row {self.row + 1}"
        row += f" (id {printable(self.id)})" if row and self.id else ""
        column = "" if self.column is None else f"column {printable(self.column)}"
        return ", ".join(part for part in (row, column) if part)

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


def printable(text: str) -> str:
    """Text that any terminal and any file can take: one line, no control characters, short."""
    clean = "".join(mark if mark.isprintable() else "?" for mark in text[: SHOWN_CHARACTERS + 1])
    return clean if len(clean) <= SHOWN_CHARACTERS else f"{clean[:SHOWN_CHARACTERS]}..."


def shown(value: object) -> str:
    """A value as messages quote it: its `repr`, shortened, surrogates and NUL escaped.

    Example:
        >>> shown("a" * 1000)[-10:]
        "aaaaaa...'"
    """
    if isinstance(value, str | bytes) and len(value) > SHOWN_CHARACTERS:
        text = repr(value[:SHOWN_CHARACTERS])
        return f"{text[:-1]}...{text[-1]}"
    text = repr(value)
    return text if len(text) <= 2 * SHOWN_CHARACTERS else f"{text[: 2 * SHOWN_CHARACTERS]}..."


def first_shown(values: Sequence[object]) -> str:
    """The first of some values, each as `shown`.

    Example:
        >>> first_shown(["a", "b", "c", "d"]), first_shown(["a"])
        ("'a', 'b', 'c', ...", "'a'")
    """
    told = ", ".join(map(shown, values[:FIRST_SHOWN]))
    return f"{told}, ..." if len(values) > FIRST_SHOWN else told


def report_problems(problems: Sequence[Problem], *, source: str) -> str:
    """All problems in one text, grouped by code and column, the first five rows of each group.

    Args:
        problems: What was found; may be empty.
        source: Name of the table, such as `items.csv`.

    Returns:
        Several lines; each group ends with what to do about it.
    """
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        column = "" if problem.row is None else problem.column or ""
        groups.setdefault((problem.code, column), []).append(problem)
    rows = {problem.row for problem in problems if problem.row is not None}
    head = f"{source} has {number_of(len(problems), 'problem')}"
    head += f" in {number_of(len(rows), 'row')}" if rows else ""
    return "\n".join([f"{head}.", *(_group_report(group) for group in groups.values())])


def _group_report(group: Sequence[Problem]) -> str:
    columns = {problem.column for problem in group}
    one = group[0].column if len(columns) == 1 else None
    column = "" if one is None else f", column {printable(one)}"
    most = SHOWN_COLUMNS if len(columns) > 1 else SHOWN_ROWS
    lines = [f"- {group[0].code}{column} ({len(group)}):"]
    lines += [f"    {problem}" for problem in group[:most]]
    if len(group) > most:
        lines.append(f"    ... and {len(group) - most} more")
    return "\n".join([*lines, f"    {advice(group[0].code)}"])


def advice(code: str) -> str:
    """What to do about a code: the advice with the longest fitting beginning."""
    fitting = [name for name in ADVICE if code == name or code.startswith(f"{name}_")]
    return ADVICE[max(fitting, key=len)] if fitting else "Correct these rows, or leave them out."


def raise_for(problems: Sequence[Problem], *, source: str) -> None:
    """Stop if there is any problem.

    Raises:
        CatalogueError: With every problem in one message.
    """
    if problems:
        raise CatalogueError(report_problems(problems, source=source))


def check_policy(on_bad_rows: str) -> None:
    """Refuses an unknown policy.

    Raises:
        ConfigError: With the nearest valid ones.
    """
    if on_bad_rows not in POLICIES:
        raise ConfigError(unknown_name("on_bad_rows", on_bad_rows, POLICIES))

"""The schema: which column of a table plays which role."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Literal, Self

from encoders.spelling import did_you_mean
from fusion.data.formats import FORMATS, is_number_format
from fusion.data.problems import Problem, shown

Kind = Literal["text", "image", "table"]
EXCLUDED = "excluded"
"""Reason of a column that is ignored because the user said so."""
COMPARED_NAMES = 100_000
"""Names that missing columns are compared with, all together, for the nearest ones."""
HISTORY = re.compile(r"units_last_\d+w|mean_price_last_\d+w|weeks_on_sale|weeks_since_last_sale")
"""Columns that are made from a sales table."""
PAST_SALES = (
    "Past sales come from a sales table: `fusion predict`, `evaluate` and `similar` take --sales "
    "FILE --as-of DATE; elsewhere add them to the items first, with fusion.data.add_history."
)
ROLES = ("id", "text", "image", "numeric", "categorical", "dates", "history", "row")


@dataclass(frozen=True)
class Schema:
    """Roles of the columns of an items table.

    Args:
        id: Column that names each item; None counts the rows from 0.
        text: Columns that are read as one text; several are joined as `name: text` lines.
        image: Columns that name photos inside the photo folder; an item has all of them.
        numeric: Columns of numbers; with `categorical` and `dates` they are the modality `numeric`.
        categorical: Columns of labels.
        dates: Columns of dates.
        history: Columns of numbers about past sales; the modality `history`.
        row: Columns that are written as one more text, `name: value` lines; the modality `row`,
            which is read by TF-IDF.
        formats: How the cells of a column are written where they are neither plain numbers nor ISO
            dates, such as `1.234,5 EUR` or `DD.MM.YYYY`; found in the training table, so that a new
            row is read as the training rows were. Targets are among them.
        ignored: Columns that play no role, each with the reason.

    Raises:
        ValueError: If a column stands twice in one role or in two roles of the same modality.

    Example:
        >>> Schema(text=("title",), numeric=("price",)).modalities
        {'text': 'text', 'numeric': 'table'}
    """

    id: str | None = None
    text: tuple[str, ...] = ()
    image: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    row: tuple[str, ...] = ()
    formats: dict[str, str] = field(default_factory=dict, hash=False)
    ignored: dict[str, str] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        for name in ROLES[1:]:
            # A list would make the schema changeable and unequal to one that was read back.
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for columns in (self.text, self.row, self.image, *self.tables.values()):
            twice = [name for name, count in Counter(columns).items() if count > 1]
            if twice:
                raise ValueError(
                    f"columns must stand once among {', '.join(columns)}, got {', '.join(twice)} "
                    "twice. List each of them once."
                )

    @property
    def tables(self) -> dict[str, tuple[str, ...]]:
        """Columns of each configured modality that is a table."""
        table = (*self.numeric, *self.categorical, *self.dates)
        both = {"numeric": table, "history": self.history}
        return {name: columns for name, columns in both.items() if columns}

    @cached_property
    def modality_of_cells(self) -> dict[str, str]:
        """Column -> the first modality that reads it as a number, date or label."""
        found: dict[str, str] = {}
        for modality, columns in self.tables.items():
            for name in columns:
                found.setdefault(name, modality)
        return found

    @property
    def modalities(self) -> dict[str, Kind]:
        """Configured modalities and what each of them is made of."""
        kinds: dict[str, Kind] = {}
        if self.text:
            kinds["text"] = "text"
        if self.image:
            kinds["image"] = "image"
        if self.row:
            kinds["row"] = "text"
        return {**kinds, **dict.fromkeys(self.tables, "table")}

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that plays a role, each once, the id first."""
        names = [] if self.id is None else [self.id]
        for role in ROLES[1:]:
            names += getattr(self, role)
        return tuple(dict.fromkeys(names))

    @property
    def unread(self) -> dict[str, str]:
        """Ignored columns that were not excluded by name, each with the reason."""
        return {name: why for name, why in self.ignored.items() if why != EXCLUDED}

    def format_of(self, column: str, role: Literal["numeric", "dates"]) -> str:
        """How a column writes its numbers or dates; empty where plainly, or where it has others."""
        written = self.formats.get(column, "")
        return written if (written in FORMATS) == (role == "dates") else ""

    def to_dict(self) -> dict[str, Any]:
        """The schema as plain JSON types; `from_dict` gives it back."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """A schema from what `to_dict` gave.

        Raises:
            ValueError: If a key is unknown or a value has the wrong type.
        """
        known = {item.name for item in fields(cls)}
        if not values.keys() <= known:
            names = ", ".join(sorted(map(str, values.keys() - known)))
            raise ValueError(
                f"schema keys must be among {', '.join(sorted(known))}, got {names}. Remove them."
            )
        for name, value in values.items():
            _check_role(name, value)
        return cls(**values)


def _check_role(name: str, value: object) -> None:
    if name == "id":
        valid = value is None or isinstance(value, str)
    elif name == "ignored":
        valid = isinstance(value, dict)
    elif name == "formats":
        valid = isinstance(value, dict) and all(
            isinstance(item, str) and (item in FORMATS or is_number_format(item))
            for item in value.values()
        )
    else:
        valid = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    if not valid:
        rule = {
            "id": "a column name or null",
            "ignored": "an object",
            "formats": "an object of columns and formats of numbers or dates",
        }
        wanted = rule.get(name, "a list of column names")
        raise ValueError(f"schema key {name} must be {wanted}, got {shown(value)}. Correct it.")


def missing_columns(wanted: Iterable[str], columns: Iterable[str]) -> list[Problem]:
    """One problem for each wanted column that the table lacks, with the nearest names it has."""
    names = list(columns)
    there = set(names)
    missing = [name for name in dict.fromkeys(wanted) if name not in there]
    n_hints = max(1, COMPARED_NAMES // max(len(names), 1))
    problems = []
    for place, name in enumerate(missing):
        hint = did_you_mean(name, names) if place < n_hints else ""
        if HISTORY.fullmatch(name):
            hint = f" {PAST_SALES}"
        message = f"must be a column of the table, got none of that name.{hint}"
        problems.append(Problem("column_missing", message, column=name))
    return problems

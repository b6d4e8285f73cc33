"""The schema: which column of a table plays which role."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import chain
from typing import Any, Literal, Self

from encoders.spelling import did_you_mean, unknown_name
from fusion.data.formats import FORMATS, is_number_format
from fusion.data.problems import Problem, shown
from fusion.data.units import LABELS
from fusion.modalities import MODALITIES, input_roles

NUMBERS = "text_numbers"
"""Role of the columns whose texts numbers are read out of."""
EXCLUDED = "excluded"
"""Reason of a column that is ignored because the user said so."""
COMPARED_NAMES = 100_000
"""Names that missing columns are compared with, all together, for the nearest ones."""
HISTORY = re.compile(
    r"(units|mean_price)_last_\d+[dwm]|(day|week|month)s_(on_sale|since_last_sale)", re.ASCII
)
"""Columns that are made from a sales table."""
PAST_SALES = (
    "Past sales come from a sales table: `fusion predict`, `evaluate` and `similar` take --sales "
    "FILE --as-of DATE; elsewhere add them to the items first, with fusion.data.add_history."
)


class UnknownRoleError(ValueError):
    """A role that no modality of this process has: one that is somebody's own, it may be."""


@dataclass(frozen=True)
class Schema:
    """Roles of the columns of an items table.

    Args:
        id: Column that names each item; None counts the rows from 0.
        columns: Role -> columns, for the roles of `MODALITIES`: several `text` columns are joined
            as `name: text` lines; an item has all photos of its `image` columns; `numeric`,
            `categorical` and `dates` are one modality, `numeric`; `history` are numbers about past
            sales; `text_numbers` are read out of texts and categories; `row_text` columns are
            written as one more text, `name: value` lines.
        formats: How the cells of a column are written where they are neither plain numbers nor ISO
            dates, such as `1.234,5 EUR` or `DD.MM.YYYY`; found in the training table, so that a new
            row is read as the training rows were. Targets are among them.
        text_numbers: Column of the role `text_numbers` -> which of its numbers are read, such as
            `length cm`: labels of `fusion.data.units`; those of other columns are left out.
        ignored: Columns that play no role, each with the reason.

    Raises:
        ValueError: If a role is unknown, or a column stands twice in one role or in two roles of
            the same modality.

    Example:
        >>> Schema(columns={"text": ("title",), "numeric": ("price",)}).modalities
        {'text': 'text', 'numeric': 'table'}
    """

    id: str | None = None
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    formats: dict[str, str] = field(default_factory=dict, hash=False)
    text_numbers: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    ignored: dict[str, str] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        roles = input_roles()
        for role in self.columns:
            if role not in roles:
                hint = (
                    "If it is that of a modality of your own, register that first "
                    "(fusion.register). Worker processes of jobs do not run your program: for them "
                    "install it as a package with an entry point of product_fusion.modalities."
                )
                raise UnknownRoleError(f"{unknown_name('role of columns', role, roles)} {hint}")
        # Lists would make the schema changeable, and another order unequal to one read back.
        ordered = {role: tuple(self.columns[role]) for role in roles if self.columns.get(role)}
        object.__setattr__(self, "columns", ordered)
        found = {name: tuple(self.text_numbers.get(name, ())) for name in self.columns_of(NUMBERS)}
        object.__setattr__(self, "text_numbers", found)
        for modality in self.modalities:
            columns = self.columns_read_by(modality)
            twice = [name for name, count in Counter(columns).items() if count > 1]
            if twice:
                raise ValueError(
                    f"columns must stand once among {', '.join(columns)}, got {', '.join(twice)} "
                    "twice. List each of them once."
                )

    def columns_of(self, role: str) -> tuple[str, ...]:
        """Columns of one role, none where it is not taken."""
        return self.columns.get(role, ())

    def columns_read_by(self, modality: str) -> tuple[str, ...]:
        """Columns of one modality, role by role."""
        return tuple(n for role in MODALITIES[modality].roles for n in self.columns_of(role))

    @property
    def modalities(self) -> dict[str, str]:
        """Configured modalities and the kind of each, in the order of `MODALITIES`."""
        return {n: one.kind for n, one in MODALITIES.items() if self.columns_read_by(n)}

    @property
    def tables(self) -> dict[str, tuple[str, ...]]:
        """Columns of each configured modality that is a table."""
        kinds = self.modalities
        return {name: self.columns_read_by(name) for name in kinds if kinds[name] == "table"}

    @cached_property
    def modality_of_cells(self) -> dict[str, str]:
        """Column -> the first modality that reads it as a number, date or label."""
        found: dict[str, str] = {}
        for modality, columns in self.tables.items():
            for name in columns if not MODALITIES[modality].repeats else ():
                found.setdefault(name, modality)
        return found

    @property
    def all_columns(self) -> tuple[str, ...]:
        """Every column that plays a role, each once, the id first."""
        key = [] if self.id is None else [self.id]
        return tuple(dict.fromkeys([*key, *chain.from_iterable(self.columns.values())]))

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
            "id": self.id,
            "columns": {role: list(names) for role, names in self.columns.items()},
            "formats": dict(self.formats),
            "text_numbers": {name: list(labels) for name, labels in self.text_numbers.items()},
            "ignored": dict(self.ignored),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """A schema from what `to_dict` gave.

        Raises:
            ValueError: If a key or a role is unknown or a value has the wrong type.
        """
        known = {item.name for item in fields(cls)}
        if not values.keys() <= known:
            names = ", ".join(sorted(map(str, values.keys() - known)))
            raise ValueError(
                f"schema keys must be among {', '.join(sorted(known))}, got {names}. Remove them."
            )
        for name, value in values.items():
            _check_value(name, value)
        return cls(**values)


def _check_value(name: str, value: object) -> None:
    if name == "id":
        valid = value is None or isinstance(value, str)
    elif name == "columns":
        valid = isinstance(value, dict) and all(map(_is_list_of_names, value.values()))
    elif name == "text_numbers":
        valid = isinstance(value, dict) and all(
            _is_list_of_names(labels)
            and set(labels) <= set(LABELS)
            and len(set(labels)) == len(labels)
            for labels in value.values()
        )
    elif name == "formats":
        valid = isinstance(value, dict) and all(
            isinstance(item, str) and (item in FORMATS or is_number_format(item))
            for item in value.values()
        )
    else:
        valid = isinstance(value, dict)
    if not valid:
        rule = {
            "id": "a column name or null",
            "columns": "an object of roles and lists of column names",
            "ignored": "an object",
            "text_numbers": "an object of columns and lists of labels that numbers in texts have",
            "formats": "an object of columns and formats of numbers or dates",
        }
        raise ValueError(f"schema key {name} must be {rule[name]}, got {shown(value)}. Correct it.")


def _is_list_of_names(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


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

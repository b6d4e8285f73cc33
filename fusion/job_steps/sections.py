"""What the tables of a configuration file have in common."""

from collections.abc import Iterable, Sequence

from encoders.spelling import unknown_name
from fusion.choices.mistakes import RunSettings
from fusion.modalities import input_roles


def column_roles() -> tuple[str, ...]:
    """What columns of the items can be."""
    return "id", *input_roles()


def place_of_role(key: str) -> str:
    """Where a role of a column has its place that was written as a key; empty where it is none."""
    known = key in column_roles()
    return f'Roles of columns stand under [data.columns]: {key} = ["NAME"].' if known else ""


class Section(RunSettings):
    """A table of the file."""


def check_names(name: str, values: Iterable[str], valid: Sequence[str]) -> None:
    """Refuses names that are none of the valid ones.

    Raises:
        ValueError: With all of them, and the nearest valid ones.
    """
    unknown = [value for value in values if value not in valid]
    if unknown:
        raise ValueError("\n".join(unknown_name(name, value, valid) for value in unknown))


def known_name(name: str, value: str, valid: Sequence[str]) -> str:
    """The value, if it is one of the valid names.

    Raises:
        ValueError: If not, with the nearest of them.
    """
    if value not in valid:
        raise ValueError(unknown_name(name, value, valid))
    return value

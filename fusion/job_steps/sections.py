"""What the tables of a configuration file have in common."""

from collections.abc import Sequence

from encoders.spelling import unknown_name
from fusion.choices.mistakes import RunSettings


class Section(RunSettings):
    """A table of the file."""


def known_name(name: str, value: str, valid: Sequence[str]) -> str:
    """The value, if it is one of the valid names.

    Raises:
        ValueError: If not, with the nearest of them.
    """
    if value not in valid:
        raise ValueError(unknown_name(name, value, valid))
    return value

"""Columns by role as a program names them, and whether numbers in texts are read."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fusion.choices.mistakes import Mistakes
from fusion.data.problems import shown
from fusion.data.schema import NUMBERS

Columns = Sequence[str] | None
"""Names of columns of a role; None: find them."""


def named_columns(columns: Any, text_numbers: Any, mistakes: Mistakes) -> Mapping[str, Columns]:
    """Columns by role; none of `text_numbers` where it is off.

    Args:
        columns: Names by role, or None.
        text_numbers: True or False.
        mistakes: Takes what is wrong with either.
    """
    if not isinstance(text_numbers, bool | np.bool_):
        got = shown(text_numbers)
        mistakes.add([f"text_numbers must be True or False, got {got}. Take one of them."])
    named = {} if columns is None else columns
    if not isinstance(named, Mapping):
        example = "{'text': ['title']}"
        mistakes.add([f"columns must be names by role, such as {example}, got {shown(named)}."])
        return {}
    if text_numbers:
        return named
    if named.get(NUMBERS):
        mistakes.add([numbers_off_mistake("columns", named[NUMBERS])])
    return {**named, NUMBERS: ()}


def numbers_off_mistake(where: str, names: Any) -> str:
    """What is wrong where numbers in texts are off, and columns of them named all the same."""
    return (
        f"text_numbers must be left out where {where} names columns of text_numbers, got False "
        f"and {shown(names)}. Leave one of them out."
    )

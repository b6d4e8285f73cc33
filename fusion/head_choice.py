"""Which question a user asks: a head on a target column."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class HeadChoice:
    """One question: which head answers it, on which target column, with which options."""

    head: str
    target: str
    options: Mapping[str, Any]

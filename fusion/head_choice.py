"""Which head a user chose, checked by its name: usual ones are known without torch."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fusion.plugins import load_plugins
from fusion.strategies.names import KNOWN as STRATEGIES
from heads.names import KNOWN as HEAD_NAMES


@dataclass(frozen=True)
class HeadChoice:
    """One question: which head answers it, on which target column, with which options."""

    head: str
    target: str
    options: Mapping[str, Any]


def known_heads() -> tuple[str, ...]:
    """Names of all heads that can be chosen."""
    load_plugins()
    if "heads.registry" not in sys.modules:  # then nobody has added any
        return HEAD_NAMES
    from heads import HEADS

    return tuple(HEADS)


def known_strategies() -> tuple[str, ...]:
    """Names of all fusion strategies that can be chosen."""
    load_plugins()
    if "fusion.strategies.registry" not in sys.modules:
        return STRATEGIES
    from fusion.strategies import FUSIONS

    return tuple(FUSIONS)

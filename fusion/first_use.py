"""Rooms whose names are imported when they are first used.

Why: `import fusion.shards.status` runs `fusion/shards/__init__.py` first. Were all public names of
the room imported there, the state of a job could not be read without torch and all models.
"""

import ast
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any


def on_first_use(room: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a room, which Python asks for names that it does not hold (PEP 562).

    Args:
        room: Its name, such as `fusion.shards`.
        places: Public name -> module of the room that has it.
    """

    def found(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        return getattr(import_module(f"{room}.{places[name]}"), name)

    return found


def names_of_stub(init: str) -> dict[str, str]:
    """Public name -> module, as the stub beside an `__init__.py` imports them.

    Args:
        init: The file of the package; `__init__.pyi` stands beside it.
    """
    stub = Path(init).with_suffix(".pyi").read_text(encoding="utf-8")
    return {
        alias.name: node.module
        for node in ast.parse(stub).body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }

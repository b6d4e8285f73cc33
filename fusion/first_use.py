"""Rooms whose names are imported when they are first used.

Why: `import fusion.shards.status` runs `fusion/shards/__init__.py` first. Were all public names of
the room imported there, the state of a job could not be read without torch and all models.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
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

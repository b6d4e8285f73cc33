"""Rooms whose names are imported when they are first used, and names that are read without.

Why: `import fusion.shards.status` runs `fusion/shards/__init__.py` first. Were all public names of
the room imported there, the state of a job could not be read without torch and all models.
"""

import ast
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
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


def modules_of_table(module: str, table: str) -> dict[str, str]:
    """Name -> module of its class, as a table of classes says in its source; nothing is imported.

    Why: names are checked before torch is imported, and a second list would have to be kept.

    Args:
        module: Where the table stands, such as `heads.registry`: one literal of names and of
            classes that are imported above it.
        table: Its name, such as `HEADS`.

    Example:
        >>> modules_of_table("heads.registry", "HEADS")["linear"]
        'heads.linear'
    """
    spec = find_spec(module)
    assert spec is not None and spec.loader is not None
    tree = ast.parse(spec.loader.get_source(module))  # type: ignore[attr-defined]
    places = {
        alias.asname or alias.name: str(node.module)
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    (literal,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == table
    )
    assert isinstance(literal, ast.Dict)
    return {
        ast.literal_eval(name): places[ast.unparse(value)]
        for name, value in zip(literal.keys, literal.values, strict=True)
        if name is not None
    }

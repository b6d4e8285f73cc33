"""Parts of one's own in the tables of their rooms: by a call, or by a package that is installed.

A package adds a part by an entry point, which names the table, the part and where it is:

```
[project.entry-points."product_fusion.heads"]
return_rate = "my_package.heads:ReturnRateHead"
```

Bundles store these names, never a place of code: a part must be there again where one is loaded.
"""

import inspect
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from threading import RLock
from typing import Any

from encoders.spelling import unknown_name
from fusion.errors import ConfigError
from fusion.first_use import modules_of_table


@dataclass(frozen=True)
class Kind:
    """A kind of part: the table that holds its parts, and what each of them is.

    Args:
        group: Entry points that add to it.
        table: Module and name of the table.
        base: Module and name of the class that parts derive from, or of which they are instances.
    """

    group: str
    table: tuple[str, str]
    base: tuple[str, str]


KINDS = {
    "encoder": Kind(
        "product_fusion.encoders", ("encoders.registry", "ENCODERS"), ("encoders.base", "Encoder")
    ),
    "modality": Kind(
        "product_fusion.modalities",
        ("fusion.modalities", "MODALITIES"),
        ("fusion.modalities", "Modality"),
    ),
    "fusion": Kind(
        "product_fusion.fusions",
        ("fusion.strategies.registry", "FUSIONS"),
        ("fusion.strategies.base", "Fusion"),
    ),
    "decoder": Kind(
        "product_fusion.decoders", ("heads.decoders", "DECODERS"), ("heads.decoders", "Decoder")
    ),
    "head": Kind("product_fusion.heads", ("heads.registry", "HEADS"), ("heads.base", "Head")),
    "member": Kind(
        "product_fusion.members",
        ("fusion.members.registry", "MEMBERS"),
        ("fusion.members.base", "Member"),
    ),
    "forecast_member": Kind(
        "product_fusion.forecast_members",
        ("fusion.forecasting.members.registry", "FORECAST_MEMBERS"),
        ("fusion.forecasting.members.base", "ForecastMember"),
    ),
}
"""What `register` knows. Each table is imported where something is added to it."""


def register(kind: str, name: str, part: Any) -> None:
    """Adds a part of one's own to the table of its room, so that it can be chosen by name.

    Args:
        kind: `encoder`, `modality`, `fusion`, `decoder`, `head`, `member` or
            `forecast_member`.
        name: Its name in settings and bundles: letters, digits and `_`.
        part: A class; for a modality a `Modality` of the same name.

    Raises:
        ConfigError: If the kind is unknown, the name is taken or no name, or the part is none of
            that kind or lacks methods.

    Example:
        >>> from fusion.strategies import ConcatFusion
        >>> register("fusion", "concat", ConcatFusion)
        Traceback (most recent call last):
        fusion.errors.ConfigError: fusion name must be new, got 'concat' again. Choose another.
    """
    if kind not in KINDS:
        raise ConfigError(unknown_name("kind", kind, KINDS))
    if not isinstance(name, str) or not name.isidentifier():
        raise ConfigError(
            f"{kind} name must be letters, digits and _, got {name!r}. Choose another."
        )
    table: MutableMapping[str, Any] = _found(KINDS[kind].table)
    if name in table or (kind == "encoder" and name in _names_of_weights()):
        raise ConfigError(f"{kind} name must be new, got {name!r} again. Choose another.")
    if kind == "modality":
        _check_modality(name, part, table)
    else:
        _check_class(part, _found(KINDS[kind].base))
    table[name] = part


def load_plugins() -> None:
    """Registers the parts of all packages that are installed, once in a process.

    Why: names are checked against the tables, so this comes before any check of a name. Where no
    package has a part nothing is imported.

    Raises:
        ConfigError: If a package cannot be loaded; it is named, with what is wrong.
    """
    _INSTALLED.load()


def known_names(kind: str) -> tuple[str, ...]:
    """Names of all parts of a kind that can be chosen, in the order of their table.

    Why: to check a name needs no torch. As long as nobody has imported the table, nobody has added
    a part, and what stands in its source is all there is.

    Example:
        >>> "concat" in known_names("fusion"), "least_squares" in known_names("decoder")
        (True, True)
    """
    load_plugins()
    module, name = KINDS[kind].table
    if module in sys.modules:
        return tuple(_found(KINDS[kind].table))
    return tuple(modules_of_table(module, name))


@dataclass
class _Installed:
    """Which entry points have been loaded in this process."""

    is_loaded: bool = False
    done: set[tuple[str, str]] = field(default_factory=set)
    lock: Any = field(default_factory=RLock)
    is_loading: bool = False

    def load(self) -> None:
        if self.is_loaded:
            return
        with self._alone() as is_first:
            if not is_first or self.is_loaded:  # a plug-in that asks for names itself
                return
            faults = [
                fault
                for kind in KINDS
                for entry in entry_points(group=KINDS[kind].group)
                if (fault := self._load(kind, entry))
            ]
            if faults:
                raise ConfigError("\n".join(faults))
            self.is_loaded = True

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        with self.lock:
            is_first, self.is_loading = not self.is_loading, True
            try:
                yield is_first
            finally:
                self.is_loading = not is_first

    def _load(self, kind: str, entry: EntryPoint) -> str:
        """Registers one part; gives back what is wrong with it."""
        if (kind, entry.name) in self.done:
            return ""
        try:
            register(kind, entry.name, entry.load())
        except Exception as error:  # whatever a stranger's module raises
            package = "an unknown package" if entry.dist is None else entry.dist.name
            got = f"{type(error).__name__}: {error}".rstrip(".")
            return (
                f"plug-in {package} must load, got {got} (entry point {entry.name} = {entry.value} "
                f"of {entry.group}). Update it, or remove it: pip uninstall {package}."
            )
        self.done.add((kind, entry.name))
        return ""


_INSTALLED = _Installed()


def _found(place: tuple[str, str]) -> Any:
    module, name = place
    return getattr(import_module(module), name)


def _names_of_weights() -> set[str]:
    """Names that choose an encoder by its weights, such as `resnet50`."""
    from encoders.names import KNOWN

    return {name for known in KNOWN.values() for name in known.names}


def _check_modality(name: str, part: Any, table: Mapping[str, Any]) -> None:
    """Refuses what is no modality of that name, or has a role that another one has.

    Raises:
        ConfigError: With the rule that is broken.
    """
    base = _found(KINDS["modality"].base)
    if not isinstance(part, base) or part.name != name:
        got = repr(getattr(part, "name", part))
        raise ConfigError(
            f"part must be a {base.__name__} named {name!r}, got {got}. Give it that name."
        )
    owners = {role: each.name for each in table.values() for role in each.roles} | {"id": "the id"}
    taken = [f"{role} (of {owners[role]})" for role in part.roles if role in owners]
    if taken or not part.roles:
        raise ConfigError(
            f"roles of {name} must be one or more of its own, got {', '.join(taken) or 'none'}. "
            "Choose others."
        )


def _check_class(part: Any, base: type) -> None:
    """Refuses what does not derive from a class, or lacks methods.

    Raises:
        ConfigError: With what is missing.
    """
    if not inspect.isclass(part) or not issubclass(part, base):
        got = getattr(part, "__qualname__", type(part).__qualname__)
        raise ConfigError(
            f"part must be a class that derives from {base.__module__}.{base.__name__}, got {got}. "
            "Give the class itself, not an instance."
        )
    missing = sorted(getattr(part, "__abstractmethods__", ()))
    if missing:
        raise ConfigError(
            f"{part.__name__} must have all methods of {base.__name__}, got none for "
            f"{', '.join(missing)}. Write them."
        )

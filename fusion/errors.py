"""The errors that the toolkit raises, in one tree.

```
ValueError / TypeError          a value given in Python breaks its rule (raised by every room)
FusionError                     everything that concerns files, tables and saved models
|-- ConfigError                 a configuration with one or more mistakes, all listed
|-- CatalogueError              a table or its photos with one or more problems, all listed
|-- StoreError                  an embedding store that cannot be read or written
|-- JobError                    a batch job that must not or cannot go on, with what to do
|-- BundleError                 a saved model that is damaged, foreign or incomplete
`-- MissingExtraError           an optional package that is not installed, with its install line
```
"""

import difflib
from collections.abc import Iterable, Sequence


class FusionError(Exception):
    """Base of every error that names a file, a row or a saved model."""


class ConfigError(FusionError, ValueError):
    """A configuration breaks one or more rules; the message lists all of them.

    Args:
        message: What is shown.
        parts: The single errors where there are several.
    """

    def __init__(self, message: str, *, parts: Sequence[Exception] = ()) -> None:
        super().__init__(message)
        self.parts = tuple(parts)


class CatalogueError(FusionError, ValueError):
    """A catalogue has one or more problems; the message lists all of them."""


class StoreError(FusionError, OSError):
    """An embedding store cannot be read or written."""


class JobError(FusionError, RuntimeError):
    """A batch job must not or cannot go on; what was finished stays."""


class BundleError(FusionError, ValueError):
    """A bundle is damaged, incomplete or was made with other weights."""


class MissingExtraError(FusionError, ImportError):
    """An optional package is needed and not installed."""

    def __init__(self, feature: str, *, extra: str) -> None:
        super().__init__(f'{feature} is not installed. Run: pip install "product-fusion[{extra}]"')


def unknown_name(name: str, value: object, valid: Iterable[str]) -> str:
    """Message for a name that is in none of the lists, with the nearest valid names.

    Args:
        name: What the value stands for, such as `strategy`.
        value: The value that was given.
        valid: Every valid value.

    Returns:
        One sentence that ends with a full stop.

    Example:
        >>> unknown_name("strategy", "concatt", ["concat", "gated"])
        "strategy must be one of concat, gated, got 'concatt'. Did you mean 'concat'?"
    """
    names = sorted(valid)
    near = near_names(str(value), names)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"{name} must be one of {', '.join(names)}, got {value!r}.{hint}"


def near_names(name: str, names: Iterable[str]) -> list[str]:
    """The names that may have been meant, at most two; one that differs in case alone is the one.

    Example:
        >>> near_names("PRICE", ["price", "prices"]), near_names("titel", ["title", "units"])
        (['price'], ['title'])
    """
    by_plain: dict[str, str] = {}
    for valid in names:
        by_plain.setdefault(_plain(valid), valid)
    plain = _plain(name)
    if plain in by_plain:
        return [by_plain[plain]]
    near = difflib.get_close_matches(plain, by_plain, n=2, cutoff=0.5)
    return [by_plain[each] for each in near]


def _plain(name: str) -> str:
    return "".join(mark for mark in name.casefold() if not mark.isspace() and mark not in "_-")

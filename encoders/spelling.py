"""Names that are not known, and the ones that may have been meant."""

import difflib
from collections.abc import Iterable

CLEARLY_LESS = 0.2
"""A second name that is less like the given one by so much is not meant."""


def unknown_name(name: str, value: object, valid: Iterable[str]) -> str:
    """Message for a name that is in none of the lists, with the nearest valid names.

    Args:
        name: What the value stands for, such as `strategy`.
        value: The value that was given.
        valid: Every valid value.

    Returns:
        One sentence that ends with a full stop, and a question where a name is near.

    Example:
        >>> unknown_name("strategy", "concatt", ["concat", "gated"])
        "strategy must be one of concat, gated, got 'concatt'. Did you mean 'concat'?"
    """
    names = sorted(valid)
    return f"{name} must be one of {', '.join(names)}, got {value!r}.{did_you_mean(value, names)}"


def did_you_mean(value: object, names: Iterable[str]) -> str:
    """The question that ends a message about a name, with a space before it; empty if none is near.

    Example:
        >>> did_you_mean("titel", ["title", "price"]), did_you_mean("x", ["title"])
        (" Did you mean 'title'?", '')
    """
    near = near_names(str(value), names)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def near_names(name: str, names: Iterable[str]) -> list[str]:
    """The names that may have been meant, at most two; one that differs in case alone is the one.

    Example:
        >>> near_names("PRICE", ["price", "prices"]), near_names("txet", ["row_text", "text"])
        (['price'], ['text'])
    """
    by_plain: dict[str, str] = {}
    for valid in names:
        by_plain.setdefault(_plain(valid), valid)
    plain = _plain(name)
    if plain in by_plain:
        return [by_plain[plain]]
    near = difflib.get_close_matches(plain, by_plain, n=2, cutoff=0.5)
    likeness = [difflib.SequenceMatcher(None, each, plain).ratio() for each in near]
    return [
        by_plain[each]
        for each, like in zip(near, likeness, strict=True)
        if like > likeness[0] - CLEARLY_LESS
    ]


def _plain(name: str) -> str:
    return "".join(mark for mark in name.casefold() if not mark.isspace() and mark not in "_-")

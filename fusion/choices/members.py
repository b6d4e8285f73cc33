"""Which members a user chose: names, or names with options or instances."""

from collections.abc import Mapping, Sequence
from typing import Any

from fusion.data.problems import shown
from fusion.errors import ConfigError


def named_members(given: Any) -> dict[str, Any]:
    """Members as names and what was said of each.

    Args:
        given: Different names, or names with options or instances; at least one.

    Raises:
        ConfigError: If it is anything else.

    Example:
        >>> named_members(["kernel", "trees"])
        {'kernel': {}, 'trees': {}}
    """
    if isinstance(given, Mapping) and given:
        return dict(given)
    is_list = isinstance(given, Sequence) and not isinstance(given, str | bytes)
    names = [name for name in given if isinstance(name, str)] if is_list else []
    if not names or len(set(names)) < len(given):
        raise ConfigError(
            "members must be different names, or names with options or instances, got "
            f"{shown(given)}. Take ['kernel', 'trees'] or {{'kernel': {{}}}}, or leave them out."
        )
    return {name: {} for name in names}

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
    if not is_list or not given or len(set(map(str, given))) < len(given):
        raise ConfigError(
            "members must be different names, or names with options or instances, got "
            f"{shown(given)}. Write members=['kernel', 'trees'] or members={{'kernel': {{}}}}."
        )
    return {name: {} for name in given}

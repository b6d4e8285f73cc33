"""Which members a user chose: names, or names with options or instances."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from encoders.spelling import unknown_name
from fusion.choices.mistakes import option_names
from fusion.data.problems import shown
from fusion.errors import ConfigError

MEMBER_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,99}"
"""What a member can be called: it begins names of files of a bundle."""


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


def choice_mistakes(
    name: Any, choice: Any, *, kind: type[Any], registry: Mapping[str, Any]
) -> list[str]:
    """What is wrong with one chosen member, as far as its name and its options tell.

    Args:
        name: What it is called.
        choice: Options of the member of this name, or an instance.
        kind: What instances are.
        registry: Every kind of member by name.
    """
    if isinstance(choice, kind):
        if isinstance(name, str) and re.fullmatch(MEMBER_NAME, name):
            return []
        return [f"name of a member must be letters, digits and _, got {shown(name)}."]
    if isinstance(choice, type) and issubclass(choice, kind):
        return [
            f"member {name} must be an instance, got the class {choice.__name__}. Give "
            f"{choice.__name__}()."
        ]
    if not isinstance(name, str) or name not in registry:
        return [unknown_name("member", name, registry)]
    if not isinstance(choice, Mapping):
        return [f"options of member {name} must be names and values, got {shown(choice)}."]
    valid = option_names(registry[name])
    unknown = [key for key in choice if valid is not None and key not in valid]
    if unknown and not valid:
        return [f"options of member {name} must be none, got {shown(unknown)}. Leave them out."]
    return [unknown_name(f"options of member {name}", key, valid or ()) for key in unknown]


def build_mistakes(name: str, options: Mapping[str, Any], registry: Mapping[str, Any]) -> list[str]:
    """What is wrong with values of the options of a member; one is built to find out."""
    try:
        registry[name](**options)
    except (TypeError, ValueError, ArithmeticError, ImportError) as error:
        return [f"member {name}: {error}"]
    return []

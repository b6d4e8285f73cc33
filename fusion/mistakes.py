"""Settings from what a user wrote: every mistake at once, with the nearest valid names."""

from collections.abc import Sequence
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import BaseModel, ValidationError

from fusion.errors import ConfigError, unknown_name

Settings = TypeVar("Settings", bound=BaseModel)

UNKNOWN_KEY = {"extra_forbidden", "unexpected_keyword_argument"}
"""pydantic's names for it, in models and in dataclasses."""


def checked_settings(model: type[Settings], values: Any, *, source: str) -> Settings:
    """Settings from plain values.

    Args:
        model: What the values must fit; its tables are models or dataclasses.
        values: By key.
        source: Where they stand, for the message: a file or a parameter.

    Raises:
        ConfigError: With every mistake.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        mistakes = [_mistake(detail, model) for detail in error.errors()]
        lines = "\n".join(f"  - {mistake}" for mistake in mistakes)
        raise ConfigError(f"{source} has {len(mistakes)} mistake(s):\n{lines}") from error


def _mistake(detail: Any, model: type) -> str:
    place = ".".join(map(str, detail["loc"]))
    return f"{place}: {_said(detail, model)}" if place else _said(detail, model)


def _said(detail: Any, model: type) -> str:
    if detail["type"] in UNKNOWN_KEY:
        *sections, key = detail["loc"]
        return unknown_name("key", key, _keys(model, sections))
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    if detail["type"] == "missing":
        return "must be given."
    return f"{detail['msg']}, got {detail['input']!r}."


def _keys(model: type, sections: Sequence[Any]) -> list[str]:
    """Valid keys of the table at a place such as `("heads", 0)`."""
    for section in sections:
        if isinstance(section, str):
            model = _table(get_type_hints(model)[section])
    return list(model.model_fields if issubclass(model, BaseModel) else get_type_hints(model))


def _table(annotation: Any) -> type:
    """The model or dataclass in `X`, `X | None` or `list[X]`."""
    while get_args(annotation):
        annotation = get_args(annotation)[0]
    return annotation  # type: ignore[no-any-return]

"""What a user chose: every mistake at once, with the nearest valid names."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError

from encoders.spelling import did_you_mean, unknown_name
from fusion.errors import ConfigError, FusionError
from fusion.system.words import number_of

Settings = TypeVar("Settings", bound=BaseModel)

UNKNOWN_KEY = {"extra_forbidden", "unexpected_keyword_argument"}
"""pydantic's names for it, in models and in dataclasses."""


class RunSettings(BaseModel):
    """What a run can be told; unknown keys and numbers that are not finite are mistakes."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @classmethod
    def place_of(cls, key: str) -> str:
        """A sentence on where a key has its place that this table lacks; empty where unknown."""
        del key
        return ""


class Mistakes:
    """What is wrong with what a user chose, gathered from many checks so that it is told at once.

    Example:
        >>> mistakes = Mistakes()
        >>> mistakes.add(["out must be a folder, got a file."])
        >>> with mistakes.gathered():
        ...     raise ConfigError("strategy must be one of concat, gated, got 'mean'.")
        >>> mistakes.refuse()
        Traceback (most recent call last):
        fusion.errors.ConfigError: 2 mistakes:
          - out must be a folder, got a file.
          - strategy must be one of concat, gated, got 'mean'.
    """

    def __init__(self) -> None:
        self._errors: list[Exception] = []

    def __bool__(self) -> bool:
        return bool(self._errors)

    def add(self, messages: Iterable[str]) -> None:
        """Takes sentences about mistakes."""
        self._errors += [ConfigError(message) for message in messages]

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Takes the error that ends the block, if one does; of several in one, each."""
        try:
            yield
        except (FusionError, ValueError, OSError, ImportError) as error:
            self._errors += getattr(error, "parts", ()) or (error,)

    def refuse(self) -> None:
        """Stops if there is any mistake.

        Raises:
            ConfigError: With every mistake, each told once; where there is one alone, that error
                itself, whatever its kind.
        """
        by_message = {str(error): error for error in self._errors}
        if len(by_message) == 1:
            raise self._errors[0]
        if by_message:
            lines = [f"  - {indented(message)}" for message in by_message]
            message = "\n".join([f"{len(lines)} mistakes:", *lines])
            raise ConfigError(message, parts=list(by_message.values()))


def indented(message: str) -> str:
    """A message of several lines as one entry of a list."""
    return message.replace("\n", "\n    ")


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
        lines = "\n".join(f"  - {indented(mistake)}" for mistake in mistakes)
        raise ConfigError(
            f"{source} has {number_of(len(mistakes), 'mistake')}:\n{lines}"
        ) from error


def seeded_settings(model: type[Settings], values: Any, *, seed: int, source: str) -> Settings:
    """Settings from plain values, with a seed where they name none.

    Raises:
        ConfigError: As `checked_settings`.
    """
    given = {"seed": seed, **values} if isinstance(values, Mapping) else values
    return checked_settings(model, given, source=source)


def _mistake(detail: Any, model: type) -> str:
    place, said = ".".join(map(str, detail["loc"])), _said(detail, model)
    return said if not place or said.startswith(f"{place}.") else f"{place}: {said}"


def _said(detail: Any, model: type) -> str:
    if detail["type"] in UNKNOWN_KEY:
        *sections, key = detail["loc"]
        return _unknown_key(_table_at(model, sections), key)
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    if detail["type"] == "missing":
        return "must be given."
    if detail["type"] == "literal_error" and isinstance(detail["input"], str):
        return unknown_name(
            "value", detail["input"], re.findall("'([^']*)'", detail["ctx"]["expected"])
        )
    if detail["type"] == "list_type":
        return f"must be a list, got {detail['input']!r}. Write [{_toml(detail['input'])}]."
    rule = str(detail["msg"]).replace("Input should be", "must be", 1)
    return f"{rule}, got {detail['input']!r}."


def _toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _table_at(model: type, sections: Sequence[Any]) -> type:
    """The table at a place such as `("heads", 0)`."""
    for section in sections:
        if isinstance(section, str):
            model = _table(get_type_hints(model)[section])
    return model


def _unknown_key(table: type, key: str) -> str:
    """What is said of a key that a table lacks: where it has its place, or the nearest ones."""
    names = _keys(table)
    said = unknown_name("key", key, names)
    place = table.place_of(key) if issubclass(table, RunSettings) else ""
    return f"{said.removesuffix(did_you_mean(key, sorted(names)))} {place}" if place else said


def _keys(model: type) -> list[str]:
    """Valid keys of a table."""
    return list(model.model_fields if issubclass(model, BaseModel) else get_type_hints(model))


def _table(annotation: Any) -> type:
    """The model or dataclass in `X`, `X | None` or `list[X]`."""
    while get_args(annotation):
        annotation = get_args(annotation)[0]
    return annotation  # type: ignore[no-any-return]


def option_names(kind: Callable[..., Any]) -> set[str] | None:
    """Names of what a user may say of a part: a class in the table of its room.

    These are the keywords of what makes it new: of `fitted` where a class has it, else of its
    constructor. What a class names in `set_by_fit` is no option: its constructor takes it to
    rebuild what has learned, as `type(x)(**x.config)` does.

    Returns:
        None where any name may be right.
    """
    names = parameter_names(getattr(kind, "fitted", None) or kind)
    return None if names is None else names - getattr(kind, "set_by_fit", frozenset())


def parameter_names(call: Callable[..., Any]) -> set[str] | None:
    """Names of the parameters; where `fitted` hands options on, those of its class too.

    Returns:
        None where any name may be right.
    """
    names: set[str] = set()
    owner = getattr(call, "__self__", None)
    for each in (call, owner) if isinstance(owner, type) else (call,):
        parameters = inspect.signature(each).parameters.values()
        names |= {one.name for one in parameters if one.kind is not one.VAR_KEYWORD}
        if all(one.kind is not one.VAR_KEYWORD for one in parameters):
            return names
    return None

"""Options that several verbs share: written once as a group, and taken by a verb as one value."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """A verb whose options are its own and those of the groups that it takes.

    A group is a dataclass whose fields are annotated as options. Typer sees the fields in the place
    of the parameter; the verb gets the group.
    """
    own = inspect.signature(command, eval_str=True).parameters
    groups: dict[str, Any] = {
        name: option.annotation for name, option in own.items() if is_dataclass(option.annotation)
    }

    @wraps(command)
    def run(**options: Any) -> None:
        for name, group in groups.items():
            names = [field.name for field in fields(group)]
            options[name] = group(**{each: options.pop(each) for each in names})
        command(**options)

    shown = [
        option
        for each in own.values()
        for option in (_options_of(each.annotation) if each.name in groups else [each])
    ]
    keyword_only = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in shown]
    run.__dict__["__signature__"] = inspect.Signature(keyword_only)
    run.__annotations__ = {option.name: option.annotation for option in shown}
    return run


def _options_of(group: Any) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        default = inspect.Parameter.empty if field.default is MISSING else field.default
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=hints[field.name],
        )

"""Parts as names and configurations, which a bundle keeps, and back; errors that name the part."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from encoders.spelling import unknown_name
from fusion.errors import BundleError

RESTORE = "Restore the folder from a copy or train again."
INSTALL = (
    "If it is a part of somebody's own, register it first (fusion.register) or install the package "
    "that brings it. Worker processes of jobs do not run your program: for them it must be in a "
    "package, with an entry point."
)
SHOWN_NAME = 100
TOLD_CHARACTERS = 2000
"""Characters of an error that are passed on: it may quote a text of any length."""


def name_and_config(registry: Mapping[str, Any], part: Any) -> dict[str, Any]:
    """Registry name and configuration of a part: what `rebuild` needs.

    Raises:
        BundleError: If the part is in no registry.
    """
    names = [name for name, kind in registry.items() if kind is type(part)]
    if not names:
        raise BundleError(
            f"{type(part).__name__} must be in its room's table to be saved. "
            "Add it with fusion.register, also where the bundle is loaded."
        )
    return {"name": names[0], "config": part.config}


def rebuild(registry: Mapping[str, Any], entry: Mapping[str, Any], *given: Any, what: str) -> Any:
    """A part from what `name_and_config` gave and `given`; `what` names it in messages.

    Raises:
        BundleError: If the name is in no registry or the part cannot be made, whatever the reason.
    """
    with described(what):
        name, config = entry["name"], entry["config"]
        if name not in registry:
            said = unknown_name(what, str(name)[:SHOWN_NAME], registry)
            raise BundleError(f"{said} {INSTALL}")
        try:
            return registry[name](*given, **config)
        except (ValueError, OSError, ImportError) as error:
            if isinstance(error, BundleError):
                raise
            raise BundleError(f"{what} ({name}) cannot be loaded: {error}") from error


@contextmanager
def described(what: str) -> Iterator[None]:
    """Turns anything that goes wrong with a part of a bundle into one error that names the part.

    Raises:
        BundleError: In place of any other error.
    """
    try:
        yield
    except BundleError as error:
        if len(str(error)) <= TOLD_CHARACTERS:
            raise
        raise BundleError(f"{str(error)[:TOLD_CHARACTERS]} ...") from None
    except Exception as error:  # what odd values break cannot be listed
        kind, told = type(error).__name__, str(error)[:TOLD_CHARACTERS].rstrip(".")
        raise BundleError(
            f"{what} must be as it was saved, got one that ends in {kind}: {told}. {RESTORE}"
        ) from error

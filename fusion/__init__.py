"""Predict how products will sell from their texts, photos, numbers and sales history.

Start with `FusionRegressor`, `FusionClassifier` or `FusionForecaster`; the composable layer lies
under them. Names are listed once, in `__init__.pyi`, which type checkers and editors read too. They
are imported when they are first used, so that `fusion --help` does not wait for torch.
"""

from importlib import import_module
from typing import Any

from fusion.first_use import names_of_stub

_PLACES = names_of_stub(__file__)
__all__ = sorted(_PLACES)


def __getattr__(name: str) -> Any:
    """A public name, imported now; `__version__` is that of the installed distribution."""
    if name == "__version__":
        from importlib.metadata import version

        return version("product-fusion")
    if name not in _PLACES:
        raise AttributeError(f"module 'fusion' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    """The public names."""
    return __all__

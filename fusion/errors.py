"""The errors that the toolkit raises, in one tree.

```
ValueError / TypeError          a value given in Python breaks its rule (raised by every room)
FusionError                     everything that concerns files, tables and saved models
|-- ConfigError                 a configuration with one or more mistakes, all listed
|-- CatalogueError              a table or its photos with one or more problems, all listed
|-- StoreError                  an embedding store that cannot be read or written
|-- JobError                    a batch job that must not or cannot go on, with what to do
|-- BundleError                 a saved model that is damaged, foreign or incomplete
|-- LedgerError                 a ledger of forecasts that was edited or damaged
`-- MissingExtraError           an optional package that is not installed, with its install line
```
"""

from collections.abc import Sequence


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


class LedgerError(FusionError, ValueError):
    """A ledger of forecasts is not as it was written; the message names the entries."""


class MissingExtraError(FusionError, ImportError):
    """An optional package is needed and not installed."""

    def __init__(self, feature: str, *, extra: str) -> None:
        super().__init__(f'{feature} is not installed. Run: pip install "product-fusion[{extra}]"')

"""The file of a training job as plain values: what is no file is told before torch is imported."""

import tomllib
from pathlib import Path
from typing import Any

from fusion.errors import ConfigError


def config_values(path: Path) -> dict[str, Any]:
    """What a TOML file says, not checked any further.

    Raises:
        ConfigError: If it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(
            f"config must be a readable file, got {path} ({error.strerror}). Give the TOML "
            "file that says what to train."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} must be TOML in UTF-8: {error}. {_advice(error)}") from error


def _advice(error: Exception) -> str:
    """What to do about a file that is no TOML."""
    if "Unescaped" in str(error):
        return r"Write paths in single quotes, as 'C:\shop\items.csv'."
    return "Correct it, or give the configuration of the training if this is another file."

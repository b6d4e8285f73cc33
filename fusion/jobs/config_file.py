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
        raise ConfigError(f"config must be a readable file, got {path} ({error}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} must be TOML in UTF-8: {error}.") from error

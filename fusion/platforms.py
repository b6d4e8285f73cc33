"""What the operating system can do: Linux and macOS everything, Windows not all."""

import sys

from fusion.errors import ConfigError


def is_windows() -> bool:
    """True on Windows itself; WSL is Linux."""
    return sys.platform == "win32"


def require_posix(what: str) -> None:
    """Refuses what does not work on Windows, before any work.

    Args:
        what: What was asked for, such as "an embedding job".

    Raises:
        ConfigError: On Windows.
    """
    if is_windows():
        raise ConfigError(
            f"{what} must run on Linux or macOS, got Windows. Run it under WSL, which is Linux."
        )

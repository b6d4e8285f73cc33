"""What the operating system can do: Linux and macOS everything, Windows not all."""

import ctypes
import errno
import os
import sys
from pathlib import Path

from fusion.errors import ConfigError

_HERE = -100  # AT_FDCWD: paths are as for any other call
_SWAP = 2  # RENAME_EXCHANGE of Linux and RENAME_SWAP of macOS


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


def exchange_folders(first: Path, second: Path) -> bool:
    """Exchanges what two names stand for in one step, so that neither is ever missing.

    *Source*: renameat2(2) of Linux, renamex_np(2) of macOS.

    Returns:
        False where the system, or the file system, cannot; then nothing has changed.

    Raises:
        FileNotFoundError: If one of the names is missing.
    """
    if is_windows():
        return False
    names = (os.fsencode(first), os.fsencode(second))
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "renameat2"):
        failed = library.renameat2(_HERE, names[0], _HERE, names[1], _SWAP)
    elif hasattr(library, "renamex_np"):
        failed = library.renamex_np(*names, _SWAP)
    else:
        return False
    if failed and ctypes.get_errno() == errno.ENOENT:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(second))
    return not failed

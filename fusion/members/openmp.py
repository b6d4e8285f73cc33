"""The one OpenMP runtime of a process: the one that torch brings, for LightGBM as well."""

import ctypes
import sys
from pathlib import Path
from types import ModuleType

NAMES = {"linux": "libgomp.so.1", "darwin": "libomp.dylib"}


def lightgbm() -> ModuleType:
    """LightGBM, imported so that it computes with the OpenMP runtime of torch.

    Why: its wheel holds none. It asks for `libgomp.so.1`, which slim systems lack; torch brings a
    library of that very name, and what is loaded under a name is not looked for again. Where the
    system has one, too, this keeps a second runtime with threads of its own out of the process.

    Raises:
        ImportError: If neither torch nor the system has the library.
    """
    load_openmp()
    try:
        import lightgbm as library
    except OSError as error:
        raise ImportError(
            f"LightGBM must find an OpenMP runtime, got: {error}. Install libgomp1 (Debian, "
            "Ubuntu), libgomp (Alpine, Fedora) or libomp (macOS)."
        ) from error
    module: ModuleType = library
    return module


def load_openmp() -> None:
    """Loads torch's OpenMP runtime for all libraries that ask for it by name; if it has one."""
    import torch

    name = NAMES.get(sys.platform)
    path = Path(torch.__file__).parent / "lib" / (name or "")
    if name and path.is_file():
        ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)

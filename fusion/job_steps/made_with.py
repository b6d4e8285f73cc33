"""What a run was made with, for reports."""

import platform

from fusion.bundle.parts import made_with


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that saved models depend on."""
    return {"python": platform.python_version(), **made_with()}

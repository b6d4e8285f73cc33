"""How files are opened for reading that somebody else may have replaced by something else."""

import os

READ_FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_BINARY")
)
"""Opening a pipe must not wait; Windows would take line ends for text and change them."""

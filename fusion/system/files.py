"""Files: written whole or not at all, read with limits; their names as text."""

import json
import math
import os
import re
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from encoders.read_flags import READ_FLAGS
from fusion.system import platforms

SURROGATE = re.compile("[\ud800-\udfff]")


def read_regular_file(path: Path, *, max_bytes: int) -> bytes:
    """The bytes of a regular file; a link is followed.

    Why: a pipe, a device or a huge file in the place of a small one would hang or fill memory.

    Raises:
        OSError: If there is none, or it cannot be read.
        ValueError: If it is a folder, a pipe or a device, or has more than `max_bytes`.
    """
    with open_regular_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(size + 1) if size <= max_bytes else b""
    size = max(size, len(content))  # it may have grown meanwhile
    if size > max_bytes:
        raise ValueError(f"must have at most {max_bytes:,} bytes, got {size:,}")
    return content


def open_regular_file(path: Path) -> BinaryIO:
    """A regular file, opened for reading; a link is followed.

    Raises:
        OSError: If there is none, or it cannot be read.
        ValueError: If it is a folder, a pipe or a device, which is not opened.
    """
    _check_regular(path.stat())
    file = os.fdopen(os.open(path, READ_FLAGS), "rb")
    try:
        _check_regular(os.fstat(file.fileno()))  # something else may have taken its place since
    except ValueError:
        file.close()
        raise
    return file


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        got = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or device"
        raise ValueError(f"must be a regular file, got {got}")


def json_bytes(document: Any) -> bytes:
    """A document as JSON in UTF-8 that any reader takes; numbers that are not finite become null.

    Why: `NaN` and `Infinity` are no JSON (RFC 8259, section 6), and a metric may be undefined.

    Example:
        >>> json_bytes({"r2": float("nan")}).split()
        [b'{', b'"r2":', b'null', b'}']
    """
    return json.dumps(_finite(document), indent=1, allow_nan=False).encode()


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def expanded(path: str | Path) -> Path:
    """A path whose `~` or `~name` at the begin is a home folder, where there is one."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # nobody of that name: it is a name like any other
        return Path(path)


def readable(text: str) -> str:
    r"""Text that can be written as UTF-8: each byte of a file's name that is no UTF-8 as `\xe9`.

    Why: Python holds such bytes as lone surrogates, which no file, table or terminal takes. Other
    lone surrogates become `\ud800`.

    Example:
        >>> print(readable("caf\udce9.csv"))
        caf\xe9.csv
    """
    return SURROGATE.sub(lambda mark: _escaped(ord(mark[0])), text)


def _escaped(code: int) -> str:
    byte = code - 0xDC00  # as in PEP 383
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else f"\\u{code:04x}"


def write_atomically(
    path: Path, content: bytes, *, check: Callable[[Path], None] | None = None
) -> None:
    """Writes a file that is there as a whole or not at all, and survives a power cut.

    Args:
        path: Its final name; where that is a link, the file that it leads to is replaced.
        content: Its bytes.
        check: Called with the file before it gets its name; raises if it must not.

    Raises:
        OSError: If it cannot be written; no partial file is left.
    """
    write_parts_atomically(path, [content], check=check)


def write_parts_atomically(
    path: Path, parts: Iterable[bytes], *, check: Callable[[Path], None] | None = None
) -> None:
    """As `write_atomically`, for a file that is too large to hold: its bytes come in parts."""
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    with named_errors(path):
        try:
            with temporary.open("wb") as file:
                for part in parts:
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            if check is not None:
                check(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        if not platforms.is_windows():  # which refuses to open a folder
            sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Has the disk keep the names in a folder, and so what was renamed into it."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Gives the errors of a file its name: those of a full or failing disk come without one."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise

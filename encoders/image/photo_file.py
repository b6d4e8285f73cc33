"""The bytes of a photo file: every check that needs no decoding."""

import errno
import os
import stat
from pathlib import Path
from typing import Any

from encoders.read_flags import READ_FLAGS

MAX_BYTES = 20_000_000
MACHINE_FAULTS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""What no photo is to blame for: to call the photo unreadable would be wrong."""

# What the first bytes of a file say. File names are not believed.
MAGIC = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
}
OTHER_MAGIC = {b"%PDF": "PDF", b"8BPS": "Photoshop", b"<svg": "SVG", b"II+\x00": "BigTIFF"}


class PhotoError(ValueError):
    """A photo that cannot be used, and why.

    Attributes:
        code: One of "wrong_type", "missing", "not_a_file", "unreadable", "empty", "too_large",
            "not_an_image", "unsupported_format", "too_many_pixels", "too_many_parts",
            "truncated", "corrupt", "not_finite" and "changed".
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the code when the error travels between processes."""
        return type(self), (self.code, str(self))


def read_photo(source: bytes | Path) -> bytes:
    """The bytes of a photo file, after every check that needs no decoding.

    Raises:
        PhotoError: If there is no regular file, it cannot be read, is empty, larger than 20 MB
            or of no supported format. Folders, devices and pipes are refused without opening.
    """
    if isinstance(source, Path):
        content = read_file(source)
    elif isinstance(source, bytes):
        content = source
    else:
        raise PhotoError(
            "wrong_type",
            f"a photo must be bytes, a Path or a PIL image, got {type(source).__name__}. "
            "Wrap a file name in Path(...).",
        )
    if not content:
        raise PhotoError("empty", "a photo must have content, got 0 bytes. Fetch it again.")
    if len(content) > MAX_BYTES:
        raise too_large(len(content))
    sniff(content)
    return content


def read_file(path: Path) -> bytes:
    """Bytes of a regular file, at most one more than the limit."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            got = f"{path.name!r}, which is a folder, device or pipe"
            raise PhotoError("not_a_file", f"a photo must be a file, got {got}. Correct the path.")
        if status.st_size > MAX_BYTES:
            raise too_large(status.st_size)
        # A pipe that took the file's place since must not block: open without waiting.
        with os.fdopen(os.open(path, READ_FLAGS), "rb") as file:
            return file.read(MAX_BYTES + 1)
    except PhotoError:
        raise
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: NUL byte
        message = f"a photo must exist, got {path.name!r}. Correct the path."
        raise PhotoError("missing", message) from error
    except OSError as error:
        if error.errno in MACHINE_FAULTS:
            raise
        message = (
            f"a photo must be readable, got {path.name!r}: {error.strerror}. Check its rights."
        )
        raise PhotoError("unreadable", message) from error


def too_large(n_bytes: int) -> PhotoError:
    """The error for a file above the limit."""
    rule = f"a photo must have at most {MAX_BYTES:,} bytes"
    return PhotoError("too_large", f"{rule}, got {n_bytes:,}. Save it smaller.")


def sniff(content: bytes) -> str:
    """Pillow's name of the format, from the first bytes.

    Raises:
        PhotoError: If the bytes are none of the six formats.
    """
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    for magic, name in MAGIC.items():
        if content.startswith(magic):
            return name
    other = "HEIC, AVIF or video" if content[4:8] == b"ftyp" else ""
    for magic, name in OTHER_MAGIC.items():
        other = name if content.startswith(magic) else other
    rule = "a photo must be JPEG, PNG, GIF, WebP, BMP or TIFF"
    if other:
        raise PhotoError("unsupported_format", f"{rule}, got {other}. Convert it to JPEG or PNG.")
    start = content[:12]
    raise PhotoError("not_an_image", f"{rule}, got a file that starts with {start!r}. Replace it.")

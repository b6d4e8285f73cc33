"""Photo names: from a cell to a file that lies inside the photo folder, or a named fault.

Nothing is opened here; a name is judged by its text and by the file system's links.
"""

import re
import stat
from pathlib import Path

from fusion.data.cells import CellFault
from fusion.data.problems import shown

MAX_NAME = 255
SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]*:")


def read_photo_cell(root: Path | None, cell: object) -> Path | bytes | None:
    """A photo from a cell: its file's bytes as they are, or the path that a name stands for.

    Args:
        root: The photo folder; needed for names.
        cell: Bytes, a name, or a dict with `bytes` or `path`, as image datasets write it.

    Raises:
        CellFault: As `photo_path`.
    """
    if isinstance(cell, dict):
        cell = cell.get("path") if cell.get("bytes") is None else cell["bytes"]
    if cell is None or isinstance(cell, bytes):  # None: an image data set has none in this row
        return cell
    if root is None:
        raise CellFault("photo_name", f"must be the bytes of a photo, got {shown(cell)}")
    return photo_path(root, cell)


def photo_path(root: Path, name: object) -> Path:
    """The resolved path of a photo, certain to be a plain file inside the photo folder.

    Args:
        root: The photo folder; must exist.
        name: Relative path as the table gives it, with `/` between folders.

    Returns:
        An absolute path without links.

    Raises:
        CellFault: `photo_name` (not a plain relative name), `photo_url`, `photo_outside`,
            `photo_missing` or `photo_not_a_file`.
    """
    relative = _safe_name(name)
    root = root.resolve(strict=True)
    try:
        path = (root / relative).resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        raise CellFault("photo_missing", f"must be an existing photo, got {shown(name)}") from error
    if not path.is_relative_to(root):
        message = f"must stay inside the photo folder, got a link that leaves it: {shown(name)}"
        raise CellFault("photo_outside", message)
    if not stat.S_ISREG(path.stat().st_mode):
        raise CellFault("photo_not_a_file", f"must be a plain file, got {shown(name)}")
    return path


def _safe_name(name: object) -> str:
    """The name itself if its text alone cannot lead outside the folder."""
    if not isinstance(name, str):
        raise CellFault("photo_name", f"must be text, got {type(name).__name__} {shown(name)}")
    text = name.strip()
    if "\0" in text or not text or any("\ud800" <= mark <= "\udfff" for mark in text):
        raise CellFault("photo_name", f"must be a valid file name, got {shown(name)}")
    if len(text) > MAX_NAME:
        message = f"must have at most {MAX_NAME} characters, got {len(text)}: {shown(name)}"
        raise CellFault("photo_name", message)
    if SCHEME.match(text):
        message = f"must name a file in the photo folder, not a web address, got {shown(name)}"
        raise CellFault("photo_url", message)
    if text.startswith("/") or "\\" in text or ".." in text.split("/"):
        message = f"must be a path inside the photo folder, got {shown(name)}"
        raise CellFault("photo_outside", message)
    return text

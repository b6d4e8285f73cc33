"""Photo names: from a cell to a file that lies inside the photo folder, or a named fault.

Nothing is opened here; a name is judged by its text and by the file system's links.
"""

import re
import stat
import unicodedata
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

    A name is found in both forms of its accents (`é` as one character or as two), whichever the
    file system has: the form that the table has first.

    Args:
        root: The photo folder; must exist.
        name: Path as the table gives it, with `/` between folders: from the photo folder on, or
            whole and inside the photo folder.

    Returns:
        An absolute path without links.

    Raises:
        CellFault: `photo_name` (not a plain name), `photo_url`, `photo_outside`, `photo_missing`
            or `photo_not_a_file`.
    """
    given = Path(root)
    root = given.resolve(strict=True)
    relative = _safe_name(name, roots=(given.absolute(), root))
    path = _resolved(root, relative)
    if path is None:
        raise CellFault("photo_missing", f"must be an existing photo, got {shown(name)}")
    if not path.is_relative_to(root):
        message = f"must stay inside the photo folder, got a link that leaves it: {shown(name)}"
        raise CellFault("photo_outside", message)
    if not stat.S_ISREG(path.stat().st_mode):
        raise CellFault("photo_not_a_file", f"must be a plain file, got {shown(name)}")
    return path


def _resolved(root: Path, relative: str) -> Path | None:
    """Where a name leads, each folder of it in the form that exists; None if nowhere."""
    whole = _strict(root / relative)
    if whole is not None or relative.isascii():
        return whole
    path = root
    for part in relative.split("/"):
        forms = [part, *(unicodedata.normalize(form, part) for form in ("NFC", "NFD"))]
        found = [place for form in dict.fromkeys(forms) if (place := _strict(path / form))]
        if not found:
            return None
        path = found[0]
        # A link that leaves the folder ends the search: nothing outside is looked at.
        if not path.is_relative_to(root):
            break
    return path


def _strict(path: Path) -> Path | None:
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a loop of links, before Python 3.13
        return None


def _safe_name(name: object, *, roots: tuple[Path, ...]) -> str:
    """The name from the photo folder on, if its text alone cannot lead outside the folder."""
    if not isinstance(name, str):
        raise CellFault("photo_name", f"must be text, got {type(name).__name__} {shown(name)}")
    text = name.strip()
    if "\0" in text or not text or any("\ud800" <= mark <= "\udfff" for mark in text):
        raise CellFault("photo_name", f"must be a valid file name, got {shown(name)}")
    text = _without_root(text, roots)
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


def _without_root(text: str, roots: tuple[Path, ...]) -> str:
    """A whole path that begins with the photo folder, without it; any other text as it is."""
    for root in roots:
        begin = f"{root.as_posix().rstrip('/')}/"
        if text.startswith(begin):
            return text[len(begin) :].lstrip("/") or "."
    return text

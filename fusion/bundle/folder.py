"""The files of a bundle: written as one folder, read within their stated sizes."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from fusion.bundle.document import FILE_NAME, FILES, Document, parsed_document
from fusion.errors import BundleError
from fusion.saved_parts import RESTORE, described
from fusion.system.files import read_regular_file
from fusion.system.folders import replace_folder, restore_folder, strangers

T = TypeVar("T")

DESCRIPTION = ("bundle.json", "bundle.sha256")
MOST_DOCUMENT_BYTES = 64 * 2**20
MOST_CHECKSUM_BYTES = 64
TRIES = 20
TOLD = 5


def write_bundle(folder: Path, document: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Writes description and files as one folder, in place of the bundle that lies there.

    Raises:
        BundleError: If something else lies there, or the description is too long to be read.
        OSError: If it cannot be written; then the old bundle is as it was.
    """
    check_bundle_folder(folder)
    stated = {
        name: {"sha256": _sha256(files[name]), "size_bytes": len(files[name])} for name in files
    }
    description = json.dumps({**document, "files": stated}, indent=1, allow_nan=False).encode()
    if len(description) > MOST_DOCUMENT_BYTES:
        raise BundleError(
            f"bundle.json must have at most {MOST_DOCUMENT_BYTES:,} bytes, got "
            f"{len(description):,}. Leave out category columns that tell nearly every row apart."
        )
    left = replace_folder(
        Path(os.path.realpath(folder)),
        {"bundle.json": description, "bundle.sha256": _sha256(description).encode(), **files},
        owned=_own_files,
    )
    if left:
        raise BundleError(
            f"{folder} was replaced, but others had put files into it meanwhile: "
            f"{', '.join(map(str, left[:TOLD]))}. Move them where they belong."
        )


def check_bundle_folder(folder: Path) -> None:
    """Refuses a folder that a bundle must not be written to, since it holds something else.

    A damaged bundle is replaced as well, as long as its description can be read and nothing else
    lies there.

    Raises:
        BundleError: If it exists and is no bundle, is the working folder or cannot be renamed.
    """
    try:
        place = Path(os.path.realpath(folder, strict=folder.is_symlink()))
    except OSError as error:
        raise BundleError(
            f"folder must be new, empty or a bundle, got {folder}, a link to nothing that exists. "
            "Make what it leads to, or remove the link."
        ) from error
    if not place.exists():
        return
    if not place.is_dir():
        raise BundleError(
            f"folder must be new, empty or a bundle, got {folder}, which is a file. Choose another."
        )
    working = Path(os.path.realpath(os.curdir))
    if place == working or place in working.parents or place.is_mount():
        kind = "a mounted disk" if place.is_mount() else "where this program works"
        raise BundleError(
            f"folder must be one that can be replaced as a whole, got {folder}, {kind}. Name a "
            "folder inside it."
        )
    replaced, others = _held(place)
    if others:
        told = ", ".join(others[:TOLD]) + (", ..." if len(others) > TOLD else "")
        raise BundleError(
            f"folder must be new, empty or a bundle, got {folder}"
            f"{', which also holds ' if replaced else ' with '}{told}. "
            "Choose another, or move that away."
        )


def _held(place: Path) -> tuple[list[str], list[str]]:
    """Files of the bundle in a folder, and what else is there, also while it is replaced."""
    replaced: list[str] = []
    others: list[str] = []
    for _ in range(TRIES):
        before = _identity(place)
        with suppress(FileNotFoundError):  # it is being replaced
            replaced = _own_files(place)
            others = strangers(place, replaced)
            if _identity(place) == before:
                break
    return replaced, others


def _own_files(folder: Path) -> list[str]:
    """Names of the files of the bundle in a folder, of any format; none where it is no bundle."""
    try:
        content = read_regular_file(folder / "bundle.json", max_bytes=MOST_DOCUMENT_BYTES)
        document = json.loads(content)
        keys = {"format", "schema", "encoders", "heads", "files"}
        files = document["files"].keys()
        others = files - set(FILES)
        if keys <= document.keys() and set(FILES) <= files and all(map(_is_of_a_member, others)):
            return [*DESCRIPTION, *files]
    except Exception:  # whatever it is, it is no bundle
        return []
    return []


def _is_of_a_member(file: str) -> bool:
    return re.fullmatch(FILE_NAME, file) is not None


def read_bundle(folder: Path) -> tuple[Document, dict[str, bytes]]:
    """Description and files of a bundle, each checked; of one bundle also while it is replaced.

    Raises:
        BundleError: If a file is absent, changed, no regular file or of another size than stated,
            or the description is none.
    """
    return _steadily(folder, _read)


def read_description(folder: Path) -> Document:
    """The description of a bundle alone, checked: enough to refuse a table before torch is there.

    Raises:
        BundleError: If it is absent, changed, no regular file, or none.
    """
    return _steadily(folder, _read_description)


def _steadily(folder: Path, read: Callable[[Path], T]) -> T:
    """What a reader gives of one bundle, also while it is replaced."""
    for _ in range(TRIES):
        restore_folder(Path(os.path.realpath(folder)), is_whole=_is_whole)
        before = _identity(folder)
        try:
            return read(folder)
        except BundleError:
            if _identity(folder) == before:
                raise
    raise BundleError(f"{folder} must not be replaced all the time while it is read. Try again.")


def _read_description(folder: Path) -> Document:
    content = _read_file(folder, "bundle.json", max_bytes=MOST_DOCUMENT_BYTES)
    checksum = _read_file(folder, "bundle.sha256", max_bytes=MOST_CHECKSUM_BYTES)
    if _sha256(content).encode() != checksum:
        raise BundleError(f"bundle.json of {folder} has changed since it was saved. {RESTORE}")
    with described(f"bundle.json of {folder}"):
        return parsed_document(content)


def _read(folder: Path) -> tuple[Document, dict[str, bytes]]:
    document = _read_description(folder)
    files = {}
    for name, stated in document.files.items():
        files[name] = _read_file(folder, name, max_bytes=stated.size_bytes)
        if len(files[name]) != stated.size_bytes or _sha256(files[name]) != stated.sha256:
            raise BundleError(f"{name} of {folder} has changed since it was saved. {RESTORE}")
    return document, files


def _read_file(folder: Path, name: str, *, max_bytes: int) -> bytes:
    try:
        if (folder / name).is_symlink():
            raise ValueError("must be a file of this folder, got a link")
        return read_regular_file(folder / name, max_bytes=max_bytes)
    except (OSError, ValueError, MemoryError) as error:
        hint = RESTORE
        if (folder / "bundle" / name).is_file():
            hint = f"Did you mean {folder / 'bundle'}?"
        elif name == "bundle.json" and isinstance(error, FileNotFoundError | NotADirectoryError):
            hint = "Give the folder `bundle` that a training wrote."
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BundleError(
            f"{folder} must be a bundle, but {name} cannot be read ({reason}). {hint}"
        ) from error


def _is_whole(folder: Path) -> bool:
    try:
        _read(folder)
    except BundleError:
        return False
    return True


def _identity(folder: Path) -> tuple[int, int] | None:
    """What another folder of the same name does not have."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

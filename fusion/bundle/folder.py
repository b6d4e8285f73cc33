"""The files of a saved model: written as one folder, read within their stated sizes."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fusion.bundle.kinds import FILE_NAME, TAKEN_BY, D, Kind, parsed_document
from fusion.errors import BundleError
from fusion.saved_parts import RESTORE, described
from fusion.system.files import read_regular_file
from fusion.system.folders import replace_folder, restore_folder, strangers

T = TypeVar("T")

MOST_DOCUMENT_BYTES = 64 * 2**20
MOST_CHECKSUM_BYTES = 64
TRIES = 20
TOLD = 5


def write_folder(
    folder: Path, kind: Kind[D], document: Mapping[str, Any], files: Mapping[str, bytes]
) -> None:
    """Writes description and files as one folder, in place of the saved model that lies there.

    Raises:
        BundleError: If something else lies there, or the description is too long to be read.
        OSError: If it cannot be written; then the old one is as it was.
    """
    check_folder(folder, kind)
    stated = {
        name: {"sha256": _sha256(files[name]), "size_bytes": len(files[name])} for name in files
    }
    description = json.dumps({**document, "files": stated}, indent=1, allow_nan=False).encode()
    if len(description) > MOST_DOCUMENT_BYTES:
        raise BundleError(
            f"{kind.description} must have at most {MOST_DOCUMENT_BYTES:,} bytes, got "
            f"{len(description):,}. Leave out category columns that tell nearly every row apart."
        )
    left = replace_folder(
        Path(os.path.realpath(folder)),
        {kind.description: description, kind.checksum: _sha256(description).encode(), **files},
        owned=partial(_own_files, kind=kind),
    )
    if left:
        raise BundleError(
            f"{folder} was replaced, but others had put files into it meanwhile: "
            f"{', '.join(map(str, left[:TOLD]))}. Move them where they belong."
        )


def check_folder(folder: Path, kind: Kind[D]) -> None:
    """Refuses a folder that a saved model must not be written to, since it holds something else.

    A damaged one of its kind is replaced, as long as its description can be read and nothing else
    lies there.

    Raises:
        BundleError: If it exists and is none of its kind, is the working folder or cannot be
            renamed.
    """
    rule = f"folder must be new, empty or a {kind.name}, got {folder}"
    try:
        place = Path(os.path.realpath(folder, strict=folder.is_symlink()))
    except OSError as error:
        raise BundleError(
            f"{rule}, a link to nothing that exists. Make what it leads to, or remove the link."
        ) from error
    if not place.exists():
        return
    if not place.is_dir():
        raise BundleError(f"{rule}, which is a file. Choose another.")
    working = Path(os.path.realpath(os.curdir))
    if place == working or place in working.parents or place.is_mount():
        what = "a mounted disk" if place.is_mount() else "where this program works"
        raise BundleError(
            f"folder must be one that can be replaced as a whole, got {folder}, {what}. Name a "
            "folder inside it."
        )
    replaced, others = _held(place, kind)
    if others:
        told = ", ".join(others[:TOLD]) + (", ..." if len(others) > TOLD else "")
        raise BundleError(
            f"{rule}{', which also holds ' if replaced else ' with '}{told}. "
            "Choose another, or move that away."
        )


def _held(place: Path, kind: Kind[D]) -> tuple[list[str], list[str]]:
    """Files of the saved model in a folder, and what else is there, also while it is replaced."""
    replaced: list[str] = []
    others: list[str] = []
    for _ in range(TRIES):
        before = _identity(place)
        with suppress(FileNotFoundError):  # it is being replaced
            replaced = _own_files(place, kind=kind)
            others = strangers(place, replaced)
            if _identity(place) == before:
                break
    return replaced, others


def _own_files(folder: Path, *, kind: Kind[D]) -> list[str]:
    """Names of the files of the saved model in a folder, of any format; none where it is none."""
    try:
        content = read_regular_file(folder / kind.description, max_bytes=MOST_DOCUMENT_BYTES)
        document = json.loads(content)
        files, always = document["files"].keys(), set(kind.files)
        is_own = all(map(_is_of_a_member, files - always - set(kind.optional)))
        if kind.keys <= document.keys() and always <= files and is_own:
            return [kind.description, kind.checksum, *files]
    except Exception:  # whatever it is, it is none of this kind
        return []
    return []


def _is_of_a_member(file: str) -> bool:
    return re.fullmatch(FILE_NAME, file) is not None


def read_folder(folder: Path, kind: Kind[D]) -> tuple[D, dict[str, bytes]]:
    """Description and files of a saved model, each checked; of one also while it is replaced.

    Raises:
        BundleError: If a file is absent, changed, no regular file or of another size than stated,
            or the description is none.
    """
    return _steadily(folder, kind, _read)


def read_description(folder: Path, kind: Kind[D]) -> D:
    """The description of a saved model alone, checked: enough to refuse a table without torch.

    Raises:
        BundleError: If it is absent, changed, no regular file, or none.
    """
    return _steadily(folder, kind, _read_description)


def read_checksum(folder: Path, kind: Kind[D]) -> str:
    """SHA-256 of the description of a saved model, checked.

    Raises:
        BundleError: As `read_description`.
    """
    return _steadily(folder, kind, _read_checksum)


def _steadily(folder: Path, kind: Kind[D], read: Callable[[Path, Kind[D]], T]) -> T:
    """What a reader gives of one saved model, also while it is replaced."""
    for _ in range(TRIES):
        restore_folder(Path(os.path.realpath(folder)), is_whole=partial(_is_whole, kind=kind))
        before = _identity(folder)
        try:
            return read(folder, kind)
        except BundleError:
            if _identity(folder) == before:
                raise
    raise BundleError(f"{folder} must not be replaced all the time while it is read. Try again.")


def _read_description(folder: Path, kind: Kind[D]) -> D:
    content = _checked_description(folder, kind)
    with described(f"{kind.description} of {folder}"):
        return parsed_document(content, kind)


def _read_checksum(folder: Path, kind: Kind[D]) -> str:
    return _sha256(_checked_description(folder, kind))


def _checked_description(folder: Path, kind: Kind[D]) -> bytes:
    file = kind.description
    content = _read_file(folder, file, max_bytes=MOST_DOCUMENT_BYTES, kind=kind)
    checksum = _read_file(folder, kind.checksum, max_bytes=MOST_CHECKSUM_BYTES, kind=kind)
    if _sha256(content).encode() != checksum:
        raise BundleError(f"{file} of {folder} has changed since it was saved. {RESTORE}")
    return content


def _read(folder: Path, kind: Kind[D]) -> tuple[D, dict[str, bytes]]:
    document = _read_description(folder, kind)
    files = {}
    for name, stated in document.files.items():
        files[name] = _read_file(folder, name, max_bytes=stated.size_bytes, kind=kind)
        if len(files[name]) != stated.size_bytes or _sha256(files[name]) != stated.sha256:
            raise BundleError(f"{name} of {folder} has changed since it was saved. {RESTORE}")
    return document, files


def _read_file(folder: Path, name: str, *, max_bytes: int, kind: Kind[D]) -> bytes:
    try:
        if (folder / name).is_symlink():
            raise ValueError("must be a file of this folder, got a link")
        return read_regular_file(folder / name, max_bytes=max_bytes)
    except (OSError, ValueError, MemoryError) as error:
        hint = RESTORE
        if (folder / kind.name / name).is_file():
            hint = f"Did you mean {folder / kind.name}?"
        elif name == kind.description and isinstance(error, FileNotFoundError | NotADirectoryError):
            _refuse_other_kind(folder, kind)
            hint = f"Give the folder `{kind.name}` that a training wrote."
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BundleError(
            f"{folder} must be a {kind.name}, but {name} cannot be read ({reason}). {hint}"
        ) from error


def _refuse_other_kind(folder: Path, kind: Kind[D]) -> None:
    """Says what takes the saved model that lies in a folder where another kind is wanted.

    Raises:
        BundleError: If one lies there.
    """
    for name, taken_by in TAKEN_BY.items():
        if name != kind.name and (folder / f"{name}.json").is_file():
            raise BundleError(
                f"{folder} must be a {kind.name}, got a {name}. Give it to {taken_by}."
            )


def _is_whole(folder: Path, *, kind: Kind[D]) -> bool:
    try:
        _read(folder, kind)
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

"""Checks of files and folders that a user named, before any work begins.

Each check gives back sentences; `fusion.choices.mistakes.Mistakes` gathers them with those of all
others.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path


def folder_mistakes(name: str, folder: Path | None) -> list[str]:
    """Why a folder can neither be found nor made, in a sentence; nothing where it can."""
    return [] if folder is None else list(_folder_mistakes(name, folder))


def photo_folder_mistakes(photos: Path | None) -> list[str]:
    """What is wrong with a folder of photos, whether or not a column names one."""
    if photos is None or photos.is_dir():
        return []
    return [f"photos must be a folder, got {photos}. Check the name, or leave it out."]


def file_mistakes(name: str, path: Path | None, *, suffixes: Iterable[str] = ()) -> list[str]:
    """Why a file cannot be written, in sentences; its folder is made when it is written.

    Args:
        name: What it is called.
        path: Where it goes; None: nowhere, which is no mistake.
        suffixes: How its name may end, in small letters; none: in any way.
    """
    if path is None:
        return []
    valid = list(suffixes)
    mistakes = list(_folder_mistakes(f"the folder of {name}", path.parent))
    if valid and path.suffix.lower() not in valid:
        end = " or ".join(valid)
        mistakes.append(f"{name} must end in {end}, got {path.name!r}. Choose another name.")
    if path.is_dir():
        mistakes.append(f"{name} must be a file, got the folder {path}. Name a file in it.")
    elif path.exists() and not path.is_file():
        mistakes.append(f"{name} must be a file, got {path}, a pipe or device. Name a file.")
    return mistakes


def input_mistakes(name: str, path: Path | None, inputs: Mapping[str, Path | None]) -> list[str]:
    """Why nothing may be written to a path: it would take the place of what is read, or join it.

    Args:
        name: What is written.
        path: Where it goes, a file or a folder; None: nowhere, which is no mistake.
        inputs: What is read, by the name of its option: files, or folders of which all is read.
    """
    if path is None:
        return []
    mistakes = []
    for option, place in inputs.items():
        if place is None:
            continue
        if place.is_dir() and path.resolve().is_relative_to(place.resolve()):
            mistakes.append(
                f"{name} must not lie in the folder of the {option}, whose files are all read, "
                f"got {path} in {place}. Choose another."
            )
        elif place.is_file() and path.exists() and path.samefile(place):
            mistakes.append(
                f"{name} must not be the file of the {option}, which would be lost, got {path}. "
                "Choose another name."
            )
    return mistakes


def _folder_mistakes(name: str, folder: Path) -> Iterator[str]:
    there = next(
        (place for place in (folder, *folder.absolute().parents) if place.exists()), folder
    )
    if not there.is_dir():
        yield f"{name} must be a folder, got {folder}: {there} is a file. Choose another."
    elif not os.access(there, os.W_OK | os.X_OK):
        yield f"{name} must be a folder to write to, got {folder}: no permission in {there}."

"""What every photo encoder does with the photos of a value: list, read, identify, average them."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from encoders.image.photo import PhotoSource, load_photo, read_photo
from encoders.stream import ReadPart, in_threads

Describe = Callable[[PhotoSource], tuple[NDArray[Any], tuple[str, ...]]]
"""One photo -> its numbers, and what was odd about it."""


def photos_of(value: Any) -> list[Any]:
    """The photos of one value, without absent ones."""
    photos = value if isinstance(value, list | tuple) else [value]
    return [photo for photo in photos if photo is not None]


def described_photos(
    describe: Describe, values: Sequence[Any]
) -> tuple[list[NDArray[Any]], Tensor]:
    """Numbers of every photo of every value, and how many each value has, int64 `[values]`.

    Raises:
        PhotoError: If a photo cannot be used; nothing is put in its place.
    """
    nested = [photos_of(value) for value in values]
    read = in_threads(describe, [photo for photos in nested for photo in photos])
    counts = torch.tensor([len(photos) for photos in nested], dtype=torch.int64)
    return [numbers for numbers, _ in read], counts


def photo_content(part: PhotoSource) -> bytes:
    """The bytes that identify a photo: its file's, or size and RGB pixels of a decoded one."""
    if not isinstance(part, Image.Image):
        return read_photo(part)
    image = load_photo(part).image
    size = b"".join(side.to_bytes(8, "big") for side in image.size)
    return b"RGB pixels" + size + image.tobytes()


def read_photos(describe: Describe, photos: Sequence[PhotoSource]) -> list[ReadPart]:
    """What `describe` makes of each photo, with its warnings, or why it cannot be used.

    The name of a file plays no part: warnings are kept with its content, which may have others.
    The very bytes that are decoded are hashed: the file may be another one a moment later.
    """
    read = []
    for photo in photos:
        sha256 = None
        try:
            content = photo
            if isinstance(photo, Path):
                content = read_photo(photo)
                sha256 = hashlib.sha256(content).digest()
            read.append(ReadPart(*describe(content), sha256=sha256))
        except ValueError as error:
            read.append(ReadPart(error=error, sha256=sha256))
    return read


def mean_by_value(features: Tensor, counts: Tensor) -> Tensor:
    """Mean of consecutive rows; a count of 0 gives zeros.

    Shape:
        features `[sum(counts), dim]`, counts `[batch]` -> `[batch, dim]`.
    """
    owner = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    total = features.new_zeros(len(counts), features.shape[1]).index_add(0, owner, features)
    return total / counts.clamp(min=1).unsqueeze(1)

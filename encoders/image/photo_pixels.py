"""From a photo to the pixels that a network was trained on, all photos of one size."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from encoders.image.photo import Photo, PhotoSource, load_photo
from encoders.spelling import unknown_name

MOST_SIDE = 4096
"""Pixels; a photo of that side takes 200 MB as numbers."""
INTERPOLATIONS = ("bilinear", "bicubic")
RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Preprocessing:
    """How a photo becomes the pixels that weights were trained on.

    Attributes:
        resize: Length of the shorter side after resizing, in pixels.
        crop: Side of the square cut from the middle, in pixels; at most `resize`.
        mean: Mean of each channel, for pixels of 0 to 1.
        std: Standard deviation of each channel, for pixels of 0 to 1.
        interpolation: "bilinear" or "bicubic", always with antialiasing.
        antialias: Always True.
        source: "weights" where the weights say it themselves, "given" where the caller did,
            "assumed" where ImageNet's is used because nobody said anything.
    """

    resize: int = 256
    crop: int = 224
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"
    antialias: bool = True
    source: Literal["weights", "given", "assumed"] = "given"

    def __post_init__(self) -> None:
        """Refuse sizes, scales and methods that cannot be followed."""
        object.__setattr__(self, "mean", tuple(float(value) for value in self.mean))
        object.__setattr__(self, "std", tuple(float(value) for value in self.std))
        rules = {
            "resize": (1 <= self.resize <= MOST_SIDE, f"from 1 to {MOST_SIDE}"),
            "crop": (1 <= self.crop <= self.resize, "at least 1 and at most resize"),
            "mean": (len(self.mean) == 3, "three numbers"),
            "std": (len(self.std) == 3 and min(self.std) > 0, "three positive numbers"),
            "interpolation": (self.interpolation in INTERPOLATIONS, "bilinear or bicubic"),
            "antialias": (self.antialias is True, "True"),
        }
        for name, (holds, rule) in rules.items():
            if not holds:
                raise ValueError(
                    f"preprocessing.{name} must be {rule}, got {getattr(self, name)!r}. "
                    "Correct it, or leave it out for ImageNet's value."
                )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], **more: Any) -> "Preprocessing":
        """Read it from JSON-like values, with the nearest names for unknown ones."""
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise ValueError(unknown_name("preprocessing name", name, known))
        return cls(**{**values, **more})

    def to_dict(self) -> dict[str, Any]:
        """JSON-like values for a configuration."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """`pixels * scale + shift` is (pixels / 255 - mean) / std; each `[1, 3, 1, 1]`."""
        mean = torch.tensor(self.mean).view(1, 3, 1, 1)
        std = torch.tensor(self.std).view(1, 3, 1, 1)
        return 1.0 / (255.0 * std), -mean / std


def resize_and_crop(photo: Photo, how: Preprocessing) -> NDArray[np.uint8]:
    """The middle square after resizing the shorter side, as torchvision's presets cut it.

    Why: only the pixels that are kept get computed, so a 1 x 50,000 strip costs no more than a
    square; Pillow's integer arithmetic gives the same pixels on every machine.

    Shape:
        Returns uint8 `[crop, crop, 3]`.
    """
    width, height = photo.size
    short = min(width, height)
    # int() and round() as in torchvision, so that the same square is cut.
    wide, high = int(how.resize * width / short), int(how.resize * height / short)
    left, top = round((wide - how.crop) / 2), round((high - how.crop) / 2)
    across, down = width / wide, height / high
    right, bottom = min((left + how.crop) * across, width), min((top + how.crop) * down, height)
    box = (left * across, top * down, right, bottom)
    method = RESAMPLING[how.interpolation]
    return np.asarray(photo.resized((how.crop, how.crop), method, box=box))


def photo_pixels(
    photo: PhotoSource, how: Preprocessing, *, decoder: str
) -> tuple[Pixels, tuple[str, ...]]:
    """One photo as uint8 `[crop, crop, 3]`, and what was odd about it.

    Args:
        photo: Bytes, path or picture.
        how: Sizes and method.
        decoder: `exact`, or `fast`: a large JPEG is decoded at a fraction of its size.

    Raises:
        PhotoError: If it cannot be used.
    """
    loaded = load_photo(photo, min_side=how.resize if decoder == "fast" else None)
    return resize_and_crop(loaded, how), loaded.warnings


def stacked_pixels(values: Sequence[Pixels], *, side: int) -> dict[str, Tensor]:
    """Tensors of photos, one photo a value.

    Shape:
        `[side, side, 3]` each -> pixels `[photos, 3, side, side]`, counts `[photos]`, all 1.
    """
    pixels = np.stack(values) if len(values) else np.empty((0, side, side, 3), dtype=np.uint8)
    # Channels stay last in memory, which is what convolutions run fastest on.
    shown = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    return {"pixels": shown, "counts": torch.ones(len(values), dtype=torch.int64)}

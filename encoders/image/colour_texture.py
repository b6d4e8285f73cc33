"""Photos -> colours, textures and edges, by formulas alone."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from encoders.base import Encoder, Tensors
from encoders.image.photo import PhotoSource, load_photo
from encoders.image.photo_parts import (
    described_photos,
    mean_by_value,
    photo_content,
    photos_of,
    read_photos,
)
from encoders.stream import ReadPart

SIDE = 128  # pixels; textures are only comparable at one size
HSV_BINS = ((12, (0.0, 1.0)), (6, (0.0, 1.0)), (6, (0.0, 1.0)))
LAB_BINS = ((8, (0.0, 100.0)), (8, (-100.0, 100.0)), (8, (-100.0, 100.0)))
LAB_SCALE = (100.0, 100.0, 100.0)
LBP_POINTS, LBP_RADIUS = 8, 1
GREY_LEVELS = 16
DISTANCES = (1, 3)
ANGLES = (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
GLCM_PROPERTIES = ("contrast", "homogeneity", "energy", "correlation")
EDGE_BINS = 9

Floats = NDArray[np.float64]


class ColourTextureEncoder(Encoder):
    """Colour histograms and moments, local binary patterns, co-occurrence and edge directions.

    Why: a baseline without weights that a neural embedding has to beat, and numbers that can be
    explained. A value is one photo (bytes, Path or PIL image) or a list of photos, averaged;
    None and an empty list are absent. The whole photo is squeezed into 128 x 128 pixels.
    Source: Stricker and Orengo (1995), colour moments; Ojala et al. (2002), uniform LBP;
    Haralick et al. (1973), co-occurrence; Dalal and Triggs (2005), edge directions.

    Shape:
        features float32 `[photos, 84]`, counts int64 `[batch]` (photos of each value)
        -> float32 `[batch, 84]`; zeros where a value has no photo.

    Example:
        >>> ColourTextureEncoder().encode([Image.new("RGB", (60, 40), "red"), None]).shape
        (2, 84)
    """

    modality: ClassVar[str] = "image"
    cacheable: ClassVar[bool] = True
    window_parts: ClassVar[int] = 32
    piece_parts: ClassVar[int] = 2

    @property
    def embedding_dim(self) -> int:
        """84: HSV 24, Lab 24, moments 9, LBP 10, co-occurrence 8, edges 9."""
        return 84

    @property
    def config(self) -> dict[str, Any]:
        """Nothing to choose."""
        return {}

    def parts(self, value: Any) -> list[Any]:
        """The photos of one value, without absent ones."""
        return photos_of(value)

    def content(self, part: PhotoSource) -> bytes:
        """The file's bytes; for a decoded picture its size and RGB pixels."""
        return photo_content(part)

    def preprocess(self, values: Sequence[Any]) -> Tensors:
        """Features of every photo of every value.

        Raises:
            PhotoError: If a photo cannot be used; nothing is put in its place.
        """
        features, counts = described_photos(describe, values)
        return {**self.collate(features), "counts": counts}

    @property
    def n_read_threads(self) -> int:
        """Decoders release Python's lock: one thread for each that torch uses."""
        return torch.get_num_threads()

    def read(self, parts: Sequence[PhotoSource]) -> list[ReadPart]:
        """The 84 numbers of each photo, and what was odd about its file."""
        return read_photos(describe, parts)

    def collate(self, values: Sequence[Floats]) -> Tensors:
        """Features `[photos, 84]`, one photo a value."""
        features = np.asarray(values, dtype=np.float32).reshape(-1, self.embedding_dim)
        counts = torch.ones(len(values), dtype=torch.int64)
        return {"features": torch.from_numpy(features), "counts": counts}

    def forward(self, tensors: Tensors) -> Tensor:
        """Features, the mean over each value's photos."""
        return mean_by_value(tensors["features"], tensors["counts"])

    @classmethod
    def tiny(cls) -> Self:
        """The encoder itself: it has no weights."""
        return cls()


def describe(photo: PhotoSource) -> tuple[Floats, tuple[str, ...]]:
    """The 84 numbers of one photo, shares in [0, 1], and what was odd about it."""
    from skimage.color import rgb2hsv, rgb2lab  # scikit-image takes a second to import

    loaded = load_photo(photo)
    image = loaded.resized((SIDE, SIDE), Image.Resampling.BILINEAR)
    rgb = np.asarray(image)
    hsv, lab = rgb2hsv(rgb), rgb2lab(rgb)
    grey = np.asarray(image.convert("L"))
    groups = [
        histograms(hsv, HSV_BINS),
        histograms(lab, LAB_BINS),
        moments(lab / np.asarray(LAB_SCALE)),
        binary_patterns(grey),
        co_occurrence(grey),
        edge_directions(grey),
    ]
    return np.concatenate(groups), loaded.warnings


def histograms(pixels: Floats, bins: Sequence[tuple[int, tuple[float, float]]]) -> Floats:
    """Share of pixels in each bin, channel by channel; each channel sums to 1."""
    shares = []
    for channel, (n_bins, (low, high)) in enumerate(bins):
        values = np.clip(pixels[..., channel], low, high)
        counts, _ = np.histogram(values, bins=n_bins, range=(low, high))
        shares.append(counts / values.size)
    return np.concatenate(shares)


def moments(pixels: Floats) -> Floats:
    """Mean, standard deviation and the cube root of the third moment of each channel."""
    flat = pixels.reshape(-1, 3)
    centred = flat - flat.mean(axis=0)
    third = np.cbrt((centred**3).mean(axis=0))
    return np.concatenate([flat.mean(axis=0), flat.std(axis=0), third])


def binary_patterns(grey: NDArray[np.uint8]) -> Floats:
    """Share of each of the 10 uniform local binary patterns; sums to 1."""
    from skimage.feature import local_binary_pattern

    patterns = local_binary_pattern(  # type: ignore[no-untyped-call]
        grey, LBP_POINTS, LBP_RADIUS, method="uniform"
    )
    counts = np.bincount(patterns.astype(np.int64).ravel(), minlength=LBP_POINTS + 2)
    return np.divide(counts, grey.size)


def co_occurrence(grey: NDArray[np.uint8]) -> Floats:
    """Four co-occurrence statistics at two distances, averaged over four directions.

    Contrast is divided by its largest value, so all lie in [0, 1], correlation in [-1, 1].
    """
    from skimage.feature import graycomatrix, graycoprops

    levels = grey // (256 // GREY_LEVELS)
    matrix = graycomatrix(  # type: ignore[no-untyped-call]
        levels, DISTANCES, ANGLES, levels=GREY_LEVELS, symmetric=True, normed=True
    )
    rows = [
        graycoprops(matrix, name).mean(axis=1)  # type: ignore[no-untyped-call]
        for name in GLCM_PROPERTIES
    ]
    rows[0] = rows[0] / (GREY_LEVELS - 1) ** 2
    return np.concatenate(rows)


def edge_directions(grey: NDArray[np.uint8]) -> Floats:
    """Share of edge strength in each of 9 directions of 20 degrees; zeros without edges."""
    down, across = np.gradient(grey.astype(np.float64))
    strength = np.hypot(down, across)
    direction = np.arctan2(down, across) % np.pi
    sums, _ = np.histogram(direction, bins=EDGE_BINS, range=(0, np.pi), weights=strength)
    return sums / max(float(strength.sum()), 1.0)

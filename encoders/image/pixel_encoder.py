"""What encoders have in common whose networks read the pixels of photos."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders.base import Encoder, Tensors
from encoders.dtype import resolve_dtype
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
from encoders.stream import ReadPart


class PixelEncoder(Encoder):
    """Photos as pixels for a network, which gives `features` of each; a value is their mean.

    A value is one photo (bytes, Path or PIL image) or a list of photos of the same item; None and
    an empty list are absent.

    Shape:
        pixels uint8 `[photos, 3, crop, crop]`, counts int64 `[batch]` (photos of each value)
        -> float32 `[batch, embedding_dim]`; zeros where a value has no photo.

    Args:
        dtype: "auto", "float32" or "bfloat16": what is computed in.
        decoder: "exact", or "fast": large JPEGs are decoded at a fraction of their size.

    Raises:
        ValueError: If a name is unknown.
    """

    modality: ClassVar[str] = "image"
    cacheable: ClassVar[bool] = True
    window_parts: ClassVar[int] = 64
    piece_parts: ClassVar[int] = 2
    fills_batches: ClassVar[bool] = True
    preprocessing: Preprocessing
    """What makes a photo the pixels that the weights were trained on."""
    scale: Tensor
    shift: Tensor

    def __init__(self, *, dtype: str, decoder: str) -> None:
        super().__init__()
        if decoder not in PHOTO_DECODERS:
            raise ValueError(unknown_name("decoder", decoder, list(PHOTO_DECODERS)))
        self.decoder = decoder
        self.dtype = resolve_dtype(dtype)

    def read_by(self, default: Preprocessing, given: Mapping[str, Any] | None) -> None:
        """Sets the preprocessing: that of the weights, or given fields in its place.

        Keeps `pixels * scale + shift`, the same as (pixels / 255 - mean) / std.
        """
        self.preprocessing = default if given is None else Preprocessing.from_dict(given)
        scale, shift = self.preprocessing.scale_and_shift()
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("shift", shift, persistent=False)

    @abstractmethod
    def features(self, pixels: Tensor) -> Tensor:
        """Embeddings `[photos, embedding_dim]` of pixels uint8 `[photos, 3, crop, crop]`."""

    @property
    @abstractmethod
    def shares_windows(self) -> bool:
        """True where threads share a whole window of photos, and batches would hold them up."""

    @abstractmethod
    def fingerprint_in(self, dtype: str) -> str:
        """The fingerprint that the same encoder has when it computes in another format."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of everything that decides an embedding; the weight file's name not."""
        return self.fingerprint_in(self.dtype)

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
        """The whole window where threads share it, else 32 photos."""
        if self.shares_windows and len(values):
            yield list(range(len(values)))
        else:
            yield from super().batches(values)

    def collate(self, values: Sequence[NDArray[np.uint8]]) -> Tensors:
        """Pixels `[photos, 3, crop, crop]`, one photo a value."""
        return stacked_pixels(values, side=self.preprocessing.crop)

    def forward(self, tensors: Tensors) -> Tensor:
        """Embeddings, the mean over each value's photos."""
        counts = tensors["counts"].to(self.scale.device)
        pixels = tensors["pixels"].to(self.scale.device, non_blocking=True)
        if len(pixels) == 0:
            return torch.zeros(len(counts), self.embedding_dim, device=self.scale.device)
        return mean_by_value(self.features(pixels).float(), counts)

    def normalised(self, pixels: Tensor) -> Tensor:
        """Pixels as the network reads them, float32 and channels last."""
        inputs = torch.addcmul(self.shift, pixels.float(), self.scale)
        return inputs.contiguous(memory_format=torch.channels_last)

    def _pixels(self, photo: PhotoSource) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
        """One photo as uint8 `[crop, crop, 3]`, and what was odd about it."""
        return photo_pixels(photo, self.preprocessing, decoder=self.decoder)

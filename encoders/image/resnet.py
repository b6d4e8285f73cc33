"""Photos -> embeddings of a ResNet without its classifier (He et al., 2015)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from encoders.adapter import Adapter, adapter_config, as_adapter
from encoders.base import Encoder, Tensors, fingerprint_of
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
from encoders.image.resnet_forward import FoldedResNet, can_fold, is_plain_resnet
from encoders.image.resnet_weights import find_weights, load_into
from encoders.names import PHOTO_DECODERS, RESNETS
from encoders.process_state import OwnGenerators
from encoders.spelling import unknown_name
from encoders.stream import ReadPart

N_STAGES = 4
COMPUTED_AS = 2
"""Goes up where the same weights give other last bits: stored embeddings are then made anew."""


class ResNetEncoder(Encoder):
    """Embeddings from the layer before the classifier: 512 (18, 34) or 2048 numbers (50 to 152).

    Why: a strong general picture of a photo that costs one pass and never changes, so a store
    can keep it. A value is one photo (bytes, Path or PIL image) or a list of photos of the same
    item, whose embeddings are averaged; None and an empty list are absent.
    Source: He et al. (2015), "Deep residual learning". *differs:* BatchNorm always uses the
    statistics in the weights, so a photo's embedding does not depend on its neighbours.

    Shape:
        pixels uint8 `[photos, 3, crop, crop]`, counts int64 `[batch]` (photos of each value)
        -> float32 `[batch, embedding_dim]`, at least 0; zeros where a value has no photo.

    Args:
        architecture: "resnet18", "resnet34", "resnet50", "resnet101" or "resnet152".
        weights: "imagenet" (torchvision's default) or another of torchvision's names, found in
            its cache, never downloaded; "clothing18", which comes along; a `.safetensors` path;
            "auto": clothing18 for resnet18, imagenet for the others; None: random, drawn from
            torch's global generator.
        weights_sha256: What the weight file must have, hex; None: not compared.
        dtype: "auto", "float32" or "bfloat16": what is computed in; weights stay float32. auto is
            bfloat16 where the processor has it (see `encoders.dtype`).
        decoder: "exact", or "fast": large JPEGs are decoded at a fraction of their size, which
            changes pixels slightly.
        preprocessing: Fields of `Preprocessing` in place of what comes with the weights.
        adapter: What tuning may change or has changed.

    Raises:
        ValueError: If a name is unknown or the weights cannot be used.

    Example:
        >>> from PIL import Image
        >>> encoder = ResNetEncoder.tiny()
        >>> encoder.encode([Image.new("RGB", (60, 40), "red"), None]).shape
        (2, 512)
    """

    modality: ClassVar[str] = "image"
    cacheable: ClassVar[bool] = True
    window_parts: ClassVar[int] = 64
    piece_parts: ClassVar[int] = 2
    fills_batches: ClassVar[bool] = True

    def __init__(
        self,
        architecture: str = "resnet18",
        *,
        weights: str | Path | None = "auto",
        weights_sha256: str | None = None,
        dtype: str = "auto",
        decoder: str = "exact",
        preprocessing: Mapping[str, Any] | None = None,
        adapter: Adapter | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if architecture not in RESNETS:
            raise ValueError(unknown_name("architecture", architecture, list(RESNETS)))
        if decoder not in PHOTO_DECODERS:
            raise ValueError(unknown_name("decoder", decoder, list(PHOTO_DECODERS)))
        self.architecture = architecture
        self.decoder = decoder
        self.dtype = resolve_dtype(dtype)
        if weights == "auto":
            weights = "clothing18" if architecture == "resnet18" else "imagenet"
        found = find_weights(weights, architecture=architecture, sha256=weights_sha256)
        self.weights, self.weights_sha256 = found.name, found.sha256
        self.preprocessing = found.preprocessing
        if preprocessing is not None:
            self.preprocessing = Preprocessing.from_dict(preprocessing)
        from torchvision import models  # pulls in the whole compiler of torch: seconds

        with nullcontext() if found.name is None else OwnGenerators(0):  # else replaced at once
            network = models.get_model(architecture, weights=None)
        self._dim = int(network.fc.in_features)
        network.fc = nn.Identity()
        if found.name is not None:
            load_into(network, found.state, name=found.name)
        self.network = network.to(memory_format=torch.channels_last)
        self._folded = FoldedResNet()
        self._prepare_normalisation()
        self.network.requires_grad_(False)
        self.eval()
        if adapter is not None:
            self.adapt(as_adapter(adapter))

    def _prepare_normalisation(self) -> None:
        """Keep `pixels * scale + shift`, the same as (pixels / 255 - mean) / std."""
        scale, shift = self.preprocessing.scale_and_shift()
        self.scale: Tensor
        self.shift: Tensor
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("shift", shift, persistent=False)

    @property
    def embedding_dim(self) -> int:
        """512 or 2048."""
        return self._dim

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild this encoder, with "auto" and "imagenet" resolved."""
        return {
            "architecture": self.architecture,
            "weights": self.weights,
            "weights_sha256": self.weights_sha256,
            "dtype": self.dtype,
            "decoder": self.decoder,
            "preprocessing": self.preprocessing.to_dict(),
            "adapter": adapter_config(self.adapter),
        }

    @property
    def origin(self) -> dict[str, str] | None:
        """Name and hash of the weight file; None for random weights."""
        if self.weights is None or self.weights_sha256 is None:
            return None
        return {"name": Path(self.weights).name, "weights_sha256": self.weights_sha256}

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of everything that decides an embedding; the weight file's name not."""
        return self.fingerprint_in(self.dtype)

    def fingerprint_in(self, dtype: str) -> str:
        """The fingerprint that the same encoder has when it computes in another format."""
        options = {**self.config, "dtype": dtype, "weights": None, "unfrozen_stages": 0}
        options["computed_as"] = COMPUTED_AS
        if self.adapter is None:
            del options["adapter"]
        return fingerprint_of(self, options)

    @property
    def blocks(self) -> list[nn.Module]:
        """The stem, then the four stages.

        BatchNorm keeps the statistics of the weights even where it is tuned: those of small batches
        are noise, and would make a row's embedding depend on the others. Its scale and shift train.
        """
        stem = nn.ModuleList(
            [self.network.get_submodule("conv1"), self.network.get_submodule("bn1")]
        )
        return [stem, *(self.network.get_submodule(f"layer{i}") for i in range(1, N_STAGES + 1))]

    def train(self, mode: bool = True) -> Self:
        """Switch to training only where something trains; the network itself stays in eval."""
        super().train(mode and self.is_trainable)
        self.network.eval()
        return self

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
        if self._folds and len(values):
            yield list(range(len(values)))
        else:
            yield from super().batches(values)

    def collate(self, values: Sequence[NDArray[np.uint8]]) -> Tensors:
        """Pixels `[photos, 3, crop, crop]`, one photo a value."""
        return stacked_pixels(values, side=self.preprocessing.crop)

    def _pixels(self, photo: PhotoSource) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
        """One photo as uint8 `[crop, crop, 3]`, and what was odd about it."""
        return photo_pixels(photo, self.preprocessing, decoder=self.decoder)

    def forward(self, tensors: Tensors) -> Tensor:
        """Embeddings, the mean over each value's photos."""
        counts = tensors["counts"].to(self.scale.device)
        pixels = tensors["pixels"].to(self.scale.device, non_blocking=True)
        if len(pixels) == 0:
            return torch.zeros(len(counts), self._dim, device=self.scale.device)
        if self._folds:
            features = self._folded(self.network, pixels, self._inputs)
        else:
            low = self.dtype == "bfloat16"
            with torch.autocast(pixels.device.type, dtype=torch.bfloat16, enabled=low):
                features = self.network(self._normalised(pixels))
        return mean_by_value(features.float(), counts)

    @property
    def _folds(self) -> bool:
        """True where the quick pass computes: a frozen network on the CPU."""
        if (
            self.is_trainable
            or self.scale.device.type != "cpu"
            or not is_plain_resnet(self.network)
        ):
            return False
        return can_fold(getattr(torch, self.dtype))

    def _normalised(self, pixels: Tensor) -> Tensor:
        inputs = torch.addcmul(self.shift, pixels.float(), self.scale)
        return inputs.contiguous(memory_format=torch.channels_last)

    def _inputs(self, pixels: Tensor) -> Tensor:
        return self._normalised(pixels).to(getattr(torch, self.dtype))

    @classmethod
    def tiny(cls) -> Self:
        """A random ResNet-18 on 32 x 32 pixels."""
        small = {"resize": 36, "crop": 32}
        return cls("resnet18", weights=None, dtype="float32", preprocessing=small)

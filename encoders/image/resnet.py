"""Photos -> embeddings of a ResNet without its classifier (He et al., 2015)."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from encoders.adapter import Adapter, adapter_config, as_adapter
from encoders.base import fingerprint_of
from encoders.image.pixel_encoder import PixelEncoder
from encoders.image.resnet_forward import FoldedResNet, can_fold, is_plain_resnet
from encoders.image.resnet_weights import find_weights, load_into
from encoders.names import RESNETS
from encoders.process_state import OwnGenerators
from encoders.spelling import unknown_name

N_STAGES = 4
COMPUTED_AS = 2
"""Goes up where the same weights give other last bits: stored embeddings are then made anew."""


class ResNetEncoder(PixelEncoder):
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
        if architecture not in RESNETS:
            raise ValueError(unknown_name("architecture", architecture, list(RESNETS)))
        super().__init__(dtype=dtype, decoder=decoder)
        self.architecture = architecture
        if weights == "auto":
            weights = "clothing18" if architecture == "resnet18" else "imagenet"
        found = find_weights(weights, architecture=architecture, sha256=weights_sha256)
        self.weights, self.weights_sha256 = found.name, found.sha256
        self.read_by(found.preprocessing, preprocessing)
        from torchvision import models  # pulls in the whole compiler of torch: seconds

        with nullcontext() if found.name is None else OwnGenerators(0):  # else replaced at once
            network = models.get_model(architecture, weights=None)
        self._dim = int(network.fc.in_features)
        network.fc = nn.Identity()
        if found.name is not None:
            load_into(network, found.state, name=found.name)
        self.network = network.to(memory_format=torch.channels_last)
        self._folded = FoldedResNet()
        self.network.requires_grad_(False)
        self.eval()
        if adapter is not None:
            self.adapt(as_adapter(adapter))

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

    def features(self, pixels: Tensor) -> Tensor:
        """Embeddings `[photos, embedding_dim]`, float32 but under autocast."""
        if self.shares_windows:
            return self._folded(self.network, pixels, self._inputs)
        low = self.dtype == "bfloat16"
        with torch.autocast(pixels.device.type, dtype=torch.bfloat16, enabled=low):
            features: Tensor = self.network(self.normalised(pixels))
        return features

    @property
    def shares_windows(self) -> bool:
        """Where the quick pass computes: a frozen network on the CPU."""
        if (
            self.is_trainable
            or self.scale.device.type != "cpu"
            or not is_plain_resnet(self.network)
        ):
            return False
        return can_fold(getattr(torch, self.dtype))

    def _inputs(self, pixels: Tensor) -> Tensor:
        return self.normalised(pixels).to(getattr(torch, self.dtype))

    @classmethod
    def tiny(cls) -> Self:
        """A random ResNet-18 on 32 x 32 pixels."""
        small = {"resize": 36, "crop": 32}
        return cls("resnet18", weights=None, dtype="float32", preprocessing=small)

"""What all objectives have in common: encoders that learn, and parts that are then dropped."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self, cast

import torch
from torch import Tensor, nn

from encoders.adapter import Adapter, reached
from encoders.base import Encoder, Tensors
from encoders.image.resnet import ResNetEncoder
from fusion.pretraining.rows import Places, PretrainingRows
from fusion.pretraining.settings import PretrainingSettings

Batch = dict[str, Tensors]


class Objective(nn.Module, ABC):
    """One or two encoders with what they learn by; the encoders alone are kept.

    A photo network that trains as a whole learns the statistics of its BatchNorm too, from batches;
    one of which only the last stages train keeps those of its weights.

    Args:
        encoders: Encoder of each modality, float32; they are adapted in place.
        rows: What is learned from.
        settings: How.

    Raises:
        ValueError: If an encoder has fewer layers or other numbers than float32, or a random one is
            to train in part.
    """

    min_batch: ClassVar[int] = 2
    """Rows that a batch must have: with one there is nothing to tell apart."""

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        rows: PretrainingRows,
        settings: PretrainingSettings,
    ) -> None:
        super().__init__()
        self.rows = rows
        self.encoders = nn.ModuleDict({name: encoders[name] for name in settings.modalities})
        for modality, n_layers in settings.layers.items():
            _check(encoders[modality], n_layers, modality=modality)
            if n_layers != 0:
                encoders[modality].adapt(Adapter("layers", n_layers))

    @abstractmethod
    def batch(self, rows: Places, generator: torch.Generator) -> Batch:
        """What `forward` takes, for some rows; all chance comes from the generator."""

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:
        """Mean loss of a batch, a scalar."""

    def encoder(self, modality: str) -> Encoder:
        """The encoder of a modality."""
        return cast(Encoder, self.encoders[modality])

    def train(self, mode: bool = True) -> Self:
        """Switch everything that trains between training and evaluation."""
        super().train(mode)
        for encoder in self.encoders.values():
            adapter = cast(Encoder, encoder).adapter
            if isinstance(encoder, ResNetEncoder) and adapter is not None:
                encoder.network.train(mode and adapter.layers is None)
        return self


def check_encoders(encoders: Mapping[str, Encoder], settings: PretrainingSettings) -> None:
    """Refuses encoders that an objective cannot train as it is told.

    Raises:
        ValueError: If one has fewer layers or other numbers than float32, or a random one is to
            train in part.
    """
    for modality, n_layers in settings.layers.items():
        _check(encoders[modality], n_layers, modality=modality)
        if n_layers:
            reached(Adapter("layers", n_layers), encoders[modality].blocks)


def _check(encoder: Encoder, n_layers: int | None, *, modality: str) -> None:
    dtype = encoder.config["dtype"]
    if dtype != "float32":
        raise ValueError(f"dtype of the {modality} encoder must be float32, got {dtype!r}.")
    if encoder.origin is None and n_layers is not None:
        raise ValueError(
            f"{modality}_layers must be left out for an encoder without weights, got {n_layers}: "
            "the layers that do not train would stay random."
        )

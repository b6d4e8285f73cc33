"""All that one training draws at random, by generators of its own."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
import torch
from torch import nn

from encoders.process_state import OwnGenerators
from fusion.strategies.dropout import Drawing

OWN_ROOMS = {"encoders", "fusion", "heads"}
"""Packages whose layers draw as `Drawing` alone."""
WITHOUT_CHANCE = frozenset(
    {
        nn.Embedding,
        nn.GELU,
        nn.Identity,
        nn.LayerNorm,
        nn.LSTMCell,
        nn.Linear,
        nn.ModuleDict,
        nn.ModuleList,
        nn.ParameterDict,
        nn.ParameterList,
        nn.ReLU,
        nn.Sequential,
        nn.SiLU,
        nn.Tanh,
    }
)
"""Layers of torch that never draw."""


class Chance:
    """Generators of one training: the same seed draws the same, whatever draws beside it.

    Args:
        module: What is trained.
        seed: Of all generators.
        device: Where the module computes.
    """

    def __init__(self, module: nn.Module, *, seed: int, device: torch.device) -> None:
        self.numpy = np.random.default_rng(seed)
        self._forward: AbstractContextManager[object] = nullcontext()
        self._layers = [part for part in module.modules() if isinstance(part, Drawing)]
        self._generator = torch.Generator(device).manual_seed(seed)
        if _may_draw_otherwise(module):
            self._forward, self._layers = OwnGenerators(seed), []

    @contextmanager
    def given_to_layers(self) -> Iterator[None]:
        """Inside the block, layers that draw have the generator of this training."""
        for layer in self._layers:
            layer.generator = self._generator
        try:
            yield
        finally:
            for layer in self._layers:
                layer.generator = None

    def forward(self) -> AbstractContextManager[object]:
        """A block for the forward pass: whatever draws in it, draws from this training's own.

        It changes something only where layers are not ours, as it makes each operation slower.
        """
        return self._forward


def _may_draw_otherwise(module: nn.Module) -> bool:
    """Whether a module has layers of which nobody knows how they draw."""
    kinds = {type(part) for part in module.modules() if not _is_plain_lstm(part)} - WITHOUT_CHANCE
    return any(kind.__module__.partition(".")[0] not in OWN_ROOMS for kind in kinds)


def _is_plain_lstm(part: nn.Module) -> bool:
    """Whether a layer is an LSTM without dropout, which never draws."""
    return type(part) is nn.LSTM and part.dropout == 0.0

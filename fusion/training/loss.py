"""One loss out of several heads."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fusion.data.known import on_known_rows
from fusion.network import FusionNetwork, Raw
from heads.base import Head
from heads.decoders.base import Decoder


class BalancedLoss(nn.Module):
    """Weighted sum of the heads' losses in which each pulls equally hard on the shared layers.

    Why: dividing by the size of a loss is not enough: a count likelihood of 4.5 falls by a tenth
    where a cross-entropy of 0.5 falls by half, and the second would rule. So each loss is divided
    by the root mean square of its gradient at the best constant answer; then the sum is scaled so
    that 1.0 is as good as constants and 0.0 is perfect. Each head's loss is the mean over the rows
    that have its target (NaN says that there is none); the others send it no gradient.
    Source: Chen et al. (2018), GradNorm, equation 1; differs: set once, at the start.

    Args:
        model: The model whose heads are asked; each decoder must start at about the best constant
            answer.
        encoded: Encoded targets `[n, *target_shape]` of the training rows for each head, NaN where
            there is none; a head without any counts nothing.
    """

    def __init__(self, model: FusionNetwork, encoded: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.heads = {name: model.heads[name] for name in encoded}
        self.weights = dict.fromkeys(encoded, 0.0)
        encoded = {name: target[known_mask(target)] for name, target in encoded.items()}
        encoded = {name: target for name, target in encoded.items() if len(target)}
        pulls = {
            name: pull(model.decoder(name), self.heads[name], target)
            for name, target in encoded.items()
        }
        constants = {n: self.heads[n].constant_loss(target) for n, target in encoded.items()}
        total = sum(constants[name] / pulls[name] for name in encoded)
        self.weights |= {name: 1.0 / (pulls[name] * total) for name in encoded}

    def forward(
        self, raw: Raw, encoded: Mapping[str, Tensor], weight: Tensor | None = None
    ) -> Tensor:
        """Balanced loss, a scalar.

        Args:
            raw: Raw outputs `[batch, n_networks, *target_shape, raw_dim]` of each head.
            encoded: Encoded targets `[batch, *target_shape]` of each head, NaN where there is none.
            weight: `[batch]`, how much each row counts, > 0; all alike where None.
        """
        losses = [
            known_loss(self.heads[name], raw[name], target, weight) * self.weights[name]
            for name, target in encoded.items()
        ]
        return torch.stack(losses).sum()


def encoded_targets(
    network: FusionNetwork, targets: Mapping[str, NDArray[np.float64]]
) -> dict[str, Tensor]:
    """Targets `[n, *target_shape]` as each head's loss takes them, float32, NaN for none."""
    return {
        name: torch.from_numpy(on_known_rows(network.heads[name].encode_target, values)).float()
        for name, values in targets.items()
    }


def rows_of(encoded: Mapping[str, Tensor], rows: NDArray[np.int64]) -> dict[str, Tensor]:
    """Encoded targets of some rows."""
    index = torch.as_tensor(rows)
    return {name: target[index] for name, target in encoded.items()}


def known_mask(target: Tensor) -> Tensor:
    """Mask `[batch]` of the rows of an encoded target `[batch, *target_shape]` without a NaN."""
    return ~target.isnan().flatten(start_dim=1).any(dim=1) if target.ndim > 1 else ~target.isnan()


def known_loss(head: Head, raw: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """Mean loss of a head over the rows that have its target; 0, with gradients 0, of none."""
    known = known_mask(target)
    if not bool(known.all()):
        raw, target = raw[known], target[known]
        weight = None if weight is None else weight[known]
    return head.loss(raw, target, weight) if len(target) else raw.sum()


def pull(decoder: Decoder, head: Head, target: Tensor) -> float:
    """Root mean square, over rows, of the loss's gradient where a decoder starts; > 0."""
    start = decoder(torch.zeros(1, 1, decoder.fused_dim)).detach()
    start = start.repeat(len(target), *[1] * (start.ndim - 1)).requires_grad_()
    (gradient,) = torch.autograd.grad(head.loss(start, target) * len(target), start)
    return max(float(gradient.flatten(start_dim=1).square().sum(dim=1).mean().sqrt()), 1e-6)

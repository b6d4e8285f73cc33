"""One loss out of several heads."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fusion.model import ProductModel, Raw


class BalancedLoss(nn.Module):
    """Mean over heads of `loss / loss of the best constant answer on the training rows`.

    Why: units, euros and probabilities become comparable, nothing has to be tuned, and the number
    can be read: 1.0 is as good as a constant, 0.0 is perfect.

    Args:
        model: The model whose heads are asked.
        encoded: Encoded targets of the training rows for each head.
    """

    def __init__(self, model: ProductModel, encoded: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.heads = {name: model.head(name) for name in encoded}
        self.yardsticks = {
            name: self.heads[name].constant_loss(target) for name, target in encoded.items()
        }

    def forward(self, raw: Raw, encoded: Mapping[str, Tensor]) -> Tensor:
        """Balanced loss, a scalar."""
        losses = [
            self.heads[name].loss(raw[name], target) / self.yardsticks[name]
            for name, target in encoded.items()
        ]
        return torch.stack(losses).mean()

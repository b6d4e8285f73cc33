"""Linear: every raw output is a weighted sum of the fused vector."""

import torch
from torch import Tensor, nn

from heads.base import Head
from heads.decoders.base import Decoder, Memory


class LinearDecoder(Decoder):
    """One linear layer for all raw outputs; its bias begins at the head's best constant answer.

    Shape:
        fused `[batch, n_networks, fused_dim]` -> raw
        `[batch, n_networks, *target_shape, raw_dim]`.

    Args:
        fused_dim: Length of a fused vector.
        head: The question.

    Example:
        >>> from heads.sales_volume import SalesVolumeHead
        >>> decoder = LinearDecoder(8, SalesVolumeHead.tiny())
        >>> decoder(torch.zeros(5, 3, 8)).shape
        torch.Size([5, 3, 2])
    """

    def __init__(self, fused_dim: int, head: Head) -> None:
        super().__init__(fused_dim, head)
        self.linear = nn.Linear(fused_dim, self.n_outputs)
        start = head.start
        if start is not None:
            with torch.no_grad():
                self.linear.bias.copy_(start.flatten())

    def forward(
        self, fused: Tensor, memory: Memory | None = None, future: Tensor | None = None
    ) -> Tensor:
        """Raw outputs `[batch, n_networks, *target_shape, raw_dim]`; reads fused vectors alone."""
        del memory, future
        raw: Tensor = self.linear(fused)
        return raw.reshape(*fused.shape[:-1], *self.raw_shape)

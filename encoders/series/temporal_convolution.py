"""Temporal convolution: each period sees those shortly before it, layer by layer further back."""

import torch
from torch import Tensor, nn

from encoders.series.sequence import SequenceEncoder

DILATIONS = (1, 2, 4)
"""Periods between the three that a layer looks at; all layers together look 15 periods back."""
KERNEL = 3


class TemporalConvolutionEncoder(SequenceEncoder):
    """Reads a series by causal dilated convolutions with residual connections.

    When: beside lag features; the quickest of those that read period by period. Source: Bai et al.
    (2018), section 3; *differs:* one convolution a block, no normalisation.

    Shape, args and errors: see `SequenceEncoder`.

    Example:
        >>> from encoders.series.example import example_windows
        >>> TemporalConvolutionEncoder.tiny().encode(example_windows(3)).shape
        (3, 5)
    """

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # checked there
        self.enter = nn.Linear(self.inputs.past_dim, self.steps_dim)
        self.layers = nn.ModuleList(
            nn.Linear(KERNEL * self.steps_dim, self.steps_dim) for _ in DILATIONS
        )

    def told(self, past: Tensor, mask: Tensor) -> Tensor:
        """What the layers make of each period and those before it; before a history stand zeros."""
        inside = mask[..., None]
        hidden: Tensor = self.enter(past) * inside
        for dilation, layer in zip(DILATIONS, self.layers, strict=True):
            seen = [_earlier(hidden, dilation * place) for place in range(KERNEL)]
            hidden = (hidden + torch.relu(layer(torch.cat(seen, dim=-1)))) * inside
        return hidden


def _earlier(values: Tensor, n: int) -> Tensor:
    """`[batch, length, dim]` moved by `n` periods, so that each place holds an earlier one."""
    length = values.shape[1]
    n = min(n, length)
    return nn.functional.pad(values[:, : length - n], (0, 0, n, 0))

"""Long short-term memory: a state that is carried from period to period."""

import torch
from torch import Tensor, nn

from encoders.series.sequence import SequenceEncoder


class LSTMEncoder(SequenceEncoder):
    """Reads a series from its oldest period to its last, with one layer of LSTM.

    When: order matters over long spans; slower than `temporal_convolution`, as period follows
    period. Source: Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000).

    Shape, args and errors: see `SequenceEncoder`.

    Example:
        >>> from encoders.series.example import example_windows
        >>> LSTMEncoder.tiny().encode(example_windows(3)).shape
        (3, 5)
    """

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # checked there
        self.lstm = nn.LSTM(self.inputs.past_dim, self.steps_dim, batch_first=True)

    def told(self, past: Tensor, mask: Tensor) -> Tensor:
        """The state after each period; the first one of a history starts from nothing."""
        n, length = mask.shape
        if n == 0:  # torch refuses an empty batch
            return past.new_zeros(0, length, self.steps_dim)
        before = length - mask.sum(dim=1, keepdim=True)
        turned = (torch.arange(length, device=past.device) + before) % length  # padding behind
        states, _ = self.lstm(_gathered(past, turned))
        back = (torch.arange(length, device=past.device) - before) % length
        return _gathered(states, back)


def _gathered(values: Tensor, places: Tensor) -> Tensor:
    """Periods of `[n, length, dim]` in the order of `places` `[n, length]`."""
    return values.gather(1, places[..., None].expand(-1, -1, values.shape[-1]))

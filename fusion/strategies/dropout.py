"""Layers that draw at random while they train."""

import torch
from torch import Tensor, nn

from fusion.strategies.base import Present


class Drawing(nn.Module):
    """A layer that draws at random in training, by a generator that it is given.

    Why: torch's global generators are the program's, and other threads may be drawing from them.
    """

    generator: torch.Generator | None = None
    """On the device of what the layer reads; None draws from torch's global one."""


class Dropout(Drawing):
    """Sets values to 0 at random in training, and scales the others so that their mean stays.

    *differs* from `torch.nn.Dropout`: it draws 8 bits a value, which takes a fifth of the time on a
    processor; so the rate is a whole number of 256ths, the nearest one of 1 to 255.
    Source: Srivastava et al. (2014), Dropout, section 4.

    Shape:
        any -> the same.

    Args:
        rate: Share of values that are set to 0, in [0, 1).
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = _checked("dropout", rate)

    def forward(self, values: Tensor) -> Tensor:
        """The same shape, with some values 0 while training."""
        if not self.training or self.rate == 0.0:
            return values
        n_dropped = min(max(round(self.rate * 256), 1), 255)  # of 256 bytes
        words = torch.empty(-(-values.numel() // 8), dtype=torch.int64, device=values.device)
        words.random_(-(2**63), None, generator=self.generator)
        drawn = words.view(torch.uint8)[: values.numel()].view(values.shape)
        kept = (drawn >= n_dropped).to(values.dtype)
        return values * kept.mul_(256 / (256 - n_dropped))


class ModalityDropout(Drawing):
    """In training, hides whole modalities of single rows at random, but never the last one.

    Source: Neverova et al. (2016), ModDrop, section 3.3.

    Args:
        rate: Chance that a modality of a row is hidden, in [0, 1).
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = _checked("modality_dropout", rate)

    def forward(self, present: Present) -> Present:
        """Masks of the same shape, with some rows switched off while training."""
        if not self.training or self.rate == 0.0 or len(present) < 2:
            return present
        masks = torch.stack(list(present.values()), dim=1)  # [batch, n_modalities]
        drawn = torch.rand(masks.shape, device=masks.device, generator=self.generator)
        kept = masks & (drawn >= self.rate)
        nothing_left = ~kept.any(dim=1, keepdim=True)
        kept = torch.where(nothing_left, masks, kept)
        return dict(zip(present, kept.unbind(dim=1), strict=True))


def _checked(name: str, rate: float) -> float:
    if not 0.0 <= rate < 1.0:
        raise ValueError(f"{name} must be in [0, 1), got {rate}.")
    return rate

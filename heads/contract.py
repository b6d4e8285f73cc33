"""What the contracts of heads and decoders share: rules, closeness, and a fit to one batch."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

N_STEPS = 300


def require(holds: bool, rule: str) -> None:
    """Stops at a rule that is broken.

    Raises:
        AssertionError: With the rule.
    """
    if not holds:
        raise AssertionError(rule)


def is_close(one: Tensor, other: Tensor) -> bool:
    """True where numbers differ by rounding at most (1e-5, relative or absolute)."""
    return torch.allclose(one, other, rtol=1e-5, atol=1e-5)


def overfit(weights: Sequence[Tensor], loss: Callable[[], Tensor], *, rate: float = 0.1) -> float:
    """The loss after 300 steps of RMSprop on `weights`, which it changes in place.

    Why: written out, as the first use of torch.optim loads a compiler, which takes seconds.
    """
    squares = [torch.zeros_like(weight) for weight in weights]
    for _ in range(N_STEPS):
        gradients = torch.autograd.grad(loss(), weights)
        with torch.no_grad():
            for weight, square, gradient in zip(weights, squares, gradients, strict=True):
                square.lerp_(gradient.square(), 0.1)
                weight.sub_(rate * gradient / (square.sqrt() + 1e-8))
    return float(loss().detach())

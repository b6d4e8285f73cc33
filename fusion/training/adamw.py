"""AdamW without torch's own optimisers, whose first use imports torch's compiler, in seconds."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class AdamW:
    """Steps down the gradient, each weight by its own size of step, and shrinks matrices.

    Biases, scales of a normalisation and other vectors do not shrink, as usual.
    Source: Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization, algorithm 2.
    *differs:* one count of steps for all weights, also for those that had no gradient in some.

    Args:
        weights: What is trained; others of a module may be among them.
        weight_decay: Share of the step size by which matrices shrink in a step.
        max_gradient: The norm of all gradients together is clipped to this.
    """

    def __init__(
        self, weights: Iterable[nn.Parameter], *, weight_decay: float, max_gradient: float
    ) -> None:
        self.weights = [weight for weight in weights if weight.requires_grad]
        self.weight_decay = weight_decay
        self.max_gradient = max_gradient
        self.means = [torch.zeros_like(weight) for weight in self.weights]
        self.squares = [torch.zeros_like(weight) for weight in self.weights]
        self.n_steps = 0

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One step of a size, by the gradients that are there; they are gone after it."""
        self.n_steps += 1
        nn.utils.clip_grad_norm_(self.weights, self.max_gradient)
        moved = [
            (weight.data, mean, square, weight.grad)
            for weight, mean, square in zip(self.weights, self.means, self.squares, strict=True)
            if weight.grad is not None
        ]
        if moved:
            self._move(*map(list, zip(*moved, strict=True)), rate=rate)
        for weight in self.weights:
            weight.grad = None

    def _move(
        self,
        weights: list[Tensor],
        means: list[Tensor],
        squares: list[Tensor],
        gradients: list[Tensor],
        *,
        rate: float,
    ) -> None:
        first, second = BETAS
        shrinking = [weight for weight in weights if weight.ndim > 1]
        if shrinking:
            torch._foreach_mul_(shrinking, 1.0 - rate * self.weight_decay)
        torch._foreach_lerp_(means, gradients, 1.0 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, 1.0 - second)
        sizes = torch._foreach_sqrt(squares)
        young = math.sqrt(1.0 - second**self.n_steps)  # running means begin at 0
        torch._foreach_add_(sizes, EPSILON * young)
        torch._foreach_addcdiv_(weights, means, sizes, -rate * young / (1.0 - first**self.n_steps))

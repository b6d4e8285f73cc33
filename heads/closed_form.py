"""What a head with `closed_form = True` can do besides: solve its weights at once."""

from typing import Protocol, runtime_checkable

from heads.base import Floats


@runtime_checkable
class ClosedForm(Protocol):
    """A head whose weights are solved from all training rows, not trained by gradient steps."""

    def solve(self, fused: Floats, target: Floats) -> None:
        """Set the weights from fused `[rows, in_dim]` and targets `[rows]` in business units."""

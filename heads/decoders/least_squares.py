"""Least squares: the weights are solved at once and exactly."""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from heads.base import Floats, Head
from heads.decoders.base import Decoder, Memory


class LeastSquaresDecoder(Decoder):
    """The least-squares line through the training rows, for heads with additive raw outputs.

    Why: the baseline that extrapolates and that a reader can check by hand. Solved in float64,
    never by gradient steps; of many exact lines (collinear columns) it is the one with the smallest
    weights. Do not cast it to a lower precision: that costs the exactness.

    Shape:
        fused `[batch, n_networks, fused_dim]` -> raw
        `[batch, n_networks, *target_shape, raw_dim]`, float64.

    Args:
        fused_dim: Length of a fused vector.
        head: The question; its raw outputs are the scores of its `additive_scale`.

    Raises:
        ValueError: If raw outputs of the head are something else.

    Example:
        >>> from heads.linear import LinearHead
        >>> ads = np.array([[10.0, 100], [20, 200], [30, 300], [40, 400], [50, 500]])
        >>> sales = np.array([1000.0, 1500, 2000, 2500, 3000])
        >>> head = LinearHead.fitted(sales)
        >>> decoder = LeastSquaresDecoder(2, head)
        >>> decoder.solve(ads, head.additive_scale(sales))
        >>> answer = head.decode(decoder(torch.tensor([[[60.0, 600.0]]])))["prediction"]
        >>> round(answer.item(), 6)
        3500.0
    """

    closed_form: ClassVar[bool] = True

    weight: Tensor
    bias: Tensor

    def __init__(self, fused_dim: int, head: Head) -> None:
        super().__init__(fused_dim, head)
        if not head.raw_is_additive:
            raise ValueError(
                f"head of the decoder least_squares must have additive raw outputs, got "
                f"{type(head).__name__}. Take the decoder {head.decoder!r}, or the head 'linear'."
            )
        shape = (self.n_outputs, fused_dim)
        self.register_buffer("weight", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("bias", torch.zeros(self.n_outputs, dtype=torch.float64))

    def solve(self, fused: Floats, scores: Floats, weight: Floats | None = None) -> None:
        """Sets weight and bias to the least-squares solution over all rows.

        Args:
            fused: `[n, fused_dim]`.
            scores: `[n, n_scores]`, the targets on the `additive_scale` of the head.
            weight: `[n]`, how much each row counts, > 0; all alike where None.

        Raises:
            ValueError: If the shapes do not fit or a value is not finite.
        """
        expected = ((len(scores), self.fused_dim), (len(scores), self.n_outputs))
        if (fused.shape, scores.shape) != expected or len(scores) == 0:
            raise ValueError(
                f"fused and scores must be {list(expected[0])} and {list(expected[1])} with at "
                f"least one row, got {list(fused.shape)} and {list(scores.shape)}. Give one fused "
                "vector per target."
            )
        from sklearn.linear_model import LinearRegression  # takes a second to import

        line = LinearRegression().fit(
            fused.astype(np.float64), scores.astype(np.float64), sample_weight=weight
        )
        self.weight.copy_(torch.as_tensor(line.coef_))
        self.bias.copy_(torch.as_tensor(line.intercept_))

    def forward(
        self, fused: Tensor, memory: Memory | None = None, future: Tensor | None = None
    ) -> Tensor:
        """The scores `[batch, n_networks, *target_shape, raw_dim]`, float64."""
        del memory, future
        # one product an output: its rounding does not depend on how many outputs there are
        products = [fused.double() @ weight for weight in self.weight]
        scores = torch.stack(products, dim=-1) + self.bias
        return scores.reshape(*fused.shape[:-1], *self.raw_shape)

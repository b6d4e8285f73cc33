"""Linear: ordinary least squares, solved at once and exactly."""

from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heads.base import LEAST_LOSS, Floats, Head
from heads.members import beside, member_mean


class LinearHead(Head):
    """A real number in the unit of the target: the least-squares line through the training rows.

    Why: the baseline that extrapolates and that a reader can check by hand. Solved by `solve` in
    float64, never by gradient steps; of many exact lines (collinear columns) it is the one with
    the smallest weights. Do not cast it to a lower precision: that costs the exactness.

    Shape:
        raw `[batch, ..., 1]`: the answer itself, float64.

    Args:
        in_dim: Length of a fused vector.
        centre: Mean of the training targets; scales the reported loss alone.
        spread: Standard deviation of the training targets, > 0; scales the reported loss alone.

    Raises:
        ValueError: If the spread is not > 0.

    Example:
        >>> ads = np.array([[10.0, 100], [20, 200], [30, 300], [40, 400], [50, 500]])
        >>> head = LinearHead(2)
        >>> head.solve(ads, np.array([1000.0, 1500, 2000, 2500, 3000]))
        >>> answer = head.predict(head(torch.tensor([[60.0, 600.0]])))["prediction"]
        >>> round(answer.item(), 6)
        3500.0
    """

    task: ClassVar[str] = "regression"
    primary_metric: ClassVar[str] = "r2"
    higher_is_better: ClassVar[bool] = True
    closed_form: ClassVar[bool] = True

    weight: Tensor
    bias: Tensor

    def __init__(self, in_dim: int, *, centre: float = 0.0, spread: float = 1.0) -> None:
        super().__init__()
        if not spread > 0.0:
            raise ValueError(f"spread must be more than 0, got {spread}. Use fitted().")
        self.in_dim, self.centre, self.spread = in_dim, centre, spread
        self.register_buffer("weight", torch.zeros(in_dim, dtype=torch.float64))
        self.register_buffer("bias", torch.zeros((), dtype=torch.float64))

    @property
    def columns(self) -> tuple[str, ...]:
        """The answer in the unit of the target."""
        return ("prediction",)

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild this head."""
        return {name: getattr(self, name) for name in ("in_dim", "centre", "spread")}

    def solve(self, fused: Floats, target: Floats) -> None:
        """Set weight and bias to the least-squares solution over all rows.

        Args:
            fused: `[rows, in_dim]`.
            target: `[rows]`, in business units (not encoded).

        Raises:
            ValueError: If the shapes do not fit or a value is not finite.
        """
        if fused.shape != (len(target), self.in_dim) or len(target) == 0:
            raise ValueError(
                f"fused must be [{len(target)} rows, {self.in_dim}] with at least one row, got "
                f"{list(fused.shape)}. Give one fused vector per target."
            )
        from sklearn.linear_model import LinearRegression  # takes a second to import

        line = LinearRegression().fit(fused.astype(np.float64), target.astype(np.float64))
        self.weight.copy_(torch.as_tensor(line.coef_))
        self.bias.copy_(torch.as_tensor(line.intercept_))

    def forward(self, fused: Tensor) -> Tensor:
        """The answer `[batch, ..., 1]`, float64."""
        return (fused.double() @ self.weight + self.bias).unsqueeze(-1)

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Half the mean squared error in squared spreads, >= 0; for reports alone."""
        error = (raw[..., 0] - self.centre) / self.spread - beside(target, raw)
        return error.square().mean() / 2

    def predict(self, raw: Tensor) -> dict[str, Tensor]:
        """The answer in the unit of the target, any real number, float64; members averaged."""
        return {"prediction": member_mean(raw[..., 0])}

    def encode_target(self, target: Floats) -> NDArray[np.float32]:
        """Spreads away from the mean of the training targets."""
        return ((target - self.centre) / self.spread).astype(np.float32)

    def metrics(self, target: Floats, prediction: dict[str, Floats]) -> dict[str, float]:
        """R2, mean absolute and root mean squared error, WAPE and rank correlation."""
        from heads import metrics  # scikit-learn takes seconds to import

        names = ("r2", "mae", "rmse", "wape", "spearman")
        return {name: getattr(metrics, name)(target, prediction["prediction"]) for name in names}

    def constant_loss(self, target: Tensor) -> float:
        """Half the variance in squared spreads, at least 0.001 (a constant target has none)."""
        return max(float(target.double().var(correction=0)) / 2, LEAST_LOSS)

    @classmethod
    def fitted(cls, target: Floats, *, in_dim: int, **options: Any) -> Self:
        """A head whose loss is scaled by the training targets; call `solve` next."""
        return cls(
            in_dim, centre=float(target.mean()), spread=float(target.std()) or 1.0, **options
        )

    @classmethod
    def tiny(cls) -> Self:
        """Four inputs, weights 1, 2, 3 and 4."""
        head = cls(4, centre=10.0, spread=5.0)
        head.weight.copy_(torch.arange(1.0, 5.0))
        return head

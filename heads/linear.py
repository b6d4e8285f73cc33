"""Linear: ordinary least squares, solved at once and exactly."""

from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heads.base import LEAST_LOSS, Column, Floats, Head


class LinearHead(Head):
    """A real number in the unit of the target: the least-squares line through the training rows.

    Why: the baseline that extrapolates and that a reader can check by hand, see
    `heads.decoders.LeastSquaresDecoder`.

    Shape:
        raw `[batch, n_networks, 1]`: the answer itself.

    Args:
        mean: Mean of the training targets; scales the reported loss alone.
        std: Standard deviation of the training targets, > 0; scales the reported loss alone.

    Raises:
        ValueError: If the std is not > 0.

    Example:
        >>> head = LinearHead.fitted(np.array([1.0, 2.0, 3.0]))
        >>> [column.name for column in head.columns], head.raw_dim, head.decoder
        (['prediction'], 1, 'least_squares')
    """

    task: ClassVar[str] = "regression"
    primary_metric: ClassVar[str] = "r2"
    higher_is_better: ClassVar[bool] = True
    decoder: ClassVar[str] = "least_squares"
    raw_is_additive: ClassVar[bool] = True

    def __init__(self, *, mean: float = 0.0, std: float = 1.0) -> None:
        if not std > 0.0:
            raise ValueError(f"std must be more than 0, got {std}. Use fitted().")
        self.mean, self.std = mean, std

    @property
    def raw_dim(self) -> int:
        """One: the answer."""
        return 1

    @property
    def columns(self) -> tuple[Column, ...]:
        """The answer in the unit of the target."""
        return (Column("prediction", "mean"),)

    @property
    def start(self) -> Tensor:
        """The mean `[1]` of the training targets."""
        return torch.tensor([self.mean])

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild this head."""
        return {"mean": self.mean, "std": self.std}

    def additive_scale(self, target: Floats) -> Floats:
        """The targets themselves, `[n, 1]`: float32 would cost the exactness."""
        return target.astype(np.float64).reshape(len(target), 1)

    def losses(self, raw: Tensor, target: Tensor) -> Tensor:
        """Half the squared errors in squared standard deviations, >= 0, `[batch, n_networks]`."""
        error = (raw[..., 0] - self.mean) / self.std - target[:, None]
        return error.square() / 2

    def decode(self, raw: Tensor) -> dict[str, Tensor]:
        """The answer in the unit of the target, any real number, float64; networks averaged."""
        return {"prediction": raw[..., 0].double().mean(dim=1)}

    def encode_target(self, target: Floats) -> NDArray[np.float32]:
        """Standard deviations from the mean of the training targets."""
        return ((target - self.mean) / self.std).astype(np.float32)

    def metrics(self, target: Floats, prediction: dict[str, Floats]) -> dict[str, float]:
        """R2, mean absolute and root mean squared error, WAPE and rank correlation."""
        from heads import metrics  # scikit-learn takes seconds to import

        names = ("r2", "mae", "rmse", "wape", "spearman")
        return {name: getattr(metrics, name)(target, prediction["prediction"]) for name in names}

    def constant_loss(self, target: Tensor) -> float:
        """Half the variance on the scale of `loss`, at least 0.001 (a constant target has none)."""
        return max(float(target.double().var(correction=0)) / 2, LEAST_LOSS)

    @classmethod
    def fitted(cls, target: Floats) -> Self:  # type: ignore[override]  # has no options
        """A head whose loss is scaled by the training targets."""
        return cls(mean=float(target.mean()), std=float(target.std()) or 1.0)

    @classmethod
    def tiny(cls) -> Self:
        """Answers around 10."""
        return cls(mean=10.0, std=5.0)

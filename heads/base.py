"""What every head can do: fused vectors in, one business answer out."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

Floats = NDArray[np.float64]
LEAST_LOSS = 1e-3
"""Floor of `constant_loss`: a target of one value has a best loss of 0."""
LIMIT = 1e100
"""Largest absolute target and answer: its square is still finite."""


@dataclass(frozen=True)
class Column:
    """What a prediction column says.

    Args:
        name: Its name.
        kind: `"mean"`, `"quantile"` or `"probability"`.
        level: Level of a quantile, in (0, 1).
        label: What a probability is one of, such as `hot`.
        unit: Unit of the answer, such as `units`; empty where it is the target's own.
    """

    name: str
    kind: Literal["mean", "quantile", "probability"]
    level: float | None = None
    label: str = ""
    unit: str = ""


class Head(nn.Module, ABC):
    """Answers one question about a product: loss, decoding and metrics in one place.

    Heads act on the last axis. Whatever axes lie between the batch and the last one (the members
    of an ensemble) are trained each on their own by `loss` and averaged by `predict`.

    Law: `type(head)(**head.config)` rebuilds the head; `load_state_dict` then gives its weights.
    """

    task: ClassVar[str]
    """`"regression"` or `"classification"`: which family of baselines and plots fits."""
    primary_metric: ClassVar[str]
    """Key of `metrics` that is reported first."""
    higher_is_better: ClassVar[bool]
    """Direction of the primary metric."""
    closed_form: ClassVar[bool] = False
    """True where `solve(fused, target)` finds the weights and no gradient step does."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Names of the prediction columns; the first one is the answer."""

    @property
    def described_columns(self) -> tuple[Column, ...]:
        """What each of `columns` says (default: a probability, or a mean, by the task)."""
        if self.task == "classification":
            return tuple(Column(name, "probability", label="positive") for name in self.columns)
        return tuple(Column(name, "mean") for name in self.columns)

    @property
    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Keyword arguments, JSON-serialisable, that rebuild this head."""

    @abstractmethod
    def forward(self, fused: Tensor) -> Tensor:
        """Raw outputs `[batch, ..., raw_dim]` for fused vectors `[batch, ..., in_dim]`."""

    @abstractmethod
    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Mean loss (>= 0, scalar) of raw outputs against an encoded target `[batch]`."""

    @abstractmethod
    def predict(self, raw: Tensor) -> dict[str, Tensor]:
        """Columns `[batch]` in business units, averaged over the axes between."""

    @abstractmethod
    def metrics(self, target: Floats, prediction: dict[str, Floats]) -> dict[str, float]:
        """Metrics of prediction columns against targets in business units."""

    @abstractmethod
    def constant_loss(self, target: Tensor) -> float:
        """Loss (> 0) of the best constant answer on an encoded target: the yardstick of `loss`."""

    @classmethod
    @abstractmethod
    def fitted(cls, target: Floats, *, in_dim: int, **options: Any) -> Self:
        """A head whose scales come from the targets of the training rows."""

    @classmethod
    @abstractmethod
    def tiny(cls) -> Self:
        """A small instance for contract tests."""

    @classmethod
    def target_faults(cls, target: Floats) -> dict[str, NDArray[np.bool_]]:
        """Rule -> mask `[n]` of the targets that break it; rules that none breaks are left out."""
        odd = ~(np.abs(target) <= LIMIT)
        return broken_rules({f"finite and within +-{LIMIT:.0e}": odd})

    def encode_target(self, target: Floats) -> NDArray[np.float32]:
        """Targets as `loss` takes them, from business units (default: the same numbers)."""
        return target.astype(np.float32)

    def linear_target(self, target: Floats) -> Floats:
        """Targets `[n]`, float64, on the scale on which effects add up (default: the encoded ones).

        Why: a linear model beside the network is solved on this scale, see
        `fusion.linear.LinearPart`.
        """
        return self.encode_target(target).astype(np.float64)

    def calibrate(self, raw: Tensor, target: Floats, *, parts: NDArray[np.int64]) -> None:
        """Corrects what `predict` reads off raw outputs (default: nothing is corrected).

        Args:
            raw: `[n, ..., raw_dim]` on rows that the answering weights were not trained on.
            target: Their targets `[n]` in business units.
            parts: Label of the part `[n]` of each row, for corrections that are chosen by
                cross-validation; rows that belong together share a part.
        """

    @classmethod
    def open_options(cls, target: Floats, **options: Any) -> tuple[dict[str, Any], ...]:
        """Options of `fitted` between which rows held out decide, the likeliest first.

        Args:
            target: Training targets.
            options: What was asked for.

        Returns:
            One mapping or more (default: what was asked for, alone).
        """
        del target
        return (options,)

    def statement(self) -> str:
        """One sentence that states what the answer means, for bundles and reports."""
        return f"{self.columns[0]}: {(type(self).__doc__ or type(self).__name__).splitlines()[0]}"


def broken_rules(masks: dict[str, NDArray[np.bool_]]) -> dict[str, NDArray[np.bool_]]:
    """The rules that at least one target breaks."""
    return {rule: mask for rule, mask in masks.items() if mask.any()}


def refuse_faults(faults: dict[str, NDArray[np.bool_]]) -> None:
    """Stops where targets break rules.

    Raises:
        ValueError: With one clause for each broken rule.
    """
    if faults:
        clauses = [
            f"{rule} (broken in {mask.sum()} of {len(mask)} rows)" for rule, mask in faults.items()
        ]
        raise ValueError(f"target must be {', '.join(clauses)}. Correct the target column.")

"""What every head can do: state one business question, and read its answer off raw outputs."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from heads.tree_objective import TreeObjective

Floats = NDArray[np.float64]
Parts = NDArray[np.int64]
Kind = Literal["mean", "quantile", "probability", "point", "class"]
LEAST_LOSS = 1e-3
"""Floor of `constant_loss`: a target of one value has a best loss of 0."""
LIMIT = 1e100
"""Largest absolute target and answer: its square is still finite."""


@dataclass(frozen=True)
class Column:
    """What a prediction column says. It holds one value a row.

    Args:
        name: Its name, unique within a head.
        kind: `"mean"`, `"quantile"`, `"probability"`, `"point"` (a number that claims to be none
            of these) or `"class"`: the position of the class among the probability columns of the
            same step, in the order of `Head.columns`.
        level: Level of a quantile, in (0, 1).
        label: What a probability is one of, such as `hot`.
        step: Step of the target that is answered, 1 to n_steps; None where it has no steps.
        window: What time the answer covers, such as `8 weeks`; empty where that is not said.
        unit: Unit of the answer, such as `units`; empty where it is the target's own.
    """

    name: str
    kind: Kind
    level: float | None = None
    label: str = ""
    step: int | None = None
    window: str = ""
    unit: str = ""

    def values_of(self, target: Floats) -> Floats:
        """What this column answers of a target: `[n]` of `[n]`, or its step of `[n, n_steps]`."""
        return target if self.step is None else target[:, self.step - 1]


class Head(ABC):
    """A business question: its target, loss, answer columns and metrics. It has no weights.

    A `heads.decoders.Decoder` gives the raw outputs that `loss` and `decode` read. Their second
    axis counts the networks of an ensemble: `loss` trains each on its own, `decode` averages over
    this axis alone.

    Shape:
        raw `[batch, n_networks, *target_shape, raw_dim]`, target `[batch, *target_shape]`.

    Law: `type(head)(**head.config)` rebuilds the head, its scales and calibration included.
    """

    task: ClassVar[str]
    """`"regression"` or `"classification"`: only the latter can be a `FusionClassifier`'s."""
    primary_metric: ClassVar[str]
    """Key of `metrics` that is reported first."""
    higher_is_better: ClassVar[bool]
    """Direction of the primary metric."""
    decoder: ClassVar[str] = "linear"
    """Name in `heads.decoders.DECODERS` of what answers it where nothing else is asked for."""
    reads_labels: ClassVar[bool] = False
    """True where targets are positions in `labels`, an option of `fitted` and of the config."""
    reads_relative: ClassVar[bool] = False
    """True where targets are shares of a level, numbers about 1, and not units."""
    raw_is_additive: ClassVar[bool] = False
    """True where raw outputs are the scores of `additive_scale`, so that least squares suits."""

    @property
    def target_shape(self) -> tuple[int, ...]:
        """Shape of the target of one row: `()` (the default) or `(n_steps,)`."""
        return ()

    @property
    @abstractmethod
    def raw_dim(self) -> int:
        """Raw outputs for one number of the target: parameters, quantiles or classes; >= 1."""

    @property
    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """The prediction columns; the first is the answer, which charts and rankings use."""

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of `columns`."""
        return tuple(column.name for column in self.columns)

    @property
    def start(self) -> Tensor | None:
        """Raw outputs of the best constant answer, where the bias of a decoder begins.

        Shape:
            `[*target_shape, raw_dim]`, float32; None (the default) where zeros are about it, as on
            a standardised scale: a decoder then keeps the small bias that it draws.
        """
        return None

    @property
    def n_scores(self) -> int:
        """Scores a row of `additive_scale`, >= 1 (default: one for each number of the target)."""
        return math.prod(self.target_shape)

    @property
    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Keyword arguments, JSON-serialisable, that rebuild this head."""

    @abstractmethod
    def losses(self, raw: Tensor, target: Tensor) -> Tensor:
        """Losses (>= 0) of raw outputs against an encoded target, one by one.

        Shape:
            raw `[batch, n_networks, *target_shape, raw_dim]`, target `[batch, *target_shape]` ->
            `[batch, n_networks, ...]`.
        """

    def loss(self, raw: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Mean of `losses`, a scalar >= 0, float32.

        Args:
            raw: `[batch, n_networks, *target_shape, raw_dim]`.
            target: Encoded, `[batch, *target_shape]`.
            weight: `[batch]`, how much each row counts, >= 0 and not all 0; all alike where None.
        """
        losses = self.losses(raw, target)
        if weight is None:
            return losses.mean().float()
        by_row = losses.flatten(start_dim=1).mean(dim=1)
        share = weight.to(by_row)
        return ((by_row * share).sum() / share.sum()).float()

    @abstractmethod
    def decode(self, raw: Tensor) -> dict[str, Tensor]:
        """Values `[batch]`, float64, of each of `columns` by name, in business units.

        Shape:
            raw `[batch, n_networks, *target_shape, raw_dim]`; networks alone are averaged.
        """

    @abstractmethod
    def metrics(self, target: Floats, prediction: dict[str, Floats]) -> dict[str, float]:
        """Metrics of prediction columns `[n]` against targets in business units.

        Shape:
            target `[n, *target_shape]`.
        """

    @abstractmethod
    def constant_loss(self, target: Tensor) -> float:
        """Loss (> 0) of the best constant answer on an encoded target: the yardstick of `loss`."""

    @classmethod
    @abstractmethod
    def fitted(cls, target: Floats, **options: Any) -> Self:
        """A head whose scales come from the targets `[n, *target_shape]` of the training rows."""

    @classmethod
    @abstractmethod
    def tiny(cls) -> Self:
        """A small instance for contract tests."""

    @classmethod
    def target_faults(cls, target: Floats) -> dict[str, NDArray[np.bool_]]:
        """Rule -> mask of the targets that break it; rules that none breaks are left out.

        Shape:
            target and masks `[n, *target_shape]`.
        """
        return broken_rules({f"finite and within +-{LIMIT:.0e}": ~(np.abs(target) <= LIMIT)})

    def encode_target(self, target: Floats) -> NDArray[np.float32]:
        """Targets as `loss` takes them, from business units (default: the same numbers).

        Shape:
            `[n, *target_shape]`, given and returned.
        """
        return target.astype(np.float32)

    def additive_scale(self, target: Floats) -> Floats:
        """Targets on scales on which effects add up (default: the encoded ones).

        Why: linear models, kernels and trees answer on these, and a decoder of `n_scores` inputs
        makes raw outputs of what they say, see `fusion.members.answers.ScoreAnswers`.

        Shape:
            target `[n, *target_shape]` -> `[n, n_scores]`, float64.
        """
        return self.encode_target(target).astype(np.float64).reshape(len(target), self.n_scores)

    @property
    def tree_objective(self) -> TreeObjective:
        """What boosted trees minimise (default: squared errors on the additive scale)."""
        return TreeObjective("regression", self.additive_scale, n_fits=self.n_scores)

    def calibrate(
        self, raw: Tensor, target: Floats, *, parts: Parts, weight: Floats | None = None
    ) -> None:
        """Corrects what `decode` reads off raw outputs (default: nothing is corrected).

        Args:
            raw: `[n, n_networks, *target_shape, raw_dim]` on rows that the answering weights were
                not trained on.
            target: Their targets `[n, *target_shape]` in business units.
            parts: Label of the part `[n]` of each row, for corrections that are chosen by
                cross-validation; rows that belong together share a part.
            weight: `[n]`, >= 0, how much each row counts; all alike where None.
        """
        del raw, target, parts, weight

    @classmethod
    def open_options(cls, target: Floats, **options: Any) -> tuple[dict[str, Any], ...]:
        """Options of `fitted` between which rows held out decide, the likeliest first.

        Args:
            target: Training targets `[n, *target_shape]`.
            options: What was asked for.

        Returns:
            One mapping or more (default: what was asked for, alone).
        """
        del target
        return (options,)

    def describe(self) -> str:
        """One sentence that states what the answer means, for bundles and reports."""
        about = (type(self).__doc__ or type(self).__name__).splitlines()[0]
        first, last = self.columns[0], self.columns[-1]
        name = first.name if last.step == first.step else f"{first.name} to {last.name}"
        return f"{name}: {about}"


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
            f"{rule} (broken in {mask.sum()} of {mask.size} rows)" for rule, mask in faults.items()
        ]
        raise ValueError(f"target must be {', '.join(clauses)}. Correct the target column.")

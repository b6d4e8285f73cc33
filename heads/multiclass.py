"""Multiclass: which of several labels a product has, such as its trend: down, flat or up."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from heads.base import LEAST_LOSS, Column, Floats, Head, Parts, broken_rules, refuse_faults
from heads.temperature import fit_temperature
from heads.tree_objective import TreeObjective, within_reach

LEAST_ROWS = 0.5
"""Rows that a label without any counts as, so that its log share is finite."""
TOLD = 6
"""Labels that a description names."""


class MulticlassHead(Head):
    """The likeliest label of a product, and the probability of each; the labels travel with it.

    Targets are positions in `labels`: 0 to n_labels - 1.

    Shape:
        raw `[batch, n_networks, n_labels]`: logits, in the order of `labels`.

    Args:
        labels: Two or more different texts.
        shares: Share of the training rows of each label, > 0; raw outputs start at their logarithms
            (default: all alike).
        temperature: What logits are divided by, > 0; `calibrate` sets it.

    Raises:
        ValueError: If labels are fewer than two or not unique, or a number does not suit.

    Example:
        >>> head = MulticlassHead(labels=("down", "flat", "up"))
        >>> answer = head.decode(torch.tensor([[[0.0, 0.0, 2.0]]]))
        >>> {name: round(value.item(), 2) for name, value in answer.items()}
        {'predicted_class': 2.0, 'probability_down': 0.11, 'probability_flat': 0.11, \
'probability_up': 0.79}
    """

    task: ClassVar[str] = "classification"
    primary_metric: ClassVar[str] = "log_loss"
    higher_is_better: ClassVar[bool] = False
    reads_labels: ClassVar[bool] = True

    def __init__(
        self,
        *,
        labels: Sequence[str],
        shares: Sequence[float] | None = None,
        temperature: float = 1.0,
    ) -> None:
        self.labels = list(labels)
        are_texts = all(isinstance(label, str) for label in self.labels)
        if not are_texts or not 2 <= len(self.labels) == len(set(self.labels)):
            raise ValueError(
                f"labels must be two or more different texts, got {self.labels}. "
                "Give each label of the target column once."
            )
        self.shares = [1.0 / len(self.labels)] * len(self.labels) if shares is None else [*shares]
        if len(self.shares) != len(self.labels) or not min(self.shares) > 0.0:
            raise ValueError(
                f"shares must be {len(self.labels)} numbers above 0, got {self.shares}. "
                "Use fitted()."
            )
        if not temperature > 0.0:
            raise ValueError(f"temperature must be above 0, got {temperature}. Take 1.0.")
        self.temperature = temperature

    @property
    def raw_dim(self) -> int:
        """One logit a label."""
        return len(self.labels)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The likeliest label, and the probability of each label, in the order of `labels`."""
        return (
            Column("predicted_class", "class"),
            *(Column(f"probability_{label}", "probability", label=label) for label in self.labels),
        )

    @property
    def start(self) -> Tensor:
        """Logarithms `[n_labels]` of the shares."""
        return torch.tensor(self.shares).log()

    @property
    def n_scores(self) -> int:
        """One score a label."""
        return len(self.labels)

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild this head."""
        return {name: getattr(self, name) for name in ("labels", "shares", "temperature")}

    def additive_scale(self, target: Floats) -> Floats:
        """1 in the column of the row's label, 0 in the others: `[n, n_labels]`."""
        return np.eye(len(self.labels))[target.astype(np.int64)]

    @property
    def tree_objective(self) -> TreeObjective:
        """Cross-entropy of all labels at once; scores are logits."""
        return TreeObjective(
            "multiclass",
            lambda target: target.reshape(len(target), 1),
            n_outputs=len(self.labels),
            to_scores=lambda logits: within_reach(
                logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
            ),
        )

    def losses(self, raw: Tensor, target: Tensor) -> Tensor:
        """Cross-entropies in nats, >= 0, `[batch, n_networks]`."""
        classes = target.long()[:, None].expand(raw.shape[:2])
        return F.cross_entropy(raw.movedim(-1, 1), classes, reduction="none")

    def decode(self, raw: Tensor) -> dict[str, Tensor]:
        """Position of the likeliest label, and probabilities in [0, 1] that sum to 1, float64.

        Networks are averaged as probabilities.
        """
        chances = (raw.double() / self.temperature).softmax(dim=-1).mean(dim=1)  # [batch, n_labels]
        values = [chances.argmax(dim=1).double(), *chances.unbind(dim=1)]
        names = (column.name for column in self.columns)
        return dict(zip(names, values, strict=True))

    def calibrate(
        self, raw: Tensor, target: Floats, *, parts: Parts, weight: Floats | None = None
    ) -> None:
        """Sets the temperature, see `heads.temperature.fit_temperature`."""
        logits = raw.detach().double().cpu().numpy()
        classes = target.astype(np.int64)
        self.temperature = fit_temperature(logits, classes, parts=parts, weight=weight)

    def metrics(self, target: Floats, prediction: dict[str, Floats]) -> dict[str, float]:
        """Log loss in nats of the probabilities; accuracy and macro F1 of the likeliest label.

        `majority_share`, the share of the commonest label, is the accuracy of always answering it.
        """
        from heads import metrics  # scikit-learn takes seconds to import

        answer, *chances = (prediction[column.name] for column in self.columns)
        counts = np.bincount(target.astype(np.int64), minlength=len(self.labels))
        return {
            "log_loss": metrics.multiclass_log_loss(target, np.stack(chances, axis=1)),
            "accuracy": metrics.accuracy(target, answer),
            "macro_f1": metrics.macro_f1(target, answer),
            "majority_share": float(counts.max() / len(target)),
        }

    def constant_loss(self, target: Tensor) -> float:
        """Entropy of the labels in nats, at least 0.001 (one label alone has none)."""
        shares = torch.bincount(target.long()).double() / len(target)
        return max(float(torch.special.entr(shares).sum()), LEAST_LOSS)

    @classmethod
    def fitted(  # type: ignore[override]  # names its options, so that a typo fails
        cls, target: Floats, *, labels: Sequence[str]
    ) -> Self:
        """A head that starts at the shares of the labels in the training rows.

        Args:
            target: Positions in `labels`.
            labels: Two or more different texts.

        Raises:
            ValueError: If targets are no positions in `labels`, or all of them are the same.
        """
        refuse_faults(cls.target_faults(target))
        head = cls(labels=labels)
        n_labels = len(head.labels)
        if len(target) and target.max() >= n_labels:
            raise ValueError(
                f"target must be the position of one of {n_labels} labels, got {target.max():g}. "
                "Give every label that occurs."
            )
        if len(np.unique(target)) < 2:
            raise ValueError(
                f"target must hold two labels or more, got one in all {len(target)} rows. "
                "Give items of several labels."
            )
        counts = np.bincount(target.astype(np.int64), minlength=n_labels).clip(min=LEAST_ROWS)
        head.shares = (counts / counts.sum()).tolist()
        return head

    @classmethod
    def tiny(cls) -> Self:
        """Three labels."""
        return cls(labels=("down", "flat", "up"), shares=(0.2, 0.5, 0.3))

    @classmethod
    def target_faults(cls, target: Floats) -> dict[str, NDArray[np.bool_]]:
        """Mask of the targets that are no position: negative, broken or missing."""
        held = np.isfinite(target) & (target >= 0) & (target == np.floor(target))
        return broken_rules({"the position of a label": ~held})

    def describe(self) -> str:
        """The labels, and how common each was."""
        told = [
            f"{label} ({100 * share:.3g} %)"
            for label, share in zip(self.labels[:TOLD], self.shares, strict=False)
        ]
        others = len(self.labels) - TOLD
        told += [f"{others} others"] if others > 0 else []
        return f"predicted_class = likeliest of {', '.join(told)} of the training rows"

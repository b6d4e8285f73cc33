"""Hot items: how likely a product is to be a best seller, by a stated rule."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from heads.base import LEAST_LOSS, Column, Floats, Head, Parts, refuse_faults
from heads.platt import fit_platt
from heads.tree_objective import TreeObjective, within_reach

Rule = Literal["labels", "top_quantile"]


class HotItemHead(Head):
    """Probability that a product is a hot item, where the rule of *hot* travels with the model.

    Why: "hot" without a rule cannot be checked. Labels 0/1 are taken as they are; from units the
    threshold is set once, on the training rows, and kept.

    Shape:
        raw `[batch, n_networks, 1]`: logits.

    Args:
        rule: `"labels"` (targets are 0 or 1) or `"top_quantile"` (targets are compared).
        threshold: A target from here upwards is hot; only with `"top_quantile"`.
        quantile: The quantile level in (0, 1) that was asked for; only with `"top_quantile"`.
        prevalence: Share of hot training rows in (0, 1); raw outputs start at its log-odds.
        calibration: Intercept and slope (> 0) of the stated log-odds on the logits.

    Raises:
        ValueError: If the rule is unknown, its threshold missing or the prevalence not in (0, 1).

    Example:
        >>> units = np.array([1.0, 2, 3, 4, 5, 6, 7, 8])
        >>> HotItemHead.fitted(units).describe()
        'hot item = target >= 7 (top 25 % of the training rows)'
    """

    task: ClassVar[str] = "classification"
    primary_metric: ClassVar[str] = "pr_auc"
    higher_is_better: ClassVar[bool] = True

    def __init__(
        self,
        *,
        rule: Rule = "labels",
        threshold: float | None = None,
        quantile: float | None = None,
        prevalence: float = 0.5,
        calibration: Sequence[float] = (0.0, 1.0),
    ) -> None:
        _check_rule(rule)
        if (rule == "top_quantile") != (threshold is not None):
            raise ValueError(
                f"threshold must be given with the rule top_quantile alone, got {threshold} with "
                f"{rule!r}. Use fitted(), which sets it from the training rows."
            )
        if not 0.0 < prevalence < 1.0:
            raise ValueError(f"prevalence must be in (0, 1), got {prevalence}. Give two classes.")
        self.rule, self.threshold = rule, threshold
        self.quantile, self.prevalence = quantile, prevalence
        self.calibration = list(calibration)

    @property
    def raw_dim(self) -> int:
        """One: the logit."""
        return 1

    @property
    def columns(self) -> tuple[Column, ...]:
        """The probability of a hot item."""
        return (Column("hot_probability", "probability", label="hot"),)

    @property
    def start(self) -> Tensor:
        """The log-odds `[1]` of the prevalence."""
        return torch.tensor([math.log(self.prevalence / (1.0 - self.prevalence))])

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild this head."""
        names = ("rule", "threshold", "quantile", "prevalence", "calibration")
        return {name: getattr(self, name) for name in names}

    @property
    def tree_objective(self) -> TreeObjective:
        """Binary cross-entropy; scores are log-odds."""
        return TreeObjective("binary", self.additive_scale, to_scores=within_reach)

    def losses(self, raw: Tensor, target: Tensor) -> Tensor:
        """Binary cross-entropies in nats, >= 0, `[batch, n_networks]`."""
        logits = raw[..., 0]
        labels = target[:, None].expand_as(logits).to(logits)
        return F.binary_cross_entropy_with_logits(logits, labels, reduction="none")

    def decode(self, raw: Tensor) -> dict[str, Tensor]:
        """Probability in [0, 1], float64; networks are averaged as probabilities."""
        intercept, slope = self.calibration
        log_odds = intercept + slope * raw[..., 0].double()
        return {"hot_probability": log_odds.sigmoid().mean(dim=1)}

    def calibrate(
        self, raw: Tensor, target: Floats, *, parts: Parts, weight: Floats | None = None
    ) -> None:
        """Sets the log-odds that are stated, see `heads.platt.fit_platt`."""
        logits = raw[..., 0].detach().double().cpu().numpy()  # [n, n_networks]
        labels = self.encode_target(target).astype(np.float64)
        self.calibration = list(fit_platt(logits, labels, parts=parts, weight=weight))

    def encode_target(self, target: Floats) -> NDArray[np.float32]:
        """1 for a hot item, 0 for any other, from targets in business units.

        Raises:
            ValueError: If the rule is `"labels"` and a target is neither 0 nor 1.
        """
        if self.threshold is not None:
            return (target >= self.threshold).astype(np.float32)
        _check_labels(target)
        return target.astype(np.float32)

    def metrics(self, target: Floats, prediction: dict[str, Floats]) -> dict[str, float]:
        """Ranking, probability and decision metrics; nan where one class makes them undefined.

        `pr_auc` stands beside `prevalence`, its value by chance; `precision_at_prevalence` is
        over as many best-ranked rows as there are hot ones; `f1` is at probability 0.5.
        """
        from heads import metrics  # scikit-learn takes seconds to import

        hot = self.encode_target(target).astype(np.float64)
        probability = prediction["hot_probability"]
        n_hot = int(hot.sum())
        return {
            "pr_auc": metrics.pr_auc(hot, probability),
            "prevalence": metrics.prevalence(hot),
            "roc_auc": metrics.roc_auc(hot, probability),
            "brier": metrics.brier(hot, probability),
            "log_loss": metrics.log_loss(hot, probability),
            "ece": metrics.expected_calibration_error(hot, probability),
            "precision_at_prevalence": (
                metrics.precision_at_k(hot, probability, k=n_hot) if n_hot else math.nan
            ),
            "f1": metrics.f1(hot, probability),
        }

    def constant_loss(self, target: Tensor) -> float:
        """Entropy of the prevalence in nats, at least 0.001 (one class alone has none)."""
        share = target.double().mean().clamp(1e-12, 1 - 1e-12)
        return max(float(torch.special.entr(torch.stack([share, 1 - share])).sum()), LEAST_LOSS)

    @classmethod
    def fitted(  # type: ignore[override]  # names its options, so that a typo fails
        cls, target: Floats, *, rule: Rule | None = None, quantile: float = 0.75
    ) -> Self:
        """A head whose rule and prevalence come from the training targets.

        Args:
            target: Training targets: labels 0/1, or units.
            rule: A rule; by default `"labels"` if only 0 and 1 occur, else `"top_quantile"`.
            quantile: With `"top_quantile"`, at most the share 1 - quantile is hot: the threshold
                is the smallest target that keeps to it, or the largest one if ties leave no other.

        Raises:
            ValueError: If only one class results, or labels are not 0 and 1.
        """
        rule = rule or ("labels" if np.isin(target, (0.0, 1.0)).all() else "top_quantile")
        _check_rule(rule)
        refuse_faults(cls.target_faults(target))
        if len(np.unique(target)) < 2:
            raise ValueError(
                f"target must hold hot and other items, got one class in all {len(target)} rows. "
                "Give items of both classes."
            )
        if rule == "labels":
            _check_labels(target)
            return cls(rule=rule, prevalence=float(target.mean()))
        threshold = top_threshold(target, quantile)
        share = float((target >= threshold).mean())
        return cls(rule=rule, threshold=threshold, quantile=quantile, prevalence=share)

    @classmethod
    def tiny(cls) -> Self:
        """Ten units or more are hot."""
        return cls(rule="top_quantile", threshold=10.0, quantile=0.75, prevalence=0.25)

    def describe(self) -> str:
        """The rule of *hot* in one sentence."""
        share = f"{100 * self.prevalence:.3g} % of the training rows"
        if self.threshold is None:
            return f"hot item = label 1 ({share})"
        return f"hot item = target >= {self.threshold:g} (top {share})"


def top_threshold(target: Floats, quantile: float) -> float:
    """The least target that at most the share `1 - quantile` of them reaches; else the largest.

    Raises:
        ValueError: If the quantile is not in (0, 1).
    """
    if not 0.0 < quantile < 1.0:
        raise ValueError(f"quantile must be in (0, 1), got {quantile}. Give 0.75 for the top 25 %.")
    values, counts = np.unique(target, return_counts=True)
    shares = counts[::-1].cumsum()[::-1] / len(target)  # share of rows >= each value
    fitting = values[shares <= 1.0 - quantile + 1e-12]
    return float(fitting[0] if len(fitting) else values[-1])


def _check_rule(rule: str) -> None:
    if rule not in get_args(Rule):
        raise ValueError(
            f"rule must be one of {', '.join(get_args(Rule))}, got {rule!r}. "
            "Take labels for 0/1 targets and top_quantile for units."
        )


def _check_labels(target: Floats) -> None:
    odd = target[~np.isin(target, (0.0, 1.0))]
    if len(odd):
        raise ValueError(
            f"target must be 0 or 1 under the rule labels, got {odd[0]}. Use rule='top_quantile'."
        )

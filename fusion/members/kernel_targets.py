"""Scales that a kernel may learn a target on, and the way from there to the scores of its head."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch

from fusion.members.base import Floats
from heads.base import Head
from heads.scales import Scale, StandardScale, holds

SCALES: tuple[Scale, ...] = ("identity", "sqrt", "log1p")
"""Tried beside the scale of the head itself, where its target is a number and all are held."""


@dataclass(frozen=True)
class KernelTarget:
    """The scores that a kernel learns for a head.

    Args:
        standard: A scale of the target in units; None for the head's own `additive_scale`.
    """

    standard: StandardScale | None = None

    def learned(self, head: Head, target: Floats) -> Floats:
        """What is learned `[n, n_scores]` of known targets `[n, *target_shape]` in units."""
        if self.standard is None:
            return np.asarray(head.additive_scale(target))
        return self.standard.encode(target).reshape(len(target), head.n_scores)

    def scores(self, head: Head, learned: Floats) -> Floats:
        """Scores `[n, n_scores]` on the head's additive scale of what was learned.

        A scale in units is taken of targets >= 0 alone, so an answer below is 0.
        """
        if self.standard is None:
            return learned
        units = self.standard.decode(torch.from_numpy(learned)).numpy().clip(min=0.0)
        return np.asarray(head.additive_scale(units.reshape(len(learned), *head.target_shape)))

    @property
    def config(self) -> dict[str, Any] | None:
        """What `from_config` rebuilds it from, JSON-serialisable."""
        return None if self.standard is None else self.standard.config

    @classmethod
    def from_config(cls, config: dict[str, Any] | None) -> Self:
        """The target that a configuration tells of."""
        return cls(None if config is None else StandardScale.from_config(config))


def kernel_targets(head: Head, target: Floats) -> list[KernelTarget]:
    """What may be learned of a head, its own scale first.

    Args:
        head: The question.
        target: Known targets `[n, *target_shape]` in units.
    """
    own = [KernelTarget()]
    if head.task != "regression" or head.n_scores != int(np.prod(head.target_shape)):
        return own
    if (target < 0).any() or not np.ptp(target):
        return own
    return own + [
        KernelTarget(StandardScale.fitted(target, scale))
        for scale in SCALES
        if holds(target, scale)
    ]

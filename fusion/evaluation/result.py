"""What an evaluation says: one score for each way to predict, each against the fusion."""

import json
import math
from dataclasses import dataclass
from typing import Any, Literal

from fusion.system.files import json_bytes

Kind = Literal["fusion", "original", "tuned", "baseline", "alone", "without"]


@dataclass(frozen=True)
class Score:
    """How well one way of predicting does on the test rows.

    Args:
        name: What people call it, such as `TF-IDF + boosted trees`.
        kind: `fusion`, `original` (the fusion whose encoders were not tuned), `tuned`
            (with tuned encoders, where they were not kept), `baseline`, `alone` (one modality only)
            or `without` (all but one).
        metrics: Metrics by name, as the head names them.
        gain: By how much the fusion is better in the primary metric (positive = fusion better, in
            the metric's own unit); None for the fusion itself.
        low: Lower end of the 95 % paired bootstrap interval of the gain; None likewise.
        high: Upper end.
    """

    name: str
    kind: Kind
    metrics: dict[str, float]
    gain: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def verdict(self) -> str:
        """`fusion better`, `fusion worse`, `no clear difference` or `not defined`; else empty."""
        if self.low is None or self.high is None:
            return ""
        if math.isnan(self.low) or math.isnan(self.high):
            return "not defined"
        if self.low > 0:
            return "fusion better"
        return "fusion worse" if self.high < 0 else "no clear difference"


@dataclass(frozen=True)
class Evaluation:
    """Scores of every way to predict one target, the fusion first.

    Args:
        head: Name of the head.
        target: Target column.
        description: What the head's answer means, in one sentence.
        task: `regression` or `classification`.
        primary_metric: Which metric the gains are in.
        higher_is_better: Its direction.
        n_test: Number of test rows.
        n_groups: Number of groups among them (near-duplicates, or those of the split): what the
            intervals draw. Below about 20 they are too narrow.
        scores: The fusion, then the one with the encoders that were not kept (where some were
            tuned), baselines, single modalities, and all but one.
    """

    head: str
    target: str
    description: str
    task: str
    primary_metric: str
    higher_is_better: bool
    n_test: int
    n_groups: int
    scores: tuple[Score, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values; what is not defined is None."""
        scores = [vars(score) | {"verdict": score.verdict} for score in self.scores]
        plain: dict[str, Any] = json.loads(json_bytes({**vars(self), "scores": scores}))
        return plain

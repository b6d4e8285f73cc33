"""Which of two models is kept: the one with tuned encoders, or the one with encoders as they were.

Why: tuning may hurt. Training rows that neither model's answers were learned from decide, so that
test rows stay unseen.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.choices import Targets
from fusion.data.folds import DRAWN, Validation
from fusion.fitting import Fitted, fit_bundle
from fusion.progress import Stage, say_once, silent, within
from fusion.recipe import Recipe, Sources
from fusion.training.shares import held_out_loss
from fusion.tuning import TuningSettings

ORIGINAL, TUNED = "encoders as they were", "encoders tuned"


@dataclass(frozen=True)
class KeptEncoders:
    """What the losses of two models on training rows that were held out say.

    Args:
        tuned: Loss of the model with tuned encoders; 1.0 is as good as the best constant answer.
        original: Loss of the same with encoders as they were.
    """

    tuned: float
    original: float

    @property
    def is_tuned(self) -> bool:
        """True where tuned encoders erred less, and are kept."""
        return self.tuned < self.original

    @property
    def name(self) -> str:
        """What the encoders that are kept are called."""
        return TUNED if self.is_tuned else ORIGINAL

    @property
    def statement(self) -> str:
        """Which is kept and why, in a sentence."""
        kept, other = sorted((self.tuned, self.original))
        return (
            f"Kept: {self.name}. Their loss on training rows held out is {kept:.4g}, the other one "
            f"{other:.4g} (1 is a constant answer); test rows had no say."
        )

    def to_dict(self) -> dict[str, object]:
        """The choice as plain JSON values."""
        return {"kept": self.name, "held_out_loss": {TUNED: self.tuned, ORIGINAL: self.original}}


def kept_encoders(tuned: Fitted, original: Fitted) -> KeptEncoders:
    """Compares a model with tuned encoders and one without, of the same rows, folds and seed.

    Rows that the encoders were tuned on have no say: with one fold only those of early stopping
    are judged by.
    """
    assert tuned.tuned is not None
    rows = tuned.tuned.judged
    for one in (tuned, original):
        assert one.held_out is not None
        rows = np.intersect1d(rows, one.held_out.rows)
    return KeptEncoders(_loss(tuned, rows), _loss(original, rows))


def fit_better(
    frame: pd.DataFrame,
    targets: Targets,
    *,
    recipe: Recipe,
    sources: Sources,
    validation: Validation = DRAWN,
    stage: Stage = silent,
) -> Fitted:
    """Trains as `fit_bundle` does; where encoders are tuned, also without, and keeps the better.

    What is kept is said in a line, and stands in the bundle.

    Raises:
        CatalogueError, ConfigError, FloatingPointError, ValueError: As `fit_bundle` does.
    """
    rows: dict[str, Any] = {"sources": sources, "validation": validation}
    tuned = fit_bundle(frame, targets, recipe=recipe, stage=stage, **rows)
    if tuned.tuned is None:
        return tuned
    plain = replace(recipe, tuning=TuningSettings(mode="none"))
    original = fit_bundle(frame, targets, recipe=plain, stage=within(stage, ORIGINAL), **rows)
    verdict = kept_encoders(tuned, original)
    kept = tuned if verdict.is_tuned else original
    state_kept(kept, verdict)
    say_once(verdict.statement)
    return kept


def state_kept(kept: Fitted, verdict: KeptEncoders) -> None:
    """Writes into a bundle why its encoders are tuned or as they were."""
    stated = kept.bundle.info.get("tuning", "")
    kept.bundle.info["tuning"] = f"{verdict.statement} {stated}".rstrip()


def _loss(fitted: Fitted, rows: NDArray[np.int64]) -> float:
    """Infinite where there is no row to judge by, so that encoders stay as they are."""
    if fitted.held_out is None or not len(rows):
        return math.inf
    heads = fitted.bundle.model.heads
    loss = held_out_loss(heads, fitted.targets, fitted.held_out, rows)
    return math.inf if math.isnan(loss) else loss

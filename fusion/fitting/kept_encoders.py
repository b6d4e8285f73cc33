"""Which of two models is kept: with tuned encoders, or with original ones.

Why: tuning may hurt. Training rows that neither model's answers were learned from decide, so that
test rows stay unseen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusion.choices.checks import Targets, few_target_mistakes
from fusion.data.catalogue import Catalogue
from fusion.data.folds import DRAWN, RowOptions
from fusion.data.policy import apply_policy, left_out
from fusion.data.problems import Problem
from fusion.data.weights import counted
from fusion.fitting.fit import fit_ready
from fusion.fitting.fitted import Fitted, with_findings
from fusion.fitting.groups import with_groups
from fusion.fitting.out_of_fold import out_of_fold_loss
from fusion.fitting.spec import MIN_ROWS, TOO_FEW, Checked, TrainingPaths, TrainingSpec
from fusion.progress import Stage, say_once, silent, within
from fusion.ready import UsableItems, usable_items
from fusion.tuning import TuningSettings

ORIGINAL, TUNED = "original encoders", "tuned encoders"


@dataclass(frozen=True)
class KeptEncoders:
    """What the losses of two models on training rows that were held out say.

    Args:
        tuned: Loss of the model with tuned encoders; 1.0 is as good as the best constant answer.
        original: Loss of the same with original encoders.
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
    def description(self) -> str:
        """Which is kept and why, in a sentence."""
        kept, other = sorted((self.tuned, self.original))
        return (
            f"Kept: {self.name}. Their loss on training rows held out is {kept:.4g}, the other one "
            f"{other:.4g} (1 is a constant answer); test rows had no say."
        )

    def to_dict(self) -> dict[str, object]:
        """The choice as plain JSON values."""
        return {"kept": self.name, "out_of_fold_loss": {TUNED: self.tuned, ORIGINAL: self.original}}


def kept_encoders(tuned: Fitted, original: Fitted) -> KeptEncoders:
    """Compares a model with tuned encoders and one without, of the same rows, folds and seed.

    Rows that the encoders were tuned on have no say: with one fold only those of early stopping
    are judged by.
    """
    assert tuned.tuned is not None
    rows = tuned.tuned.judged
    for one in (tuned, original):
        assert one.out_of_fold is not None
        rows = np.intersect1d(rows, one.out_of_fold.rows)
    return KeptEncoders(_loss(tuned, rows), _loss(original, rows))


def fit_better(
    checked: Checked,
    targets: Targets,
    *,
    spec: TrainingSpec,
    paths: TrainingPaths,
    options: RowOptions = DRAWN,
    stage: Stage = silent,
) -> Fitted:
    """Trains a model on a checked table; where encoders are tuned, also without, keeps the better.

    Which is kept is said in a line, and stands in the bundle.

    Args:
        checked: The table.
        targets: Targets `[n, *target_shape]` in business units for each head of the spec, NaN
            where there is none: the row is left out for this head alone.
        spec: How.
        paths: Where the store and the states of a tuning are.
        options: Which rows of the table are held out of the members (see `with_groups` where
            nothing is given), and how much each counts; a row of weight 0 is left out.
        stage: Opens progress bars.

    Raises:
        CatalogueError: If rows are faulty and must not be.
        FloatingPointError: If a training or tuning has diverged.
        ValueError: If fewer than 5 usable rows are left, or fewer than 5 that count and have the
            target of a head.
    """
    usable = _usable(checked, spec=spec, store=paths.store, stage=stage)
    learned = counted(usable.rows, options.weight)
    ready = usable.ready.take(np.flatnonzero(np.isin(usable.rows, learned)))
    targets = {name: values[learned] for name, values in targets.items()}
    few = few_target_mistakes(spec.heads, targets, least=MIN_ROWS)
    if few:
        raise ValueError("\n".join(few) + left_out(usable.dropped))
    options = with_groups(options.of_rows(learned), ready.catalogue, spec=spec)
    fit = partial(fit_ready, ready, targets, paths=paths, options=options)
    kept = fit(spec=spec, stage=stage)
    if kept.tuned is not None:
        plain = replace(spec, tuning=TuningSettings(mode="none"))
        original = fit(spec=plain, stage=within(stage, ORIGINAL))
        verdict = kept_encoders(kept, original)
        kept = kept if verdict.is_tuned else original
        state_kept(kept, verdict)
        say_once(verdict.description)
    kept = with_findings(kept, ready, heads=spec.heads, store=paths.store)
    return replace(kept, dropped=usable.dropped)


def _usable(
    checked: Checked, *, spec: TrainingSpec, store: Path | None, stage: Stage
) -> UsableItems:
    """The table embedded, without rows that must not be learned from; at least 5 are left."""

    def settle(found: Sequence[Problem]) -> tuple[Catalogue, dict[int, str]]:
        problems = [*found, *checked.target_problems]
        return apply_policy(checked.catalogue, problems, on_bad_rows=spec.on_bad_rows)

    usable = usable_items(
        checked.encoders, checked.catalogue, settle=settle, store=store, stage=stage
    )
    if len(usable.ready) < MIN_ROWS:
        raise ValueError(TOO_FEW.format(n_rows=len(usable.ready)) + left_out(usable.dropped))
    return usable


def state_kept(kept: Fitted, verdict: KeptEncoders) -> None:
    """Writes into a bundle why its encoders are tuned or original."""
    stated = kept.bundle.info.get("tuning", "")
    kept.bundle.info["tuning"] = f"{verdict.description} {stated}".rstrip()


def _loss(fitted: Fitted, rows: NDArray[np.int64]) -> float:
    """Infinite where there is no row to judge by, so that encoders stay as they are."""
    if fitted.out_of_fold is None or not len(rows):
        return math.inf
    heads = fitted.bundle.model.heads
    loss = out_of_fold_loss(heads, fitted.targets, fitted.out_of_fold, rows)
    return math.inf if math.isnan(loss) else loss

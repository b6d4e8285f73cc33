"""What tuning did to a model, beside the same model with encoders as they were."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from encoders.base import Encoder
from fusion.bundle import Bundle
from fusion.evaluation.result import Kind
from fusion.fitting import Fitted
from fusion.jobs.cost import Cost, measured
from fusion.jobs.measure import ORIGINAL, TUNED, Experiment
from fusion.progress import Stage, silent, within
from fusion.report import Losses, TuningCost, TuningSummary
from fusion.training.shares import held_out_loss
from fusion.tuning import TuningSettings
from heads import Head


@dataclass(frozen=True)
class Trained:
    """A model, its answers on the test rows, and its cost."""

    fitted: Fitted
    table: pd.DataFrame
    cost: Cost


@dataclass(frozen=True)
class TuningChoice:
    """Which of two models is kept, by their losses on training rows that were held out.

    Args:
        tuned: The model with tuned encoders.
        original: The same with encoders as they were.
        losses: Of both, in this order; 1.0 is as good as the best constant answer.
    """

    tuned: Trained
    original: Trained
    losses: tuple[float, float]

    @property
    def is_tuned(self) -> bool:
        """True where tuned encoders erred less, and are kept."""
        return self.losses[0] < self.losses[1]

    @property
    def kept(self) -> Trained:
        """The model that is saved and reported."""
        return self.tuned if self.is_tuned else self.original

    @property
    def other(self) -> tuple[str, Kind, Bundle, pd.DataFrame]:
        """What the model that is kept is compared with."""
        if self.is_tuned:
            return ORIGINAL, "original", self.original.fitted.bundle, self.original.table
        return TUNED, "tuned", self.tuned.fitted.bundle, self.tuned.table

    @property
    def statement(self) -> str:
        """Which is kept and why, in a sentence."""
        name, loss = (TUNED, 0) if self.is_tuned else (ORIGINAL, 1)
        return (
            f"Kept: {name}. Their loss on training rows held out is {self.losses[loss]:.4g}, the "
            f"other one {self.losses[1 - loss]:.4g} (1 is a constant answer); test rows had no say."
        )

    def to_dict(self) -> dict[str, object]:
        """The choice as plain JSON values."""
        return {
            "kept": TUNED if self.is_tuned else ORIGINAL,
            "held_out_loss": dict(zip((TUNED, ORIGINAL), self.losses, strict=True)),
        }


def trained(experiment: Experiment, *, stage: Stage = silent) -> Trained:
    """The model of an experiment, with tuned encoders if its recipe says so."""
    with measured() as cost:
        fitted = experiment.fit(experiment.recipe, stage=stage)
        table = experiment.predict(fitted.bundle, stage=stage)
    return Trained(fitted, table, cost)


def tuning_choice(
    tuned: Trained, experiment: Experiment, *, stage: Stage = silent
) -> TuningChoice | None:
    """Trains with encoders as they were, on the same rows with the same seed, and compares.

    Rows that the encoders were tuned on have no say: with one fold only those of early stopping
    are judged by. None where encoders were not tuned.
    """
    if tuned.fitted.tuned is None:
        return None
    recipe = replace(experiment.recipe, tuning=TuningSettings(mode="none"))
    original = trained(replace(experiment, recipe=recipe), stage=within(stage, ORIGINAL))
    rows = tuned.fitted.tuned.judged
    for one in (tuned, original):
        assert one.fitted.held_out is not None
        rows = np.intersect1d(rows, one.fitted.held_out.rows)
    return TuningChoice(tuned, original, (_loss(tuned.fitted, rows), _loss(original.fitted, rows)))


def _loss(fitted: Fitted, rows: NDArray[np.int64]) -> float:
    """Infinite where there is no row to judge by, so that encoders stay as they are."""
    if fitted.held_out is None or not len(rows):
        return math.inf
    model = fitted.bundle.model
    heads: dict[str, Head] = {name: model.head(name) for name in model.heads}
    loss = held_out_loss(heads, fitted.targets, fitted.held_out, rows)
    return math.inf if math.isnan(loss) else loss


def tuning_summary(experiment: Experiment, choice: TuningChoice) -> TuningSummary:
    """What the report says of a tuning."""
    fitted, cost, original = choice.tuned.fitted, choice.tuned.cost, choice.original
    assert fitted.tuned is not None
    encoders = fitted.tuned.encoders.values()
    return TuningSummary(
        statement=fitted.tuned.statement,
        how=how(experiment.recipe.tuning, list(fitted.tuned.encoders)),
        costs=(
            TuningCost(ORIGINAL, original.cost.seconds, original.cost.peak_gib),
            TuningCost(TUNED, cost.seconds, cost.peak_gib),
        ),
        kept=choice.statement,
        runs=tuple(
            Losses(run.train_loss, run.validation_loss, run.best_epoch) for run in fitted.tuned.runs
        ),
        n_changed=sum(_n_changed(encoder) for encoder in encoders),
        n_weights=sum(weight.numel() for encoder in encoders for weight in encoder.parameters()),
    )


def how(settings: TuningSettings, modalities: list[str]) -> str:
    """How encoders were tuned, in one sentence."""
    reach = {
        "lora": f"matrices of rank {settings.rank} beside the last {settings.layers} layers",
        "last_layers": f"the last {settings.layers} layers",
        "gradual": f"the last {settings.layers} layers, one after the other",
        "full": "all layers",
    }[settings.mode]
    return (
        f"Tuned for {' and '.join(modalities)}: {reach}, at most {settings.epochs} epochs, step "
        f"size {settings.learning_rate:g} at the last layer, {settings.layer_decay:g} of it at "
        "each layer before."
    )


def _n_changed(encoder: Encoder) -> int:
    own = encoder.own_state()
    return sum(own[name].numel() for name in encoder.tuned_names)

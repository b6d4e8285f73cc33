"""What tuning did to a model, beside the same model with original encoders."""

from dataclasses import dataclass, replace

import pandas as pd

from encoders.base import Encoder
from fusion.bundle import Bundle
from fusion.evaluation.result import Kind
from fusion.fitting.fitted import Fitted
from fusion.fitting.kept_encoders import ORIGINAL, TUNED, KeptEncoders, kept_encoders
from fusion.job_steps.cost import Cost, measured
from fusion.job_steps.measure import Experiment
from fusion.progress import Stage, silent, within
from fusion.report import Losses, TuningCost, TuningSummary
from fusion.tuning import TuningSettings


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
        original: The same with original encoders.
        verdict: Which of them errs less.
    """

    tuned: Trained
    original: Trained
    verdict: KeptEncoders

    @property
    def kept(self) -> Trained:
        """The model that is saved and reported."""
        return self.tuned if self.verdict.is_tuned else self.original

    @property
    def other(self) -> tuple[str, Kind, Bundle, pd.DataFrame]:
        """What the model that is kept is compared with."""
        if self.verdict.is_tuned:
            return ORIGINAL, "original", self.original.fitted.bundle, self.original.table
        return TUNED, "tuned", self.tuned.fitted.bundle, self.tuned.table


def trained(experiment: Experiment, *, stage: Stage = silent) -> Trained:
    """The model of an experiment, with tuned encoders if its spec says so."""
    with measured() as cost:
        fitted = experiment.fit(stage=stage)
        table = experiment.predict(fitted.bundle, stage=stage)
    return Trained(fitted, table, cost)


def tuning_choice(
    tuned: Trained, experiment: Experiment, *, stage: Stage = silent
) -> TuningChoice | None:
    """Trains with original encoders, on the same rows with the same seed, and compares.

    None where encoders were not tuned.
    """
    if tuned.fitted.tuned is None:
        return None
    spec = replace(experiment.spec, tuning=TuningSettings(mode="none"))
    original = trained(replace(experiment, spec=spec), stage=within(stage, ORIGINAL))
    return TuningChoice(tuned, original, kept_encoders(tuned.fitted, original.fitted))


def tuning_summary(experiment: Experiment, choice: TuningChoice) -> TuningSummary:
    """What the report says of a tuning."""
    fitted, cost, original = choice.tuned.fitted, choice.tuned.cost, choice.original
    assert fitted.tuned is not None
    encoders = fitted.tuned.encoders.values()
    return TuningSummary(
        description=fitted.tuned.description,
        how=how(experiment.spec.tuning, list(fitted.tuned.encoders)),
        costs=(
            TuningCost(ORIGINAL, original.cost.seconds, original.cost.peak_gib),
            TuningCost(TUNED, cost.seconds, cost.peak_gib),
        ),
        kept=choice.verdict.description,
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
    own = encoder.delta_state_dict()
    return sum(own[name].numel() for name in encoder.tuned_names)

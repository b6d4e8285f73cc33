"""What tuning did to a model, beside the same model with encoders as they were."""

from dataclasses import dataclass, replace

import pandas as pd

from encoders.base import Encoder
from fusion.bundle import Bundle
from fusion.fitting import Fitted
from fusion.jobs.cost import Cost, measured
from fusion.jobs.measure import ORIGINAL, Experiment
from fusion.progress import Stage, silent, within
from fusion.report import Losses, TuningCost, TuningSummary
from fusion.tuning import TuningSettings


@dataclass(frozen=True)
class Untuned:
    """The same model with encoders as they were, its answers on the test rows, and its cost."""

    bundle: Bundle
    table: pd.DataFrame
    cost: Cost


def untuned(experiment: Experiment, *, stage: Stage = silent) -> Untuned:
    """Trains with encoders as they were: same rows, same seed, same settings."""
    recipe = replace(experiment.recipe, tuning=TuningSettings(mode="none"))
    stage = within(stage, ORIGINAL)
    with measured() as cost:
        bundle = experiment.fit(recipe, stage=stage).bundle
        table = experiment.predict(bundle, stage=stage)
    return Untuned(bundle, table, cost)


def tuning_summary(
    experiment: Experiment, fitted: Fitted, cost: Cost, original: Untuned
) -> TuningSummary:
    """What the report says of a tuning."""
    assert fitted.tuned is not None
    encoders = fitted.tuned.encoders.values()
    return TuningSummary(
        statement=fitted.tuned.statement,
        how=how(experiment.recipe.tuning, list(fitted.tuned.encoders)),
        costs=(
            TuningCost(ORIGINAL, original.cost.seconds, original.cost.peak_gib),
            TuningCost("encoders tuned", cost.seconds, cost.peak_gib),
        ),
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

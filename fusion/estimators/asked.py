"""From the parameters of an estimator to what its training is asked to do, and where things lie."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sklearn.utils import check_random_state

from fusion.choices.columns import named_columns
from fusion.choices.encoders import EncoderChoices
from fusion.choices.mistakes import Mistakes, seeded_settings
from fusion.data.problems import shown
from fusion.system.files import expanded

if TYPE_CHECKING:
    from fusion.choices.heads import HeadChoice
    from fusion.estimators.base import FusionEstimator
    from fusion.fitting.spec import TrainingPaths, TrainingSpec


def training_paths(estimator: "FusionEstimator") -> "TrainingPaths":
    """Where the photos, the store and the states of a tuning lie.

    Raises:
        ConfigError: With every parameter that is no path.
    """
    from fusion.fitting.spec import TrainingPaths

    names = ("photos", "store", "tuning_folder")
    mistakes = Mistakes()
    paths: dict[str, Path | None] = {}
    for name in names:
        value = getattr(estimator, name)
        if value is None or isinstance(value, str | Path):
            paths[name] = None if value is None else expanded(value)
        else:
            mistakes.add([f"{name} must be a folder or None, got {shown(value)}."])
    mistakes.refuse()
    return TrainingPaths(paths["photos"], paths["store"], paths["tuning_folder"])


def training_spec(
    estimator: "FusionEstimator", heads: "Mapping[str, HeadChoice]", mistakes: Mistakes
) -> "TrainingSpec":
    """What `fit` is asked to do; wrong values are left at their defaults and told."""
    from fusion.fitting.members import member_choices
    from fusion.fitting.spec import TrainingSpec
    from fusion.training import TrainingSettings
    from fusion.tuning import TuningSettings

    seed = 0
    with mistakes.gathered():
        seed = int(check_random_state(estimator.random_state).randint(2**31 - 1))
    encoders, training = EncoderChoices(), TrainingSettings()
    members = None
    with mistakes.gathered():
        members = member_choices(estimator.members)
    tuning = TuningSettings(mode="none")
    with mistakes.gathered():
        encoders = EncoderChoices({} if estimator.encoders is None else estimator.encoders)
    with mistakes.gathered():
        training = seeded_settings(
            TrainingSettings, estimator.training or {}, seed=seed, source="training"
        )
    with mistakes.gathered():
        given = (
            {"mode": estimator.tuning} if isinstance(estimator.tuning, str) else estimator.tuning
        )
        tuning = seeded_settings(TuningSettings, given, seed=seed, source="tuning")
    return TrainingSpec(
        heads=heads,
        columns=named_columns(estimator.columns, estimator.text_numbers, mistakes),
        encoders=encoders,
        members=members,
        strategy=estimator.strategy,
        strategy_options={} if estimator.strategy_options is None else estimator.strategy_options,
        training=training,
        tuning=tuning,
        validation_fraction=estimator.validation_fraction,
        on_bad_rows=estimator.on_bad_rows,
    )

"""How a model is made, and the checks that come before the making."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from numbers import Real
from pathlib import Path
from typing import Any

import pandas as pd

from encoders.adapter import reached
from encoders.base import Encoder
from fusion.choices.build import fitted_mistakes, pretrained_encoders
from fusion.choices.checks import (
    Targets,
    are_known,
    check_usable,
    few_target_mistakes,
    head_mistakes,
    is_closed_form,
    strategy_mistakes,
    target_problems,
    unknown_rows,
)
from fusion.choices.encoders import EncoderChoices
from fusion.choices.heads import HeadChoice
from fusion.choices.mistakes import Mistakes
from fusion.choices.paths import folder_mistakes
from fusion.data.catalogue import Catalogue, build_catalogue
from fusion.data.codes import coded_columns
from fusion.data.infer import infer_schema
from fusion.data.policy import refuse_early
from fusion.data.problems import OnBadRows, Problem, check_policy
from fusion.errors import ConfigError, MissingExtraError
from fusion.fitting.members import (
    MemberChoices,
    asked_of_networks,
    member_mistakes,
    network_mistakes,
)
from fusion.progress import say_once
from fusion.training import TrainingSettings
from fusion.tuning import TuningSettings

MIN_ROWS = 5
TOO_FEW = (
    f"n_samples must be at least {MIN_ROWS} usable rows, got n_samples={{n_rows}}. Give more items."
)


@dataclass(frozen=True)
class TrainingSpec:
    """Everything that decides how a model is made, apart from the rows.

    Args:
        heads: Name -> head, target columns, options and decoder.
        columns: Role of a modality (see `MODALITIES`), or `id`, -> columns; a role that is None or
            not there is found in the table.
        encoders: Which encoder reads which modality.
        members: Which members the model has: name -> options, or a member of one's own; None for
            the default ones.
        strategy: Name of the fusion strategy of networks; None where nobody asked for one.
        strategy_options: Its options; the rest follows from the number of rows.
        training: How to train.
        tuning: How text and photo encoders are tuned before; by default they stay as they are.
        validation_fraction: Share of the rows that are held out of the members, in (0, 1), where
            `training.folds` is 1; else the folds take turns.
        on_bad_rows: What faulty rows do, see `Predictor`.
    """

    heads: Mapping[str, HeadChoice]
    columns: Mapping[str, Sequence[str] | None] = field(default_factory=dict)
    encoders: EncoderChoices = field(default_factory=EncoderChoices)
    members: MemberChoices | None = None
    strategy: str | None = None
    strategy_options: Mapping[str, Any] = field(default_factory=dict)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    tuning: TuningSettings = field(default_factory=lambda: TuningSettings(mode="none"))
    validation_fraction: float = 0.1
    on_bad_rows: OnBadRows = "raise"

    @property
    def needs_network(self) -> list[str]:
        """What was asked for that networks alone take."""
        return asked_of_networks(self.strategy, self.strategy_options, self.heads)


@dataclass(frozen=True)
class TrainingPaths:
    """Where things lie: photos, the store, states of a tuning, the table's name in messages."""

    photos: Path | None = None
    store: Path | None = None
    tuning: Path | None = None
    table: str = "items"


@dataclass(frozen=True)
class Checked:
    """What the checks before the work have read and built.

    Args:
        catalogue: The table, read by its schema.
        encoders: Encoders that need no fitting, by modality.
        target_problems: Targets that break a rule of their head, and rows without any target.
    """

    catalogue: Catalogue
    encoders: dict[str, Encoder]
    target_problems: list[Problem]


def check_choices(
    frame: pd.DataFrame,
    targets: Targets,
    *,
    spec: TrainingSpec,
    paths: TrainingPaths,
    mistakes: Mistakes,
) -> Checked:
    """Holds everything that was chosen against the table and the rest, before any work.

    With `on_bad_rows="raise"` faulty cells are told now, those of photos that cannot be decoded
    when they are embedded.

    Args:
        frame: One row an item.
        targets: Targets `[n, *target_shape]` for each head of the spec, NaN where there is none.
        spec: How a model is made.
        paths: Where things lie.
        mistakes: What has been found before; all of it is told together.

    Raises:
        CatalogueError, ConfigError, ImportError, OSError, ValueError: With every mistake.
    """
    mistakes.add(spec_mistakes(spec, targets))
    with mistakes.gathered():
        check_policy(spec.on_bad_rows)
    mistakes.add(folder_mistakes("store", paths.store))
    mistakes.add(folder_mistakes("tuning_folder", paths.tuning))
    with mistakes.gathered():
        check_logs(spec.training.tensorboard, spec.tuning.tensorboard)
    if len(frame) < MIN_ROWS:
        mistakes.add([TOO_FEW.format(n_rows=len(frame))])
    elif spec.heads.keys() >= targets.keys():
        mistakes.add(few_target_mistakes(spec.heads, targets, least=MIN_ROWS))
    found: list[Problem] = []
    catalogue, encoders = None, None
    with mistakes.gathered():
        catalogue = _read(frame, spec=spec, paths=paths)
        if spec.heads.keys() <= targets.keys() and are_known(spec.heads):
            found = target_problems(catalogue, spec.heads, targets)
            found += unknown_rows(catalogue, spec.heads, targets)
        refuse_early(catalogue, found, on_bad_rows=spec.on_bad_rows)
    if catalogue is not None:
        mistakes.add(fitted_mistakes(catalogue, spec.encoders))
        with mistakes.gathered():
            encoders = pretrained_encoders(
                spec.encoders, catalogue.schema.modalities, store=paths.store
            )
            check_tuning(spec.tuning, spec.heads, encoders)
            learning = [f"encoders.{name}, which trains" for name in encoders
                        if encoders[name].is_trainable]  # fmt: skip
            mistakes.add(member_mistakes(spec.members, closed_form=False, needs_network=learning))
    mistakes.refuse()
    assert catalogue is not None and encoders is not None
    return Checked(catalogue, encoders, found)


def _read(frame: pd.DataFrame, *, spec: TrainingSpec, paths: TrainingPaths) -> Catalogue:
    names = {column for choice in spec.heads.values() for column in choice.columns}
    exclude = [name for name in frame.columns if name in names]
    schema = infer_schema(
        frame,
        photos=paths.photos,
        exclude=exclude,
        given=spec.columns,
        source=paths.table,
    )
    coded = coded_columns(frame, schema, listed=spec.columns.get("categorical"))
    if coded:
        say_once(coded)
    check_usable(schema, source=paths.table)
    return build_catalogue(frame, schema, photos=paths.photos, source=paths.table)


def spec_mistakes(spec: TrainingSpec, targets: Targets) -> list[str]:
    """What is wrong with a spec whatever the table: names, options, shares."""
    mistakes = strategy_mistakes(spec.strategy, spec.strategy_options, heads=spec.heads)
    mistakes += head_mistakes(spec.heads, targets)
    closed_form = is_closed_form(spec.heads)
    mistakes += member_mistakes(
        spec.members, closed_form=closed_form, needs_network=spec.needs_network
    )
    mistakes += network_mistakes(spec.members, heads=spec.heads, strategy=spec.strategy)
    share = spec.validation_fraction
    if not isinstance(share, Real) or not 0 < share < 1:
        mistakes.append(f"validation_fraction must be a number in (0, 1), got {share!r}.")
    return mistakes


def check_tuning(
    settings: TuningSettings, heads: Mapping[str, HeadChoice], encoders: Mapping[str, Encoder]
) -> None:
    """Refuses a tuning that has nothing to tune, or that an encoder does not allow.

    Raises:
        ConfigError: If no encoder or head can be tuned, or an encoder has been tuned already.
        MissingExtraError: If LoRA is asked for and peft is not installed.
        ValueError: If an encoder has fewer layers.
    """
    if settings.mode == "none":
        return
    chosen = tunable(settings, encoders)
    if not chosen or is_closed_form(heads):
        what = "a linear head" if chosen else "none that can be tuned"
        of = f" of {' or '.join(settings.modalities)}" if settings.modalities else ""
        raise ConfigError(
            f"tuning must have a head trained by gradient and an encoder bert or resnet{of}, got "
            f"{what}. Use another head or encoder, or tuning mode 'none'."
        )
    for name, encoder in chosen.items():
        if encoder.adapter is not None:
            raise ConfigError(
                f"encoders.{name} must not have been tuned, got one with {encoder.adapter.kind}. "
                "Build a fresh encoder."
            )
        reached(settings.adapter, encoder.blocks)
    if settings.mode == "lora" and find_spec("peft") is None:
        raise MissingExtraError("LoRA", extra="lora")


def check_logs(*folders: Path | None) -> None:
    """Refuses logs for TensorBoard that cannot be written.

    Raises:
        ConfigError: If a folder can neither be found nor made.
        MissingExtraError: If a folder is given and tensorboard is not installed.
    """
    if any(folder is not None for folder in folders) and find_spec("tensorboard") is None:
        raise MissingExtraError("tensorboard", extra="tensorboard")
    mistakes = Mistakes()
    for folder in folders:
        mistakes.add(folder_mistakes("tensorboard", folder))
    mistakes.refuse()


def tunable(settings: TuningSettings, encoders: Mapping[str, Encoder]) -> dict[str, Encoder]:
    """The encoders that a tuning changes."""
    return {
        name: encoders[name]
        for name in settings.modalities or encoders
        if name in encoders and encoders[name].blocks
    }

"""From a table and targets to a trained bundle: the one way in which models are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from encoders.base import Encoder
from fusion.build import (
    CLOSED_FORM_FUSION,
    EncoderChoice,
    HeadChoice,
    build_fusion,
    build_heads,
    fitted_encoders,
    own_encoder,
    pretrained_encoders,
)
from fusion.bundle import Bundle
from fusion.data.batch import ModelInputs
from fusion.data.catalogue import Catalogue, build_catalogue
from fusion.data.folds import DRAWN, Validation, validation_folds
from fusion.data.infer import infer_schema
from fusion.data.policy import OnBadRows, apply_policy
from fusion.data.problems import Problem
from fusion.embedding import Prepared, prepare_inputs
from fusion.errors import ConfigError, unknown_name
from fusion.model import ProductModel
from fusion.predictor import fuse_rows
from fusion.progress import Stage, silent
from fusion.rounding import largest_changes
from fusion.store import StoreReport
from fusion.training import TrainingHistory, TrainingSettings, fit_ensemble
from fusion.tuning import TuningSettings
from fusion.tuning.crossfit import CrossFit, Tuned, TuningData
from heads import HEADS

Targets = Mapping[str, NDArray[np.float64]]
Rows = NDArray[np.int64]
MIN_ROWS = 5


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a model is made, apart from the rows.

    Args:
        heads: Name -> head, target column and options.
        columns: Role (`text`, `image`, `numeric`, `categorical`, `dates`, `history`, `id`) ->
            columns; a role that is None or not there is found in the table.
        encoders: Which encoders read text and photos.
        strategy: Name of the fusion strategy.
        strategy_options: Its options; the rest follows from the number of rows.
        training: How to train.
        tuning: How text and photo encoders are tuned before; by default they stay as they are.
        validation_fraction: Share of the rows that early stopping looks at, in (0, 1); taken
            where one network is trained (`training.folds` is 1), else the folds are these rows.
        on_bad_rows: What faulty rows do, see `Predictor`.
        formats: How columns write numbers and dates where a larger table showed it, see
            `Schema.formats`; None finds it in the rows that are trained on.
    """

    heads: Mapping[str, HeadChoice]
    columns: Mapping[str, Sequence[str] | None] = field(default_factory=dict)
    encoders: EncoderChoice = field(default_factory=EncoderChoice)
    strategy: str = "concat"
    strategy_options: Mapping[str, Any] = field(default_factory=dict)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    tuning: TuningSettings = field(default_factory=lambda: TuningSettings(mode="none"))
    validation_fraction: float = 0.1
    on_bad_rows: OnBadRows = "raise"
    formats: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Sources:
    """Where things lie: photos, the store, states of a tuning, the table's name in messages."""

    photos: Path | None = None
    store: Path | None = None
    tuning: Path | None = None
    table: str = "items"


@dataclass(frozen=True)
class Fitted:
    """A trained bundle and how it came about.

    Args:
        bundle: The model.
        histories: Losses by epoch of each network.
        dropped: Row -> why it was left out.
        problems: Every problem that was found, also those that did not drop a row.
        reports: Counts of the embedding store for each cached modality.
        ignored: Column -> why it was not used.
        tuned: What tuning did; None where encoders stayed as they were.
    """

    bundle: Bundle
    histories: list[TrainingHistory]
    dropped: dict[int, str]
    problems: list[Problem]
    reports: dict[str, StoreReport]
    ignored: dict[str, str]
    tuned: Tuned | None = None


def fit_bundle(
    frame: pd.DataFrame,
    targets: Targets,
    *,
    recipe: Recipe,
    sources: Sources,
    validation: Validation = DRAWN,
    stage: Stage = silent,
) -> Fitted:
    """Trains a model on the rows of a table.

    Args:
        frame: One row an item.
        targets: Targets `[n]` in business units for each head of the recipe.
        recipe: How.
        sources: Where the photos and the store are.
        validation: Which rows early stopping looks at.
        stage: Opens progress bars.

    Raises:
        CatalogueError: If the table has problems and bad rows must not be.
        ConfigError: If the recipe has mistakes.
        FloatingPointError: If a training or tuning has diverged.
        ValueError: If fewer than 5 usable rows are left.
    """
    _check_heads(recipe)
    names = {choice.target for choice in recipe.heads.values()}
    exclude = [name for name in frame.columns if name in names]
    schema = infer_schema(
        frame,
        photos=sources.photos,
        exclude=exclude,
        given=recipe.columns,
        formats=recipe.formats,
    )
    catalogue = build_catalogue(frame, schema, photos=sources.photos, source=sources.table)
    encoders = pretrained_encoders(recipe.encoders, schema.modalities, store=sources.store)
    prepared = prepare_inputs(encoders, catalogue, store=sources.store, stage=stage)
    extra = [*prepared.problems, *_target_problems(catalogue, targets, recipe=recipe)]
    good, dropped = apply_policy(catalogue, extra, on_bad_rows=recipe.on_bad_rows)
    kept = np.asarray([row for row in range(len(catalogue)) if row not in dropped], dtype=np.int64)
    job = _Fit(good, recipe=recipe, sources=sources, stage=stage)
    bundle, histories, tuned = job.run(
        encoders,
        prepared.inputs.take(kept),
        targets={name: values[kept] for name, values in targets.items()},
        validation=validation.of_rows(kept),
    )
    return Fitted(
        bundle=bundle,
        histories=histories,
        tuned=tuned,
        dropped=dropped,
        problems=[*catalogue.problems, *extra],
        reports=prepared.reports,
        ignored=dict(schema.ignored),
    )


class _Fit:
    """The part of `fit_bundle` that works on faultless rows."""

    def __init__(
        self, catalogue: Catalogue, *, recipe: Recipe, sources: Sources, stage: Stage
    ) -> None:
        if len(catalogue) < MIN_ROWS:
            raise ValueError(
                f"n_samples must be at least {MIN_ROWS} usable rows, "
                f"got n_samples={len(catalogue)}. Give more items."
            )
        self.catalogue = catalogue
        self.recipe = recipe
        self.sources = sources
        self.stage = stage
        self.closed_form = _is_closed_form(recipe)

    def run(
        self,
        encoders: dict[str, Encoder],
        inputs: ModelInputs,
        *,
        targets: Targets,
        validation: Validation,
    ) -> tuple[Bundle, list[TrainingHistory], Tuned | None]:
        with torch.random.fork_rng(devices=[]):
            tuned = self._tuned(encoders, inputs, targets, validation)
            if tuned is not None:
                encoders = {**encoders, **tuned.encoders}
                inputs = inputs.merged(ModelInputs(inputs.present, tuned.learned_from))
            encoders, inputs = self._with_fitted(encoders, inputs)
            embedded = {} if tuned is None else tuned.embedded
            known = inputs.merged(ModelInputs(inputs.present, embedded))
            folds = self._folds(validation)
            ensemble, histories = fit_ensemble(
                lambda: self._model(encoders, targets),
                inputs,
                targets,
                folds=folds,
                settings=self.recipe.training,
                known=known,
                stage=self.stage,
            )
        bundle = Bundle(
            model=ensemble,
            schema=self.catalogue.schema,
            targets={name: choice.target for name, choice in self.recipe.heads.items()},
            reference_ids=list(self.catalogue.ids),
        )
        if tuned is not None:
            bundle.info["tuning"] = tuned.statement
        bundle.reference = fuse_rows(bundle, known)
        held_out = np.unique(np.concatenate(folds))
        moved = largest_changes(
            bundle, known, self.catalogue.values, held_out, store=self.sources.store
        )
        if moved is not None:
            bundle.info["bfloat16"] = moved
        return bundle, histories, tuned

    def _tuned(
        self,
        encoders: Mapping[str, Encoder],
        inputs: ModelInputs,
        targets: Targets,
        validation: Validation,
    ) -> Tuned | None:
        """Text and photo encoders after tuning; None where they stay as they are."""
        settings = self.recipe.tuning
        if settings.mode == "none":
            return None
        chosen: dict[str, Encoder] = {
            name: encoders[name]
            for name in settings.modalities
            if name in encoders and encoders[name].blocks
        }
        if self.closed_form or not chosen:
            what = "a linear head" if self.closed_form else "none that can be tuned"
            raise ConfigError(
                "tuning must have a head trained by gradient and an encoder bert or resnet of "
                f"{' or '.join(settings.modalities)}, got {what}. Use another head or encoder, or "
                "tuning mode 'none'."
            )
        job = CrossFit(
            chosen,
            lambda adapted: self._model(adapted, targets),
            settings,
            store=self.sources.store,
            folder=self.sources.tuning,
            stage=self.stage,
        )
        values: dict[str, list[Any]] = {
            name: [
                value if there else None
                for value, there in zip(
                    self.catalogue.values[name], inputs.present[name].tolist(), strict=True
                )
            ]
            for name in chosen
        }
        data = TuningData(values, {name: inputs.present[name] for name in chosen}, targets)
        return job.run(data, validation=validation, share=self.recipe.validation_fraction)

    def _folds(self, validation: Validation) -> list[Rows]:
        settings = self.recipe.training
        return validation_folds(
            validation,
            n_rows=len(self.catalogue),
            n_folds=1 if self.closed_form else settings.folds,
            share=self.recipe.validation_fraction,
            seed=settings.seed,
        )

    def _with_fitted(
        self, encoders: dict[str, Encoder], inputs: ModelInputs
    ) -> tuple[dict[str, Encoder], ModelInputs]:
        transform = "linear" if self.closed_form else "squash"
        left = [name for name in self.catalogue.schema.modalities if name not in encoders]
        fresh = fitted_encoders(self.catalogue, modalities=left, transform=transform)
        more: Prepared = prepare_inputs(fresh, self.catalogue, stage=self.stage)
        return {**encoders, **fresh}, inputs.merged(more.inputs)

    def _model(self, encoders: Mapping[str, Encoder], targets: Targets) -> ProductModel:
        """An untrained network; encoders that train are its own, the others are shared."""
        own = {name: own_encoder(encoder) for name, encoder in encoders.items()}
        dims = {name: encoder.embedding_dim for name, encoder in own.items()}
        strategy = CLOSED_FORM_FUSION if self.closed_form else self.recipe.strategy
        suited = {"projection_dim": suited_projection(len(self.catalogue))}
        fusion = build_fusion(strategy, dims, self.recipe.strategy_options, suited=suited)
        heads = build_heads(self.recipe.heads, targets, in_dim=fusion.fused_dim)
        return ProductModel(own, fusion=fusion, heads=heads)


def suited_projection(n_rows: int) -> int:
    """Length of a projected embedding for a number of rows: a 40th of it, in 16..64.

    Why: wide projections overfit a few hundred products.
    """
    return min(max(n_rows // 40, 16), 64)


def _is_closed_form(recipe: Recipe) -> bool:
    return all(HEADS[choice.head].closed_form for choice in recipe.heads.values())


def _check_heads(recipe: Recipe) -> None:
    if not recipe.heads:
        raise ConfigError("heads must hold at least one head, got none.")
    for choice in recipe.heads.values():
        if choice.head not in HEADS:
            raise ConfigError(unknown_name("head", choice.head, HEADS))
    kinds = {HEADS[choice.head].closed_form for choice in recipe.heads.values()}
    if len(kinds) > 1:
        raise ConfigError(
            "heads must all be trained by gradient or all be solved in closed form, got both. "
            "Train the linear head in a run of its own."
        )


def _target_problems(catalogue: Catalogue, targets: Targets, *, recipe: Recipe) -> list[Problem]:
    """One problem for each row whose target breaks a rule of its head."""
    return [
        Problem(
            code="bad_target",
            message=f"must be {rule}, got {values[row]:g}",
            row=int(row),
            id=catalogue.ids[row],
            column=recipe.heads[name].target,
        )
        for name, values in targets.items()
        for rule, broken in HEADS[recipe.heads[name].head].target_faults(values).items()
        for row in np.flatnonzero(broken)
    ]

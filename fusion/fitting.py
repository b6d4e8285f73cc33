"""From a table and targets to a trained bundle: the one way in which models are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from encoders.base import Encoder
from fusion.blending import score_decoder
from fusion.build import (
    CLOSED_FORM_FUSION,
    build_decoders,
    build_fusion,
    build_heads,
    fitted_encoders,
    own_encoder,
    targets_by_column,
)
from fusion.bundle import TITLE_CHARACTERS, Bundle, content_of
from fusion.choices import Targets, few_target_mistakes, is_closed_form
from fusion.data.batch import ModelInputs
from fusion.data.catalogue import Catalogue
from fusion.data.duplicates import near_duplicate_groups
from fusion.data.folds import DRAWN, Validation, validation_folds
from fusion.data.frames import as_frame
from fusion.data.known import known_rows, missing_target_notes
from fusion.data.leaks import find_leaks
from fusion.data.policy import apply_policy, left_out
from fusion.data.problems import Problem
from fusion.embedding import Prepared, prepare_inputs
from fusion.ensemble import ProductEnsemble
from fusion.mistakes import Mistakes
from fusion.model import ProductModel
from fusion.progress import Stage, silent, within
from fusion.recipe import MIN_ROWS, TOO_FEW, Recipe, Sources, check_choices, tunable
from fusion.rounding import largest_changes
from fusion.store import StoreReport
from fusion.trainers import training_alone
from fusion.training import TrainingHistory, best_options, fit_ensemble
from fusion.training.options import Candidate
from fusion.training.shares import HeldOut
from fusion.training.threads import computing_with, threads_for
from fusion.tuning.crossfit import CrossFit, Tuned, TuningData
from heads import HEADS
from heads.base import Head

Rows = NDArray[np.int64]

FEW_WORDS = 8  # with fewer, a text beside a photo names a kind of product, not one product


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
        held_out: Answers on rows held out; None where heads were solved in closed form.
        targets: Targets of the rows that were learned from, by head; NaN where there is none.
        missing: A sentence for each target that some of these rows lack.
        leaks: Head -> which columns say nearly all of its target; see `fusion.data.leaks`.
    """

    bundle: Bundle
    histories: list[TrainingHistory]
    dropped: dict[int, str]
    problems: list[Problem]
    reports: dict[str, StoreReport]
    ignored: dict[str, str]
    tuned: Tuned | None = None
    held_out: HeldOut | None = None
    targets: Targets = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    leaks: dict[str, str] = field(default_factory=dict)


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
        targets: Targets `[n, *target_shape]` in business units for each head of the recipe, NaN
            where there is none: the row is left out for this head alone.
        recipe: How.
        sources: Where the photos and the store are.
        validation: Which rows early stopping looks at; see `with_groups` where nothing is given.
        stage: Opens progress bars.

    Raises:
        CatalogueError: If the table has problems and bad rows must not be.
        ConfigError: If the recipe has mistakes.
        FloatingPointError: If a training or tuning has diverged.
        ValueError: If fewer than 5 usable rows are left, or fewer than 5 with the target of a head.
    """
    frame = as_frame(frame)
    checked = check_choices(frame, targets, recipe=recipe, sources=sources, mistakes=Mistakes())
    catalogue, encoders = checked.catalogue, checked.encoders
    learning = within(stage, "rows to learn from")  # a job has embedded all rows before
    prepared = prepare_inputs(encoders, catalogue, store=sources.store, stage=learning)
    extra = [*prepared.problems, *checked.target_problems]
    good, dropped = apply_policy(catalogue, extra, on_bad_rows=recipe.on_bad_rows)
    if len(good) < MIN_ROWS:
        raise ValueError(TOO_FEW.format(n_rows=len(good)) + left_out(dropped))
    kept = np.asarray([row for row in range(len(catalogue)) if row not in dropped], dtype=np.int64)
    validation = with_groups(validation.of_rows(kept), good, recipe=recipe)
    job = _Fit(good, recipe=recipe, sources=sources, stage=stage)
    targets = {name: values[kept] for name, values in targets.items()}
    few = few_target_mistakes(recipe.heads, targets, least=MIN_ROWS)
    if few:
        raise ValueError("\n".join(few) + left_out(dropped))
    leaks = find_leaks(good, targets_by_column(recipe.heads, targets))
    bundle, histories, tuned, held_out = job.run(
        encoders,
        prepared.inputs.take(kept),
        targets=targets,
        validation=validation,
    )
    return Fitted(
        bundle=bundle,
        histories=histories,
        tuned=tuned,
        dropped=dropped,
        problems=[*catalogue.problems, *extra],
        reports=prepared.reports,
        ignored=dict(catalogue.schema.ignored),
        held_out=held_out,
        targets=targets,
        missing=missing_target_notes(
            {recipe.heads[name].target_name: values for name, values in targets.items()}
        ),
        leaks={
            name: " ".join(dict.fromkeys(found))
            for name, choice in recipe.heads.items()
            if (found := [leaks[column] for column in choice.columns if column in leaks])
        },
    )


def with_groups(validation: Validation, catalogue: Catalogue, *, recipe: Recipe) -> Validation:
    """Folds that keep near-duplicate texts and photos on one side, where none are given.

    Why: a network that is stopped on copies of its training rows is stopped too late. Where one
    group holds more rows than a fold (texts that are all but labels), rows are drawn by themselves,
    as folds would be of very different sizes. A text of fewer than 8 words beside a photo ("long
    dress, black") is the name of a kind, which new items share too: there the photo decides.
    """
    given = validation.rows is not None or validation.groups is not None
    values: dict[str, Any] = catalogue.values
    if given or is_closed_form(recipe.heads) or not {"text", "image"} & values.keys():
        return validation
    groups = near_duplicate_groups(texts=_telling_texts(catalogue), photos=values.get("image"))
    largest = np.bincount(groups).max(initial=0)
    useful = 1 < largest <= len(groups) / max(2, recipe.training.folds)
    return Validation(groups=groups) if useful else validation


def _telling_texts(catalogue: Catalogue) -> list[str | None] | None:
    """The texts, without those of a few words beside a photo."""
    texts: Any = catalogue.values.get("text")
    photos = catalogue.present.get("image")
    if texts is None or photos is None:
        return None if texts is None else list(texts)
    return [
        None if there and len((text or "").split()) < FEW_WORDS else text
        for text, there in zip(texts, photos.tolist(), strict=True)
    ]


class _Fit:
    """The part of `fit_bundle` that works on faultless rows."""

    def __init__(
        self, catalogue: Catalogue, *, recipe: Recipe, sources: Sources, stage: Stage
    ) -> None:
        self.catalogue = catalogue
        self.recipe = recipe
        self.sources = sources
        self.stage = stage
        self.closed_form = is_closed_form(recipe.heads)
        self.heads: dict[str, Head] = {}

    def run(
        self,
        encoders: dict[str, Encoder],
        inputs: ModelInputs,
        *,
        targets: Targets,
        validation: Validation,
    ) -> tuple[Bundle, list[TrainingHistory], Tuned | None, HeldOut | None]:
        with training_alone():
            torch.manual_seed(self.recipe.training.seed)
            encoders, inputs = self._with_fitted(encoders, inputs)
            folds = self._folds(validation)
            self.heads = build_heads(self.recipe.heads, targets)
            self._decide_options(encoders, inputs, targets, folds)
            tuned = self._tuned(encoders, inputs, targets, validation)
            if tuned is not None:
                encoders = {**encoders, **tuned.encoders}
                inputs = inputs.merged(ModelInputs(inputs.present, tuned.learned_from))
            embedded = {} if tuned is None else tuned.embedded
            known = inputs.merged(ModelInputs(inputs.present, embedded))
            ensemble, histories, answers = fit_ensemble(
                lambda: self._model(encoders),
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
            targets={name: choice.columns for name, choice in self.recipe.heads.items()},
            reference_ids=list(self.catalogue.ids),
            reference_titles=[title[:TITLE_CHARACTERS] for title in self.catalogue.titles],
            reference_targets=targets_by_column(self.recipe.heads, targets),
        )
        if tuned is not None:
            bundle.info["tuning"] = tuned.statement
        bundle.reference = content_of(ensemble, known)
        held_out = np.unique(np.concatenate(folds))
        moved = largest_changes(
            bundle, known, self.catalogue.values, held_out, store=self.sources.store
        )
        if moved is not None:
            bundle.info["bfloat16"] = moved
        return bundle, histories, tuned, answers

    def _decide_options(
        self,
        encoders: Mapping[str, Encoder],
        inputs: ModelInputs,
        targets: Targets,
        folds: Sequence[Rows],
    ) -> None:
        """Puts in the recipe what rows held out say where a head leaves its options open.

        It is decided by encoders as they are before a tuning, which needs the heads.
        """
        choices = self.recipe.heads
        known = {name: values[known_rows(values)] for name, values in targets.items()}
        options = {
            name: HEADS[choice.head].open_options(known[name], **choice.options)
            for name, choice in choices.items()
        }
        candidates = {
            name: [
                Candidate(
                    head := HEADS[choices[name].head].fitted(known[name], **each),
                    score_decoder(head),
                )
                for each in some
            ]
            for name, some in options.items()
            if len(some) > 1
        }
        if not candidates:
            return
        with computing_with(threads_for(self.recipe.training.threads, inputs)):
            best = best_options(
                ProductEnsemble([self._model(encoders)]).eval(),
                inputs,
                targets,
                candidates=candidates,
                folds=folds,
                seed=self.recipe.training.seed,
            )
        decided = {
            name: replace(choices[name], options=options[name][place])
            for name, place in best.items()
        }
        self.recipe = replace(self.recipe, heads={**choices, **decided})
        self.heads = build_heads(self.recipe.heads, targets)

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
        chosen = tunable(settings, encoders)
        job = CrossFit(
            chosen,
            self._model,
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
        fresh = fitted_encoders(
            self.catalogue, self.recipe.encoders, modalities=left, transform=transform
        )
        more: Prepared = prepare_inputs(fresh, self.catalogue, stage=self.stage)
        return {**encoders, **fresh}, inputs.merged(more.inputs)

    def _model(self, encoders: Mapping[str, Encoder]) -> ProductModel:
        """An untrained network; all of them share heads, and encoders that do not train."""
        own = {name: own_encoder(encoder) for name, encoder in encoders.items()}
        dims = {name: encoder.embedding_dim for name, encoder in own.items()}
        strategy = CLOSED_FORM_FUSION if self.closed_form else self.recipe.strategy
        suited = {"projection_dim": suited_projection(len(self.catalogue))}
        fusion = build_fusion(strategy, dims, self.recipe.strategy_options, suited=suited)
        names = {name: choice.decoder for name, choice in self.recipe.heads.items()}
        decoders = build_decoders(self.heads, fused_dim=fusion.fused_dim, names=names)
        return ProductModel(own, fusion=fusion, heads=self.heads, decoders=decoders)


def suited_projection(n_rows: int) -> int:
    """Length of a projected embedding for a number of rows: a 40th of it, in 16..64.

    Why: wide projections overfit a few hundred products.
    """
    return min(max(n_rows // 40, 16), 64)

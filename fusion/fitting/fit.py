"""From ready rows and targets to a trained bundle: the one way in which models are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from encoders.base import Encoder
from fusion.bundle import TITLE_CHARACTERS, Bundle, content_of
from fusion.choices.build import (
    CLOSED_FORM_FUSION,
    build_decoders,
    build_fusion,
    build_heads,
    fitted_encoders,
    own_encoder,
    suited_projection,
    targets_by_column,
)
from fusion.choices.checks import Targets, is_closed_form
from fusion.choices.heads import HeadChoice
from fusion.data.batch import ModelInputs
from fusion.data.folds import DRAWN, Validation, validation_folds
from fusion.data.known import known_rows, missing_target_notes
from fusion.data.leaks import find_leaks
from fusion.data.problems import raise_for
from fusion.ensemble import ProductEnsemble
from fusion.fitting.rounding import largest_changes
from fusion.fitting.spec import TrainingPaths, TrainingSpec, tunable
from fusion.members.blending import score_decoder
from fusion.network import FusionNetwork
from fusion.progress import Stage, silent
from fusion.ready import ReadyItems
from fusion.training import TrainingHistory, best_options, fit_ensemble
from fusion.training.blend_weights import OutOfFold
from fusion.training.options import Candidate
from fusion.training.threads import computing_with, threads_for
from fusion.tuning.crossfit import CrossFit, Tuned, TuningData
from fusion.tuning.trainers import training_alone
from heads import HEADS
from heads.base import Head

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Fitted:
    """A trained bundle and how it came about.

    Args:
        bundle: The model.
        histories: Losses by epoch of each network.
        targets: Targets of the rows that were learned from, by head; NaN where there is none.
        watched: Rows `[n_watched]` that early stopping looked at.
        tuned: What tuning did; None where nothing was tuned.
        out_of_fold: Answers on rows held out; None where heads were solved in closed form.
        dropped: Row of the table -> why it was left out.
        missing: A sentence for each target that some of these rows lack.
        leaks: Head -> which columns say nearly all of its target; see `fusion.data.leaks`.
    """

    bundle: Bundle
    histories: list[TrainingHistory]
    targets: Targets
    watched: Rows
    tuned: Tuned | None = None
    out_of_fold: OutOfFold | None = None
    dropped: Mapping[int, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    leaks: dict[str, str] = field(default_factory=dict)


def fit_ready(
    ready: ReadyItems,
    targets: Targets,
    *,
    spec: TrainingSpec,
    paths: TrainingPaths,
    validation: Validation = DRAWN,
    stage: Stage = silent,
) -> Fitted:
    """Trains a model on rows that are ready: nothing of them is read or embedded again.

    Why apart from reading: a run trains many models of one table. Fitted encoders learn from these
    rows alone.

    Args:
        ready: The rows to learn from.
        targets: Targets `[n, *target_shape]` in business units for each head of the spec, NaN
            where there is none: the row is left out for this head alone.
        spec: How.
        paths: Where the store and the states of a tuning are.
        validation: Which rows early stopping looks at; see `with_groups` where nothing is given.
        stage: Opens progress bars.

    Raises:
        FloatingPointError: If a training or tuning has diverged.
    """
    job = _Fit(ready, spec=spec, paths=paths, stage=stage)
    return job.run(targets, validation=validation)


def with_findings(
    fitted: Fitted, ready: ReadyItems, *, heads: Mapping[str, HeadChoice], store: Path | None
) -> Fitted:
    """Adds what is told of a model that is kept, and need not be known of any other.

    Args:
        fitted: The model.
        ready: The rows that it learned from.
        heads: Its heads.
        store: Folder of the embedding store; None keeps nothing.

    Returns:
        The model with leaks and missing targets; what bfloat16 changes stands in its bundle.
    """
    leaks = find_leaks(ready.catalogue, targets_by_column(heads, fitted.targets))
    moved = largest_changes(fitted.bundle, ready, fitted.watched, store=store)
    if moved is not None:
        fitted.bundle.info["bfloat16"] = moved
    return replace(
        fitted,
        missing=missing_target_notes(
            {heads[name].target_name: values for name, values in fitted.targets.items()}
        ),
        leaks={
            name: " ".join(dict.fromkeys(found))
            for name, choice in heads.items()
            if (found := [leaks[column] for column in choice.columns if column in leaks])
        },
    )


class _Fit:
    """One call of `fit_ready`, step by step."""

    def __init__(
        self, ready: ReadyItems, *, spec: TrainingSpec, paths: TrainingPaths, stage: Stage
    ) -> None:
        self.ready = ready
        self.catalogue = ready.catalogue
        self.spec = spec
        self.paths = paths
        self.stage = stage
        self.closed_form = is_closed_form(spec.heads)
        self.heads: dict[str, Head] = {}

    def run(self, targets: Targets, *, validation: Validation) -> Fitted:
        with training_alone():
            torch.manual_seed(self.spec.training.seed)
            encoders, inputs = self._with_fitted()
            folds = self._folds(validation)
            self.heads = build_heads(self.spec.heads, targets)
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
                settings=self.spec.training,
                known=known,
                stage=self.stage,
            )
        bundle = self._bundle(ensemble, known, targets)
        if tuned is not None:
            bundle.info["tuning"] = tuned.description
        watched = np.unique(np.concatenate(folds))
        return Fitted(bundle, histories, targets, watched, tuned=tuned, out_of_fold=answers)

    def _bundle(self, ensemble: ProductEnsemble, known: ModelInputs, targets: Targets) -> Bundle:
        return Bundle(
            model=ensemble,
            schema=self.catalogue.schema,
            targets={name: choice.columns for name, choice in self.spec.heads.items()},
            reference_ids=list(self.catalogue.ids),
            reference_titles=[title[:TITLE_CHARACTERS] for title in self.catalogue.titles],
            reference_targets=targets_by_column(self.spec.heads, targets),
            reference=content_of(ensemble, known),
        )

    def _decide_options(
        self,
        encoders: Mapping[str, Encoder],
        inputs: ModelInputs,
        targets: Targets,
        folds: Sequence[Rows],
    ) -> None:
        """Puts in the spec what rows held out say where a head leaves its options open.

        It is decided by encoders as they are before a tuning, which needs the heads.
        """
        choices = self.spec.heads
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
        with computing_with(threads_for(self.spec.training.threads, inputs)):
            best = best_options(
                ProductEnsemble([self._model(encoders)]).eval(),
                inputs,
                targets,
                candidates=candidates,
                folds=folds,
                seed=self.spec.training.seed,
            )
        decided = {
            name: replace(choices[name], options=options[name][place])
            for name, place in best.items()
        }
        self.spec = replace(self.spec, heads={**choices, **decided})
        self.heads = build_heads(self.spec.heads, targets)

    def _tuned(
        self,
        encoders: Mapping[str, Encoder],
        inputs: ModelInputs,
        targets: Targets,
        validation: Validation,
    ) -> Tuned | None:
        """Text and photo encoders after tuning; None where they stay as they are."""
        settings = self.spec.tuning
        if settings.mode == "none":
            return None
        chosen = tunable(settings, encoders)
        job = CrossFit(
            chosen,
            self._model,
            settings,
            store=self.paths.store,
            folder=self.paths.tuning,
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
        return job.run(data, validation=validation, share=self.spec.validation_fraction)

    def _folds(self, validation: Validation) -> list[Rows]:
        settings = self.spec.training
        return validation_folds(
            validation,
            n_rows=len(self.catalogue),
            n_folds=1 if self.closed_form else settings.folds,
            share=self.spec.validation_fraction,
            seed=settings.seed,
        )

    def _with_fitted(self) -> tuple[dict[str, Encoder], ModelInputs]:
        """All encoders, those that learn from rows fitted on these, and what they make of them."""
        transform = "linear" if self.closed_form else "squash"
        known = self.ready.encoders
        left = [name for name in self.catalogue.schema.modalities if name not in known]
        fresh = fitted_encoders(
            self.catalogue, self.spec.encoders, modalities=left, transform=transform
        )
        encoders = {**known, **fresh}
        prepared = self.ready.prepared(encoders, stage=self.stage)
        raise_for(prepared.problems, source=self.catalogue.source)  # they were fitted on these
        return encoders, prepared.inputs

    def _model(self, encoders: Mapping[str, Encoder]) -> FusionNetwork:
        """An untrained network; all of them share heads, and encoders that do not train."""
        own = {name: own_encoder(encoder) for name, encoder in encoders.items()}
        dims = {name: encoder.embedding_dim for name, encoder in own.items()}
        strategy = CLOSED_FORM_FUSION if self.closed_form else self.spec.strategy
        suited = {"projection_dim": suited_projection(len(self.catalogue))}
        fusion = build_fusion(strategy, dims, self.spec.strategy_options, suited=suited)
        names = {name: choice.decoder for name, choice in self.spec.heads.items()}
        decoders = build_decoders(self.heads, fused_dim=fusion.fused_dim, names=names)
        return FusionNetwork(own, fusion=fusion, heads=self.heads, decoders=decoders)

"""From ready rows and targets to a trained bundle: the one way in which models are made."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from encoders.base import Encoder
from encoders.process_state import OwnGenerators
from fusion.bundle import TITLE_CHARACTERS, Bundle, content_of
from fusion.calibration import calibrate, weight_as_asked
from fusion.choices.build import build_heads, fitted_encoders, targets_by_column
from fusion.choices.checks import Targets, is_closed_form
from fusion.data.batch import ModelInputs
from fusion.data.folds import DRAWN, RowOptions, hide_levels, validation_folds
from fusion.data.problems import raise_for
from fusion.data.training_rows import TrainingRows
from fusion.fitting.fitted import Fitted
from fusion.fitting.heads import decided_heads
from fusion.fitting.members import (
    NETWORK,
    MemberChoices,
    built_members,
    chosen_members,
    settings_without_effect,
)
from fusion.fitting.out_of_fold import OutOfFold
from fusion.fitting.spec import TrainingPaths, TrainingSpec, tunable
from fusion.members.base import Floats, Member
from fusion.members.network import NetworkMember
from fusion.members.view import Rows, View, view_of
from fusion.model import ProductModel
from fusion.network import FusionNetwork, Raw
from fusion.progress import Stage, say_once, silent
from fusion.ready import ReadyItems
from fusion.stack import Stack, fit_stack, new_out_of_fold
from fusion.training import TrainingHistory
from fusion.training.threads import computing_with, threads_for
from heads.base import Head

if TYPE_CHECKING:
    from fusion.tuning.crossfit import Tuned


def fit_ready(
    ready: ReadyItems,
    targets: Targets,
    *,
    spec: TrainingSpec,
    paths: TrainingPaths,
    options: RowOptions = DRAWN,
    stage: Stage = silent,
) -> Fitted:
    """Trains a model on rows that are ready: nothing of them is read or embedded again.

    Why apart from reading: a run trains many models of one table. Encoders learn from these rows.

    Args:
        ready: The rows to learn from.
        targets: Targets `[n, *target_shape]` in business units for each head of the spec, NaN
            where there is none: the row is left out for this head alone.
        spec: How.
        paths: Where the store and the states of a tuning are.
        options: Which rows are held out (see `with_groups` where nothing is given), and how much
            each counts, > 0.
        stage: Opens progress bars.

    Raises:
        FloatingPointError: If a training or tuning has diverged.
    """
    given = options.weight
    weight = np.ones(len(ready)) if given is None else given / given.mean()
    job = _Fit(ready, targets, weight, spec=spec, paths=paths, stage=stage)
    return job.run(options)


class _Fit:
    """One call of `fit_ready`, step by step."""

    def __init__(
        self,
        ready: ReadyItems,
        targets: Targets,
        sample_weight: Floats,
        *,
        spec: TrainingSpec,
        paths: TrainingPaths,
        stage: Stage,
    ) -> None:
        self.ready = ready
        self.catalogue = ready.catalogue
        self.targets = targets
        self.sample_weight = sample_weight
        self.spec = spec
        self.paths = paths
        self.stage = stage
        self.closed_form = is_closed_form(spec.heads)
        self.heads: dict[str, Head] = {}

    def run(self, options: RowOptions) -> Fitted:
        encoders, inputs = self._with_fitted()
        view = view_of(encoders, inputs)
        as_asked = self._folds(options)
        options = self._hiding(options, view)
        folds = self._folds(options)
        training = TrainingRows(self.targets, folds, self.sample_weight)
        with computing_with(threads_for(self.spec.training.threads, inputs)):
            heads = decided_heads(
                self.spec.heads,
                view,
                training,
                seed=self.spec.training.seed,
            )
        self.spec = replace(self.spec, heads=heads)
        self.heads = build_heads(heads, self.targets)
        tuned = self._tuned(encoders, inputs, options)
        if tuned is not None:
            encoders = {**encoders, **tuned.encoders}
            inputs = inputs.merged(ModelInputs(inputs.present, tuned.learned_from))
            view = view_of(encoders, inputs)
        members = self._members(inputs)
        raws = {name: self._fit(member, view, training) for name, member in members.items()}
        with computing_with(threads_for(self.spec.training.threads, inputs)):
            share = float(new_out_of_fold(view, as_asked).mean())
            model, answers = self._joined(members, raws, view, training, share_new=share)
        embedded = {} if tuned is None else tuned.embedded
        bundle = self._bundle(model, inputs.merged(ModelInputs(inputs.present, embedded)))
        if tuned is not None:
            bundle.info["tuning"] = tuned.description
        return Fitted(
            bundle,
            histories=_histories(members),
            targets=self.targets,
            watched=np.unique(np.concatenate(folds)),
            tuned=tuned,
            out_of_fold=answers,
        )

    def _fit(self, member: Member, view: View, training: TrainingRows) -> Raw:
        """What a member answers out of fold, once it has learned from all rows."""
        n_threads = threads_for(
            self.spec.training.threads, view.inputs, is_heavy=member.is_heavy(len(view))
        )
        shares_out = isinstance(member, NetworkMember)  # one network a thread
        with nullcontext() if shares_out else computing_with(n_threads):
            return member.fit(
                view,
                heads=self.heads,
                training=training,
                seed=self.spec.training.seed,
                stage=self.stage,
            )

    def _joined(
        self,
        members: Mapping[str, Member],
        raws: Mapping[str, Raw],
        view: View,
        training: TrainingRows,
        *,
        share_new: float,
    ) -> tuple[ProductModel, OutOfFold | None]:
        """Members joined by a stack, and heads calibrated by what they answer out of fold.

        Args:
            members: Trained ones.
            raws: What each answers out of fold.
            view: All rows.
            training: Targets, folds and weights of the rows.
            share_new: Share of the rows with new categories in folds that hide none.
        """
        folds = training.folds
        if self.closed_form:  # nothing is held out
            stack, answers = Stack({name: {NETWORK: 1.0} for name in self.heads}), None
        else:
            knows = {name: member.knows(view) for name, member in members.items()}
            is_new = new_out_of_fold(view, folds)
            stack, blended = fit_stack(self.heads, training, raws, knows=knows, is_new=is_new)
            as_asked = weight_as_asked(training.sample_weight, is_new, share=share_new)
            calibrate(self.heads, replace(training, sample_weight=as_asked), blended)
            answers = OutOfFold(folds, blended)
        kept = {
            name: member
            for name, member in members.items()
            if name in stack.asked or isinstance(member, NetworkMember)  # networks also embed
        }
        model = ProductModel(view.encoders, heads=self.heads, members=kept, stack=stack)
        return model, answers

    def _bundle(self, model: ProductModel, known: ModelInputs) -> Bundle:
        return Bundle(
            model=model,
            schema=self.catalogue.schema,
            targets={name: choice.columns for name, choice in self.spec.heads.items()},
            reference_ids=list(self.catalogue.ids),
            reference_titles=[title[:TITLE_CHARACTERS] for title in self.catalogue.titles],
            reference_targets=targets_by_column(self.spec.heads, self.targets),
            reference=content_of(model, known),
        )

    def _members(self, inputs: ModelInputs) -> dict[str, Member]:
        """New members; the network alone where heads are solved in closed form."""
        if self.closed_form:
            return self._built({NETWORK: {}})
        needs_network = bool(self.spec.needs_network or inputs.values)  # values: encoders train
        members = self._built(chosen_members(self.spec.members, needs_network=needs_network))
        if told := settings_without_effect(self.spec.training, members):
            say_once(told)
        return members

    def _built(self, choices: MemberChoices) -> dict[str, Member]:
        spec = self.spec
        return built_members(
            choices,
            heads=spec.heads,
            strategy=spec.strategy,
            strategy_options=spec.strategy_options,
            training=spec.training.model_dump(),
        )

    def _tuned(
        self,
        encoders: Mapping[str, Encoder],
        inputs: ModelInputs,
        options: RowOptions,
    ) -> "Tuned | None":
        """Text and photo encoders after tuning; None where they stay as they are."""
        settings = self.spec.tuning
        if settings.mode == "none":
            return None
        from fusion.tuning.crossfit import CrossFit, TuningData  # brings transformers' Trainer

        chosen = tunable(settings, encoders)
        job = CrossFit(
            chosen,
            self._network,
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
        data = TuningData(values, {name: inputs.present[name] for name in chosen}, self.targets)
        return job.run(data, options=options, share=self.spec.validation_fraction)

    def _network(self, encoders: Mapping[str, Encoder]) -> FusionNetwork:
        """An untrained network, as a tuning begins with."""
        member = self._built({NETWORK: (self.spec.members or {}).get(NETWORK, {})})[NETWORK]
        assert isinstance(member, NetworkMember)
        seed = self.spec.training.seed
        return member.built(encoders, self.heads, n_rows=len(self.catalogue), seed=seed)

    def _hiding(self, options: RowOptions, view: View) -> RowOptions:
        """The same folds, but that some levels of categories are held out whole."""
        levels = [view.filled(name) for name in view.of_kinds("category")]
        settings = self.spec.training
        n_folds = 1 if self.closed_form else settings.folds
        return hide_levels(options, levels, n_folds=n_folds, seed=settings.seed)

    def _folds(self, options: RowOptions) -> list[Rows]:
        """Disjoint folds; one where its rows are given, or heads are solved in closed form."""
        settings = self.spec.training
        alone = self.closed_form or options.validation is not None
        return validation_folds(
            options,
            n_rows=len(self.catalogue),
            n_folds=1 if alone else settings.folds,
            share=self.spec.validation_fraction,
            seed=settings.seed,
        )

    def _with_fitted(self) -> tuple[dict[str, Encoder], ModelInputs]:
        """All encoders, those that learn from rows fitted on these, and what they make of them."""
        transform = "linear" if self.closed_form else "squash"
        known = self.ready.encoders
        left = [name for name in self.catalogue.schema.modalities if name not in known]
        with OwnGenerators(self.spec.training.seed):
            fresh = fitted_encoders(
                self.catalogue, self.spec.encoders, modalities=left, transform=transform
            )
        encoders = {**known, **fresh}
        prepared = self.ready.prepared(encoders, stage=self.stage)
        raise_for(prepared.problems, source=self.catalogue.source)  # they were fitted on these
        return encoders, prepared.inputs


def _histories(members: Mapping[str, Member]) -> list[TrainingHistory]:
    """Losses by epoch of all networks."""
    networks = [member for member in members.values() if isinstance(member, NetworkMember)]
    return [history for member in networks for history in member.histories]

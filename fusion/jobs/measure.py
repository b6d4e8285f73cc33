"""What the fusion is measured against: baselines, each modality alone, all but one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.bundle import Bundle
from fusion.data.catalogue import Catalogue
from fusion.data.folds import DRAWN, Validation
from fusion.data.known import known_rows
from fusion.data.schema import Schema
from fusion.data.split import Split
from fusion.evaluation import BASELINES, Evaluation, evaluate_head
from fusion.evaluation.result import Kind
from fusion.fitting import Fitted, fit_bundle
from fusion.modalities import MODALITIES, input_roles
from fusion.predictor import Predictor
from fusion.progress import Stage, silent, within
from fusion.recipe import Recipe, Sources
from fusion.training.threads import computing_with

Columns = dict[str, NDArray[np.float64]]
Predictions = dict[tuple[str, Kind], Columns]
Targets = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Experiment:
    """Rows, targets and recipe that every way of predicting shares.

    Args:
        frame: All good rows.
        catalogue: The same, checked.
        targets: Targets `[n, *target_shape]` of each head, by its name; NaN where there is none.
        split: Which rows are for what.
        groups: A label `[n]` for each row; rows of one group are no new evidence for each other.
        recipe: How the fusion is made, its columns resolved.
        sources: Where the photos and the store are.
        validation: Which of all rows early stopping looks at.
    """

    frame: pd.DataFrame
    catalogue: Catalogue
    targets: Targets
    split: Split
    groups: NDArray[np.int64]
    recipe: Recipe
    sources: Sources
    validation: Validation = DRAWN

    @property
    def known(self) -> NDArray[np.int64]:
        """Rows that may be learned from: training and validation."""
        return np.sort(np.concatenate([self.split.train, self.split.validation]))

    def fit(self, recipe: Recipe, *, stage: Stage = silent) -> Fitted:
        """A model made by a recipe on the known rows; similar items have the ids of the table."""
        fitted = fit_bundle(
            self.frame.iloc[self.known].reset_index(drop=True),
            {name: values[self.known] for name, values in self.targets.items()},
            recipe=recipe,
            sources=self.sources,
            validation=self.validation.of_rows(self.known),
            stage=stage,
        )
        fitted.bundle.reference_ids = self._ids(self.known)
        return fitted

    def predict(self, bundle: Bundle, *, stage: Stage = silent) -> pd.DataFrame:
        """Answers of a bundle on the test rows."""
        predictor = Predictor(
            bundle,
            photos=self.sources.photos,
            store=self.sources.store,
            on_bad_rows=self.recipe.on_bad_rows,
            stage=within(stage, "test rows"),
        )
        table = predictor.predict(self.frame.iloc[self.split.test].reset_index(drop=True))
        return table.assign(id=self._ids(self.split.test))

    def _ids(self, rows: NDArray[np.int64]) -> list[str]:
        """Ids in the whole table: where no column names them, a part would count from 0 again."""
        return [self.catalogue.ids[row] for row in rows]


def head_columns(bundle: Bundle, head: str, table: pd.DataFrame) -> Columns:
    """Columns of one head under the head's own names."""
    predictor = Predictor(bundle)
    return {
        column.name: table[predictor.column_name(head, column.name)].to_numpy(dtype=np.float64)
        for column in bundle.model.head(head).columns
    }


def measure(
    experiment: Experiment,
    bundle: Bundle,
    table: pd.DataFrame,
    *,
    modalities: bool,
    other: tuple[str, Kind, Bundle, pd.DataFrame] | None = None,
    stage: Stage = silent,
) -> dict[str, Evaluation]:
    """Evaluations of every head, each on the test rows that have its target.

    Args:
        experiment: What everything shares.
        bundle: The fusion.
        table: Its answers on the test rows.
        modalities: Whether each modality alone and all but one are trained as well.
        other: Where encoders were tuned: the model that was not kept, what it is called, its kind
            and its answers.
        stage: Opens a progress bar.
    """
    others = _modality_tables(experiment, bundle, stage=stage) if modalities else {}
    if other is not None:
        others[other[0], other[1]] = other[2:]
    evaluations = {}
    for name in bundle.model.heads:
        known = known_rows(experiment.targets[name][experiment.split.test])
        rows = experiment.split.test[known]
        evaluations[name] = evaluate_head(
            bundle.model.head(name),
            name=name,
            target_column=bundle.target_name(name),
            target=experiment.targets[name][rows],
            groups=experiment.groups[rows],
            fusion=_taken(head_columns(bundle, name, table), known),
            others={
                **_baselines(experiment, bundle, name, rows=rows),
                **{
                    key: _taken(head_columns(model, name, answers), known)
                    for key, (model, answers) in others.items()
                },
            },
        )
    return evaluations


def _taken(columns: Columns, rows: NDArray[np.int64]) -> Columns:
    return {name: values[rows] for name, values in columns.items()}


def _baselines(
    experiment: Experiment, bundle: Bundle, name: str, *, rows: NDArray[np.int64]
) -> Predictions:
    """Answers to some test rows, learned from the known rows that have the target of the head."""
    learned = experiment.known[known_rows(experiment.targets[name][experiment.known])]
    training = experiment.catalogue.take(learned)
    test = experiment.catalogue.take(rows)
    with computing_with(experiment.recipe.training.threads or 1):
        found = {
            (baseline, "baseline"): predict(
                training,
                experiment.targets[name][learned],
                test,
                head=bundle.model.head(name),
                seed=experiment.recipe.training.seed,
            )
            for baseline, predict in BASELINES.items()
        }
    return {key: columns for key, columns in found.items() if columns is not None}  # type: ignore[misc]


def _modality_tables(
    experiment: Experiment, bundle: Bundle, *, stage: Stage
) -> dict[tuple[str, Kind], tuple[Bundle, pd.DataFrame]]:
    own = [n for n in bundle.model.modalities if not MODALITIES[n].repeats]
    subsets = list(_subsets(own))
    tables: dict[tuple[str, Kind], tuple[Bundle, pd.DataFrame]] = {}
    if not subsets:
        return tables
    with stage("measuring modalities", len(subsets), "models") as work:
        for key, kept in subsets:
            other = experiment.fit(_restricted(experiment.recipe, bundle, kept=kept)).bundle
            tables[key] = (other, experiment.predict(other))
            work(1)
    return tables


def _subsets(modalities: Sequence[str]) -> Iterator[tuple[tuple[str, Kind], tuple[str, ...]]]:
    if len(modalities) < 2:
        return
    for name in modalities:
        yield (f"{name} alone", "alone"), (name,)
    for name in modalities if len(modalities) > 2 else ():
        yield (f"without {name}", "without"), tuple(kept for kept in modalities if kept != name)


def _restricted(recipe: Recipe, bundle: Bundle, *, kept: Sequence[str]) -> Recipe:
    """The recipe on some modalities, with the encoders that are already loaded."""
    loaded = {name: bundle.model.encoder(name) for name in kept}
    encoders = recipe.encoders.with_encoders(
        {name: encoder for name, encoder in loaded.items() if encoder.cacheable}
    )
    return replace(recipe, columns=modality_columns(bundle.schema, kept), encoders=encoders)


def modality_columns(schema: Schema, kept: Sequence[str]) -> dict[str, list[str]]:
    """Columns by role of some modalities of a schema; all other roles are empty.

    One that repeats others goes with those of its kind, and never holds a column of a modality
    that is left out.
    """
    own = [MODALITIES[name] for name in kept if not MODALITIES[name].repeats]
    there = {column for one in own for column in schema.columns_read_by(one.name)}
    columns: dict[str, list[str]] = {role: [] for role in input_roles()}
    columns |= {role: list(schema.columns_of(role)) for one in own for role in one.roles}
    for one in MODALITIES.values():
        if one.repeats and one.kind in {other.kind for other in own}:
            columns |= {
                role: [n for n in schema.columns_of(role) if n in there] for role in one.roles
            }
    return {**columns, "id": [] if schema.id is None else [schema.id]}

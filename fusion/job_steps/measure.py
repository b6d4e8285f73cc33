"""What the fusion is measured against: baselines, each modality alone, all but one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.bundle import Bundle
from fusion.data.catalogue import Catalogue
from fusion.data.folds import DRAWN, RowOptions, validation_folds
from fusion.data.known import known_rows
from fusion.data.labels import label_positions
from fusion.data.schema import Schema
from fusion.data.split import Split
from fusion.data.weights import counted
from fusion.evaluation import BASELINES, FUSION, Evaluation, baseline_rows, evaluate_head
from fusion.evaluation.result import Kind
from fusion.fitting.fit import fit_ready
from fusion.fitting.fitted import Fitted
from fusion.fitting.spec import TrainingPaths, TrainingSpec
from fusion.modalities import MODALITIES, input_roles
from fusion.predictor import Predictor
from fusion.progress import Stage, silent, within
from fusion.ready import ReadyItems
from fusion.training.threads import computing_with

Columns = dict[str, NDArray[np.float64]]
Targets = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Experiment:
    """Rows, targets and spec that every way of predicting shares.

    Args:
        ready: All good rows, checked and embedded.
        targets: Targets `[n, *target_shape]` of each head, by its name; NaN where there is none.
        split: Which rows are for what.
        groups: A label `[n]` for each row; rows of one group are no new evidence for each other.
        spec: How the fusion is made.
        paths: Where the store and the states of a tuning are.
        options: Which of all rows are held out of the members, and how much each counts.
    """

    ready: ReadyItems
    targets: Targets
    split: Split
    groups: NDArray[np.int64]
    spec: TrainingSpec
    paths: TrainingPaths
    options: RowOptions = DRAWN

    @property
    def catalogue(self) -> Catalogue:
        """All good rows."""
        return self.ready.catalogue

    @property
    def known(self) -> NDArray[np.int64]:
        """Rows that may be learned from: training and validation, without those of weight 0."""
        rows = np.sort(np.concatenate([self.split.train, self.split.validation]))
        return counted(rows, self.options.weight)

    def fit(self, *, stage: Stage = silent) -> Fitted:
        """A model of the known rows."""
        return fit_ready(
            self.ready.take(self.known),
            {name: values[self.known] for name, values in self.targets.items()},
            spec=self.spec,
            paths=self.paths,
            options=self.options.of_rows(self.known),
            stage=stage,
        )

    def predict(self, bundle: Bundle, *, stage: Stage = silent) -> pd.DataFrame:
        """Answers of a bundle on the test rows, by the way that new items take."""
        predictor = Predictor(
            bundle,
            store=self.paths.store,
            on_bad_rows=self.spec.on_bad_rows,
            stage=within(stage, "test rows"),
        )
        return predictor.answer_table(predictor.read_ready(self.ready.take(self.split.test)))

    def narrowed(self, columns: Mapping[str, Sequence[str]]) -> "Experiment":
        """The same with fewer modalities.

        Args:
            columns: Columns of every role but the id, empty where none is read.

        Raises:
            ValueError: If a modality loses a part of its columns; the row text may.
        """
        named = {role: tuple(names) for role, names in columns.items()}
        schema = replace(self.catalogue.schema, columns=named)
        return replace(self, ready=self.ready.narrowed(schema))


def head_columns(bundle: Bundle, head: str, table: pd.DataFrame) -> Columns:
    """Columns of one head under the head's own names, classes as positions of their labels."""
    predictor = Predictor(bundle)
    labels, columns = predictor.labels(), {}
    for column in bundle.model.head(head).columns:
        name = predictor.column_name(head, column.name)
        if name in labels:
            columns[column.name] = label_positions(list(table[name]), labels[name], column=name)[0]
        else:
            columns[column.name] = table[name].to_numpy(dtype=np.float64)
    return columns


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
    baselines = _baselines(experiment, bundle, stage=stage)
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
            answers={
                FUSION: _taken(head_columns(bundle, name, table), known),
                **{key: _taken(answers[name], known) for key, answers in baselines.items()},
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
    experiment: Experiment, bundle: Bundle, *, stage: Stage
) -> dict[tuple[str, Kind], dict[str, Columns]]:
    """Answers of each baseline to all test rows, by head, learned from the known rows.

    Those that do not apply to the table are found out one by one, and count as done.
    """
    known, training = experiment.known, experiment.spec.training
    heads = {name: bundle.model.head(name) for name in bundle.model.heads}
    targets = {name: experiment.targets[name][known] for name in heads}
    options = experiment.options.of_rows(known)
    folds = validation_folds(
        options,
        n_rows=len(known),
        n_folds=training.folds if options.validation is None else 1,
        share=experiment.spec.validation_fraction,
        seed=training.seed,
    )
    found: dict[tuple[str, Kind], dict[str, Columns]] = {}
    with (
        computing_with(training.threads or 1),
        stage("measuring baselines", len(BASELINES), "baselines") as work,
    ):
        rows, asked = baseline_rows(
            experiment.ready.take(known), experiment.ready.take(experiment.split.test)
        )
        for baseline, predict in BASELINES.items():
            columns = predict(rows, targets, asked, heads=heads, folds=folds, seed=training.seed)
            if columns is not None:
                found[baseline, "baseline"] = columns
            work(1)
    return found


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
            less = experiment.narrowed(modality_columns(bundle.schema, kept))
            other = less.fit().bundle
            tables[key] = (other, less.predict(other))
            work(1)
    return tables


def _subsets(modalities: Sequence[str]) -> Iterator[tuple[tuple[str, Kind], tuple[str, ...]]]:
    if len(modalities) < 2:
        return
    for name in modalities:
        yield (f"{name} alone", "alone"), (name,)
    for name in modalities if len(modalities) > 2 else ():
        yield (f"without {name}", "without"), tuple(kept for kept in modalities if kept != name)


def modality_columns(schema: Schema, kept: Sequence[str]) -> dict[str, list[str]]:
    """Columns by role of some modalities of a schema, but of the id; all other roles are empty.

    One that repeats others goes with those of its kind, numbers in texts with the texts, and none
    ever holds a column of a modality that is left out.
    """
    own = [MODALITIES[name] for name in kept if not MODALITIES[name].repeats]
    there = {column for one in own for column in schema.columns_read_by(one.name)}
    columns: dict[str, list[str]] = {role: [] for role in input_roles()}
    columns |= {role: list(schema.columns_of(role)) for one in own for role in one.roles}
    for one in MODALITIES.values():
        if one.repeats and one.kind in {"table", *(other.kind for other in own)}:
            columns |= {
                role: [n for n in schema.columns_of(role) if n in there] for role in one.roles
            }
    return columns

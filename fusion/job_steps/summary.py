"""Gathers what a training job knows into the plain values that the report shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.catalogue import Catalogue
from fusion.data.cells import is_missing
from fusion.data.known import known_rows
from fusion.data.schema import NUMBERS, Schema
from fusion.data.split import Split
from fusion.data.text_columns import column_name, first_number_in
from fusion.evaluation import Evaluation
from fusion.evaluation.questions import asked_values
from fusion.fitting.fitted import Fitted
from fusion.job_steps.config import SplitSection, TrainConfig
from fusion.job_steps.items import LabelledItems
from fusion.job_steps.made_with import versions
from fusion.job_steps.measure import Experiment, head_columns
from fusion.job_steps.photo_weights import encoder_name, photo_weights_notes
from fusion.modalities import MODALITIES
from fusion.report import (
    ColumnSummary,
    DataSummary,
    HeadResult,
    Losses,
    ModalitySummary,
    ReportItem,
    TrainingReport,
    TuningSummary,
    head_title,
)

READ_FROM_TEXT = "number in a text"
MOST_SHOWN = 80
ROLE_WORDS = {"numeric": "numbers", "categorical": "categories"}
"""What the cells of a role are called where its name is that of the modality or an adjective."""


@dataclass(frozen=True)
class Outcome:
    """Everything that a training job ends with.

    Args:
        items: Items that were learned from, and what was wrong.
        experiment: Rows, targets, split and spec.
        fitted: The model.
        table: Its answers on the test rows.
        evaluations: Head -> scores.
        tuning: What tuning did and cost; None where nothing was tuned.
    """

    items: LabelledItems
    experiment: Experiment
    fitted: Fitted
    table: pd.DataFrame
    evaluations: Mapping[str, Evaluation]
    tuning: TuningSummary | None = None


def training_report(config: TrainConfig, outcome: Outcome) -> TrainingReport:
    """The report of a training job."""
    return TrainingReport(
        title=config.title,
        summary=_data_summary(config, outcome),
        heads=tuple(_head_result(config, outcome, name) for name in outcome.evaluations),
        losses=tuple(
            Losses(history.train_loss, history.validation_loss, history.best_epoch)
            for history in outcome.fitted.histories
        ),
        blend_weights=outcome.fitted.bundle.model.blend_weights,
        new_weights=outcome.fitted.bundle.model.stack.new_weights,
        tuning=outcome.tuning,
        alarms=tuple(dict.fromkeys(outcome.fitted.leaks.values())),
        made_with=versions(),
    )


def split_sentence(section: SplitSection, split: Split) -> str:
    """How the rows were split, in one sentence."""
    how = {
        "random": "at random, with near-duplicate texts and photos on one side",
        "date": f"by date ({section.column}), the latest rows for the test",
        "group": f"by group ({section.column}), no group on two sides",
    }[section.kind]
    left_out = (
        f"; {len(split.left_out)} rows in the gap were left out" if len(split.left_out) else ""
    )
    return f"Split {how}{left_out}."


def _data_summary(config: TrainConfig, outcome: Outcome) -> DataSummary:
    items, split = outcome.items, outcome.experiment.split
    schema = items.catalogue.schema
    model = outcome.fitted.bundle.model
    return DataSummary(
        source=config.data.items.name,
        n_rows=items.n_read,
        n_train=len(split.train),
        n_validation=len(split.validation),
        n_test=len(split.test),
        split=split_sentence(config.split, split),
        modalities={
            _modality_label(schema, name): ModalitySummary(
                columns=schema.columns_read_by(name),
                encoder=encoder_name(model.encoder(name)),
                share_present=float(items.catalogue.present[name].mean()),
            )
            for name in model.modalities
        },
        columns=(
            *_column_summaries(items.catalogue.frame, schema),
            *_number_summaries(items.catalogue),
        ),
        ignored={
            name: "the target" if name in items.targets else reason
            for name, reason in schema.ignored.items()
        },
        problems=tuple(items.problems),
        notes=(*outcome.fitted.missing, *items.notes, *photo_weights_notes(model.encoders)),
        dropped=items.dropped,
    )


def _modality_label(schema: Schema, modality: str) -> str:
    """A modality with what is in it, where its name says less: it may hold no number at all."""
    roles = MODALITIES[modality].roles
    if len(roles) == 1:
        return modality
    taken = [ROLE_WORDS.get(role, role) for role in roles if schema.columns_of(role)]
    return f"{modality} ({', '.join(taken)})"


def _column_summaries(frame: pd.DataFrame, schema: Schema) -> list[ColumnSummary]:
    summaries = []
    told = [one for one in MODALITIES.values() if not one.repeats]
    for role in (role for modality in told for role in modality.roles):
        for name in schema.columns_of(role):
            known = frame[name].dropna()
            example = _cut(str(known.iloc[0])) if len(known) else ""
            missing = 1.0 - len(known) / max(len(frame), 1)
            written = schema.formats.get(name)
            read_as = f"{role}, written as {written}" if written else role
            summaries.append(ColumnSummary(name, read_as, missing, example))
    return summaries


def _cut(text: str) -> str:
    """At most 80 characters of a text, with a sign where it goes on."""
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1].rstrip()}…"


def _number_summaries(catalogue: Catalogue) -> list[ColumnSummary]:
    """Numbers that were read out of texts, each with a text that has one."""
    summaries = []
    for column, labels in catalogue.schema.text_numbers.items():
        for label in labels:
            values = pd.DataFrame(catalogue.values[NUMBERS])[name := column_name(column, label)]
            rows = np.flatnonzero(values.notna())
            example = ""
            if len(rows):
                text = first_number_in(str(catalogue.frame[column].iloc[rows[0]]))
                example = f"{values.iloc[rows[0]]:g} from {text}"
            missing = 1.0 - len(rows) / max(len(catalogue), 1)
            summaries.append(ColumnSummary(name, READ_FROM_TEXT, missing, example))
    return summaries


def _head_result(config: TrainConfig, outcome: Outcome, name: str) -> HeadResult:
    bundle, experiment = outcome.fitted.bundle, outcome.experiment
    columns = head_columns(bundle, name, outcome.table)
    head = bundle.model.head(name)
    test = experiment.split.test
    known = known_rows(experiment.targets[name][test])
    target = experiment.targets[name][test][known]
    columns = {key: values[known] for key, values in columns.items()}
    return HeadResult(
        evaluation=outcome.evaluations[name],
        columns=head.columns,
        actual=asked_values(head, target),
        predicted=columns,
        items=tuple(_report_items(config, outcome, rows=test[known])),
        title=head_title(bundle, name),
    )


def _report_items(
    config: TrainConfig,
    outcome: Outcome,
    *,
    rows: NDArray[np.int64],
) -> list[ReportItem]:
    catalogue = outcome.items.catalogue.take(rows)
    photos, titles = catalogue.photos, catalogue.titles
    return [
        ReportItem(
            id=catalogue.ids[row],
            title=titles[row],
            photo=photos[row],
            details={name: _shown(catalogue.frame[name].iloc[row]) for name in config.data.details},
        )
        for row in range(len(catalogue))
    ]


def _shown(cell: Any) -> str:
    return "" if is_missing(cell) else str(cell)

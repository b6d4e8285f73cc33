"""The checks of a training job: its configuration against its tables, before any work."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from encoders.base import Encoder
from fusion.choices.build import fitted_mistakes, pretrained_encoders
from fusion.choices.checks import (
    Targets,
    are_known,
    check_usable,
    column_mistakes,
    head_mistakes,
    is_closed_form,
    strategy_mistakes,
    target_problems,
)
from fusion.choices.encoders import EncoderChoices
from fusion.choices.heads import HeadChoice
from fusion.choices.labels import (
    LabelTargets,
    head_targets,
    label_columns,
    read_label_targets,
    shared_label_mistakes,
)
from fusion.choices.mistakes import Mistakes
from fusion.choices.paths import photo_folder_mistakes
from fusion.data.catalogue import Catalogue, build_catalogue, target_values
from fusion.data.codes import coded_columns
from fusion.data.known import is_known
from fusion.data.panel.asof import history_names
from fusion.data.policy import refuse_early
from fusion.data.problems import Problem
from fusion.data.schema import Schema
from fusion.data.tables import read_table
from fusion.data.weights import RULE, weight_values
from fusion.fitting.members import (
    asked_of_networks,
    member_choices,
    member_mistakes,
    network_mistakes,
)
from fusion.fitting.spec import check_logs, check_tuning
from fusion.job_steps.config import TrainConfig
from fusion.job_steps.enough import check_enough
from fusion.job_steps.head_sections import head_choices
from fusion.job_steps.new_items import read_new_items
from fusion.job_steps.panel import check_columns
from fusion.job_steps.sales import join_sales, not_launched, sales_target, sales_unit
from fusion.job_steps.schema import schema_of
from fusion.job_steps.split import split_dates


@dataclass(frozen=True)
class CheckedItems:
    """What was read and built while a configuration was checked.

    Args:
        catalogue: All rows.
        heads: What is asked, by name; heads that read labels know them.
        targets: Targets `[n]` of each target column, NaN where there is none: the row is left out
            for this target alone.
        encoders: Encoders that need no fitting, by modality.
        problems: What is wrong with targets.
        unknown: Row -> why there is nothing to learn from it: none of its targets is given.
        notes: What to say of the tables beside problems, a sentence each.
        new_items: Items to be forecast after the training; None where there are none.
        weight: How much each row counts, `[n]`; None where all count alike.
    """

    catalogue: Catalogue
    heads: dict[str, HeadChoice]
    targets: dict[str, NDArray[np.float64]]
    encoders: dict[str, Encoder]
    problems: list[Problem]
    unknown: dict[int, str]
    notes: list[str]
    new_items: pd.DataFrame | None = None
    weight: NDArray[np.float64] | None = None


def check_config(
    config: TrainConfig, mistakes: Mistakes, *, store: Path | None = None
) -> CheckedItems:
    """Holds a configuration against its tables: columns, heads, strategy, encoders, split.

    Args:
        config: What to do.
        mistakes: What has been found wrong before; all of it is told together.
        store: Folder of the embedding store, whose precision is kept.

    Raises:
        CatalogueError, ConfigError, ImportError, OSError, ValueError: With all mistakes.
    """
    heads = head_choices(config.heads)
    mistakes.add(strategy_mistakes(config.model.strategy, config.model.options, heads=heads))
    asked = asked_of_networks(config.model.strategy, config.model.options, heads)
    members = member_choices(config.model.members)
    closed_form = is_closed_form(heads)
    mistakes.add(member_mistakes(members, closed_form=closed_form, needs_network=asked))
    mistakes.add(network_mistakes(members, heads=heads, strategy=config.model.strategy))
    frame, notes = _tables(config, mistakes)
    catalogue: Catalogue | None = None
    targets: dict[str, NDArray[np.float64]] = {}
    problems: list[Problem] = []
    encoders: dict[str, Encoder] = {}
    unknown: dict[int, str] = {}
    new: pd.DataFrame | None = None
    weight: NDArray[np.float64] | None = None
    if frame is not None:
        schema = Schema()
        with mistakes.gathered():
            schema = schema_of(frame, config)
            check_usable(schema, source=config.data.items.name)
            catalogue = build_catalogue(
                frame, schema, photos=config.data.photos, source=config.data.items.name
            )
        coded = coded_columns(frame, schema, listed=config.data.columns.get("categorical"))
        notes += [coded] if coded else []
        mistakes.add(shared_label_mistakes(heads))
        labelled = read_label_targets(heads, _target_columns(heads, frame))
        mistakes.add(labelled.mistakes)
        heads = labelled.heads
        targets, problems = _read_targets(config, frame, schema, labelled)
        weight, found = _weights(config, frame, schema)
        problems += found
        if weight is not None and not found and not weight.any():
            mistakes.add([f"data.weight: {RULE}, got zero in every row. Weigh some rows."])
        unknown = _unknown_rows(config, heads, targets, problems)
        problems = [problem for problem in problems if problem.row not in unknown]
    mistakes.add(head_mistakes(heads, head_targets(heads, targets)))
    with mistakes.gathered():
        check_logs(config.training.tensorboard, config.tuning.tensorboard)
    if catalogue is not None:
        with mistakes.gathered():
            new = read_new_items(config, catalogue.schema, known=catalogue.frame)
        mistakes.add(photo_folder_mistakes(config.data.photos))
        with mistakes.gathered():
            mistakes.add(fitted_mistakes(catalogue, EncoderChoices(config.encoders)))
        with mistakes.gathered():
            encoders = pretrained_encoders(
                EncoderChoices(config.encoders), catalogue.schema.modalities, store=store
            )
            check_tuning(config.tuning, heads, encoders)
        with mistakes.gathered():
            problems += [
                problem
                for problem in _broken_rules(catalogue, heads, targets, known=problems)
                if problem.row not in unknown
            ]
            problems += _undated(config, catalogue)
            refuse_early(catalogue, problems, on_bad_rows=config.data.on_bad_rows)
            check_enough(config, catalogue, head_targets(heads, targets), problems, unknown)
    mistakes.refuse()
    assert catalogue is not None
    return CheckedItems(catalogue, heads, targets, encoders, problems, unknown, notes, new, weight)


def _weights(
    config: TrainConfig, frame: pd.DataFrame, schema: Schema
) -> tuple[NDArray[np.float64] | None, list[Problem]]:
    """How much each row counts, and which cells are no weights; None where all count alike."""
    name = config.data.weight
    if name is None or name not in frame.columns:
        return None, []
    return weight_values(frame[name], number_format=schema.format_of(name, "numeric"))


def _tables(config: TrainConfig, mistakes: Mistakes) -> tuple[pd.DataFrame | None, list[str]]:
    """The items, with sales joined, and notes; None where one of the tables is at fault."""
    notes: list[str] = []
    items: pd.DataFrame | None = None
    joined: pd.DataFrame | None = None
    with mistakes.gathered():
        joined = items = read_table(config.data.items, delimiter=config.data.delimiter)
    if items is not None and not len(items):
        mistakes.add([f"{config.data.items.name} must hold rows, got a header alone. Add items."])
        return None, notes
    if items is None:
        return None, notes
    columns = [str(name) for name in items.columns]
    if config.sales is not None:
        joined = None
        with mistakes.gathered():
            joined, note = join_sales(items, config.sales)
            notes += [note] if note else []
        if joined is None:
            with mistakes.gathered():  # also where a mistake in the items comes before
                check_columns(config.sales)
            columns += history_names(sales_unit(config.sales))
        else:
            columns = [str(name) for name in joined.columns]
        columns.append(sales_target(config.sales))
    split = [] if config.split.column is None else [config.split.column]
    weight = [] if config.data.weight is None else [config.data.weight]
    named = {
        "split.column": split,
        "data.details": config.data.details,
        "data.weight": weight,
    }
    mistakes.add(column_mistakes(named, columns, source=config.data.items.name))
    return joined, notes


def _target_columns(
    heads: Mapping[str, HeadChoice], frame: pd.DataFrame
) -> dict[str, "pd.Series[Any]"]:
    """The target columns that a table has."""
    names = dict.fromkeys(name for choice in heads.values() for name in choice.columns)
    return {name: frame[name] for name in names if name in frame.columns}


def _read_targets(
    config: TrainConfig, frame: pd.DataFrame, schema: Schema, labelled: LabelTargets
) -> tuple[dict[str, NDArray[np.float64]], list[Problem]]:
    """Targets of each column that the table has, and what is wrong with them."""
    targets, problems = dict(labelled.positions), list(labelled.problems)
    for name in _target_columns(labelled.heads, frame):
        if name not in label_columns(labelled.heads):
            targets[name], found = target_values(
                frame,
                name,
                number_format=schema.format_of(name, "numeric"),
                source=config.data.items.name,
            )
            problems += found
    return targets, problems


def _unknown_rows(
    config: TrainConfig,
    heads: Mapping[str, HeadChoice],
    targets: Targets,
    problems: list[Problem],
) -> dict[int, str]:
    """Rows none of whose targets is given, each with the reason; a faulty target is a problem."""
    known = [is_known(values) for values in head_targets(heads, targets).values()]
    given = np.any(known, axis=0) if known else np.ones(0, dtype=bool)
    faulty = {problem.row for problem in problems}
    reason = f"{' and '.join(targets)} must be given, got none"
    if config.sales is not None and set(targets) == {sales_target(config.sales)}:
        reason = not_launched(config.sales)
    return {row: reason for row in np.flatnonzero(~given).tolist() if row not in faulty}


def _broken_rules(
    catalogue: Catalogue,
    heads: Mapping[str, HeadChoice],
    targets: Targets,
    *,
    known: list[Problem],
) -> list[Problem]:
    """Targets that break a rule of their head and are not known to be faulty."""
    if not are_known(heads):
        return []
    told = {(problem.row, problem.column) for problem in known}
    return [
        problem
        for name, values in head_targets(heads, targets).items()
        for problem in target_problems(catalogue, heads, {name: values})
        if not told & {(problem.row, column) for column in heads[name].columns}
    ]


def _undated(config: TrainConfig, catalogue: Catalogue) -> list[Problem]:
    """Rows without a date that a split by date needs."""
    if config.split.kind != "date" or config.split.column not in catalogue.frame.columns:
        return []
    return split_dates(config.split, catalogue.frame, catalogue.schema)[1]

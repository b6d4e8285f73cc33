"""What every job on labelled items does first: read, join sales, check, embed, settle bad rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.build import EncoderChoice, pretrained_encoders
from fusion.data.catalogue import Catalogue, build_catalogue, target_values
from fusion.data.dates import read_date_column
from fusion.data.infer import infer_schema
from fusion.data.policy import apply_policy
from fusion.data.problems import Problem, raise_for
from fusion.data.sales import SalesColumns, add_history, add_target
from fusion.data.schema import Schema
from fusion.data.tables import read_table
from fusion.embedding import prepare_inputs
from fusion.jobs.config import SalesSection, SplitSection, TrainConfig
from fusion.progress import Stage, silent
from fusion.store import StoreReport

Targets = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class LabelledItems:
    """Items that can be learned from, and what was found wrong on the way.

    Args:
        frame: Rows that stay, counted from 0.
        catalogue: The same, checked.
        targets: Targets `[n]` of each target column.
        n_read: Number of rows in the file.
        problems: Everything that was wrong.
        dropped: Row of the file -> why it was left out.
        reports: Counts of the embedding store.
    """

    frame: pd.DataFrame
    catalogue: Catalogue
    targets: dict[str, NDArray[np.float64]]
    n_read: int
    problems: list[Problem]
    dropped: dict[int, str]
    reports: dict[str, StoreReport]


def read_items(config: TrainConfig) -> pd.DataFrame:
    """The items table, with history and target joined where a sales table is configured.

    Raises:
        CatalogueError: If a table cannot be read.
    """
    items = read_table(config.data.items)
    return items if config.sales is None else join_sales(items, config.sales)


def join_sales(items: pd.DataFrame, section: SalesSection) -> pd.DataFrame:
    """Items with history before a date and the units of the horizon after it."""
    sales = read_table(section.table)
    columns = SalesColumns(section.item, section.week, section.units)
    items = add_history(items, sales, as_of=section.as_of, columns=columns)
    return add_target(
        items, sales, as_of=section.as_of, horizon_weeks=section.horizon_weeks, columns=columns
    )


def join_history(items: pd.DataFrame, section: SalesSection) -> pd.DataFrame:
    """Items with history before a date, as a model that was trained with a sales table needs it.

    Raises:
        CatalogueError: If the sales table cannot be read, lacks a column or is faulty.
    """
    columns = SalesColumns(section.item, section.week, section.units)
    return add_history(items, read_table(section.table), as_of=section.as_of, columns=columns)


def labelled_items(
    config: TrainConfig, *, store: Path | None, stage: Stage = silent
) -> LabelledItems:
    """Reads and checks everything that a configuration names.

    Raises:
        CatalogueError: If something is wrong and bad rows must not be; all of it in one message.
    """
    frame = read_items(config)
    schema = schema_of(frame, config)
    catalogue = build_catalogue(
        frame, schema, photos=config.data.photos, source=config.data.items.name
    )
    names = list(dict.fromkeys(entry.target for entry in config.heads))
    read = {
        name: target_values(
            frame,
            name,
            number_format=schema.format_of(name, "numeric"),
            source=catalogue.source,
        )
        for name in names
    }
    undated = split_dates(frame, config.split, schema)[1] if config.split.kind == "date" else []
    encoders = pretrained_encoders(encoder_choice(config), schema.modalities, store=store)
    prepared = prepare_inputs(encoders, catalogue, store=store, stage=stage)
    wrong_targets = [problem for _, found in read.values() for problem in found]
    extra = [*prepared.problems, *wrong_targets, *undated]
    good, dropped = apply_policy(catalogue, extra, on_bad_rows=config.data.on_bad_rows)
    kept = np.asarray([row for row in range(len(frame)) if row not in dropped], dtype=np.int64)
    return LabelledItems(
        frame=catalogue.frame.iloc[kept].reset_index(drop=True),
        catalogue=good,
        targets={name: values[kept] for name, (values, _) in read.items()},
        n_read=len(frame),
        problems=[*catalogue.problems, *extra],
        dropped=dropped,
        reports=prepared.reports,
    )


def split_dates(
    frame: pd.DataFrame, section: SplitSection, schema: Schema
) -> tuple[NDArray[np.datetime64], list[Problem]]:
    """Dates `[n]` of the column that a split by date goes by, and rows that have none.

    Raises:
        CatalogueError: If day and month cannot be told apart.
    """
    column = str(section.column)
    dates, found = read_date_column(frame[column], schema.format_of(column, "dates"))
    raise_for([problem for problem in found if problem.row is None], source="the split's column")
    problems = [replace(problem, code="split_not_read") for problem in found]
    faulty = {problem.row for problem in found}
    for row in np.flatnonzero(np.isnat(dates)).tolist():
        if row not in faulty:
            message = "must be a date, to be on one side of the split, got none"
            problems.append(Problem("split_missing", message, row, column=column))
    return dates, problems


def schema_of(frame: pd.DataFrame, config: TrainConfig) -> Schema:
    """Roles of the columns, as configured and, for the rest, as found."""
    data = config.data
    given = {
        "id": None if data.id is None else [data.id],
        "text": data.text,
        "image": [] if data.photos is None and data.image is None else data.image,
        "numeric": data.numeric,
        "categorical": data.categorical,
        "dates": data.dates,
        "history": data.history,
        "row": data.row,
    }
    targets = [entry.target for entry in config.heads]
    return infer_schema(frame, photos=data.photos, exclude=[*targets, *data.exclude], given=given)


def encoder_choice(config: TrainConfig) -> EncoderChoice:
    """Encoders as configured."""
    section = config.encoders
    return EncoderChoice(section.text, section.image, section.weights)

"""Roles of the columns of a training job: those of its configuration, the rest found."""

from collections.abc import Sequence

import pandas as pd

from fusion.data.infer import infer_schema
from fusion.data.schema import NUMBERS, Schema
from fusion.job_steps.config import DataSection, TrainConfig
from fusion.modalities import MODALITIES


def schema_of(frame: pd.DataFrame, config: TrainConfig) -> Schema:
    """Roles of the columns, as configured and, for the rest, as found."""
    data = config.data
    given = {"id": _id_of(frame, config), **given_columns(data)}
    targets = [name for entry in config.heads for name in entry.columns]
    weight = []
    if data.weight is not None and data.weight in frame.columns:  # else the check has told it
        weight = [data.weight]
    return infer_schema(
        frame,
        photos=data.photos,
        exclude=[*targets, *data.exclude, *weight],
        given=given,
        source=data.items.name,
    )


def given_columns(data: DataSection) -> dict[str, Sequence[str] | None]:
    """Columns by role, as configured: none of photos without a folder, or of numbers if unasked."""
    given: dict[str, Sequence[str] | None] = dict(data.columns)
    if data.photos is None:
        of_photos = [one for one in MODALITIES.values() if one.kind == "image"]
        given = {**{role: [] for one in of_photos for role in one.roles}, **given}
    if not data.text_numbers:
        given[NUMBERS] = []
    return given


def _id_of(frame: pd.DataFrame, config: TrainConfig) -> list[str] | None:
    """The column that a sales table knows the items by, where no id is named; None: find it.

    It is taken where it names each row and is given no other role.
    """
    data, sales = config.data, config.sales
    own = [role for one in MODALITIES.values() if not one.repeats for role in one.roles]
    taken = {*data.exclude, *(name for role in own for name in data.columns.get(role, ()))}
    if sales is None or sales.item in taken or sales.item not in frame.columns:
        return None
    column = frame[sales.item]
    return [sales.item] if column.is_unique and column.notna().all() else None

"""What is known of items beside their sales: read, checked and embedded once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from encoders.base import Encoder
from encoders.process_state import OwnGenerators
from fusion.choices.build import fitted_encoders, pretrained_encoders
from fusion.choices.encoders import EncoderChoices
from fusion.data.catalogue import Catalogue, build_catalogue
from fusion.data.infer import infer_schema
from fusion.data.policy import apply_policy, left_out, refuse_early
from fusion.data.problems import OnBadRows, Problem
from fusion.data.schema import Schema
from fusion.members.view import View, view_of
from fusion.progress import Stage, say_once, silent
from fusion.ready import ReadyItems, usable_items

Asked = tuple[Schema, Mapping[str, Encoder]]


@dataclass(frozen=True)
class ContentSpec:
    """How the content of items is read.

    Args:
        columns: Role of a modality, or `id`, -> columns; see `fusion.infer_schema`.
        exclude: Columns of the items table that must play no role.
        encoders: Which encoder reads which modality.
        photos: Folder of the photos.
        store: Folder of the embedding store; None keeps nothing.
        on_bad_rows: What faulty rows do, see `Predictor`.
    """

    columns: Mapping[str, Sequence[str] | None] = field(default_factory=dict)
    exclude: Sequence[str] = ()
    encoders: EncoderChoices = field(default_factory=EncoderChoices)
    photos: Path | None = None
    store: Path | None = None
    on_bad_rows: OnBadRows = "raise"


@dataclass(frozen=True)
class Content:
    """Items as a forecast reads them.

    Args:
        ids: Of the items, `n`.
        titles: What people call them; empty where nothing does.
        schema: Which columns of the items table say what.
        encoders: By modality; those that learn from rows have learned.
        view: What they make of the items, `n` rows.
    """

    ids: list[str]
    titles: list[str]
    schema: Schema
    encoders: Mapping[str, Encoder]
    view: View


def ready_items(
    frame: pd.DataFrame, spec: ContentSpec, *, asked_of: Asked | None = None, stage: Stage = silent
) -> ReadyItems:
    """Items that were read, checked and embedded; a line tells of those that were left out.

    Args:
        frame: One row an item.
        spec: How.
        asked_of: Schema and encoders of a trained forecast; None: they are found in the table.
        stage: Opens progress bars.

    Raises:
        CatalogueError: If columns are missing, or rows are faulty and must not be.
    """
    if asked_of is None:
        schema = infer_schema(
            frame, photos=spec.photos, exclude=spec.exclude, given=spec.columns, source="items"
        )
    else:
        schema, known = asked_of
    catalogue = build_catalogue(frame, schema, photos=spec.photos, source="items")
    refuse_early(catalogue, on_bad_rows=spec.on_bad_rows)
    if asked_of is None:
        known = pretrained_encoders(spec.encoders, schema.modalities, store=spec.store)

    def settle(found: Sequence[Problem]) -> tuple[Catalogue, dict[int, str]]:
        return apply_policy(catalogue, found, on_bad_rows=spec.on_bad_rows)

    usable = usable_items(known, catalogue, settle=settle, store=spec.store, stage=stage)
    if usable.dropped:
        say_once(left_out(usable.dropped).strip())
    return usable.ready


def content_of_items(
    ready: ReadyItems,
    learned: NDArray[np.int64],
    spec: ContentSpec,
    *,
    seed: int,
) -> Content:
    """The content of items, by encoders of which those that learn see some items alone.

    Args:
        ready: The items.
        learned: Positions of the items that encoders learn from: those known by the date.
        spec: How.
        seed: Of what is drawn.
    """
    catalogue = ready.catalogue
    left = [name for name in catalogue.schema.modalities if name not in ready.encoders]
    with OwnGenerators(seed):
        fresh = fitted_encoders(
            catalogue.take(learned), spec.encoders, modalities=left, transform="squash"
        )
    return with_encoders(ready, {**ready.encoders, **fresh})


def with_encoders(ready: ReadyItems, encoders: Mapping[str, Encoder]) -> Content:
    """The content of items by ready encoders."""
    catalogue = ready.catalogue
    inputs: Any = ready.prepared(encoders).inputs
    view = view_of(encoders, inputs)
    titles = list(catalogue.titles)
    return Content(list(catalogue.ids), titles, catalogue.schema, encoders, view)

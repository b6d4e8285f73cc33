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
from fusion.choices.build import fitted_encoders, fitted_mistakes, pretrained_encoders
from fusion.choices.encoders import EncoderChoices
from fusion.choices.mistakes import Mistakes
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


@dataclass(frozen=True)
class CheckedItems:
    """Items whose cells were checked; no photo has been opened yet.

    Args:
        catalogue: All of them.
        encoders: By modality, those that need not learn from them.
    """

    catalogue: Catalogue
    encoders: Mapping[str, Encoder]


def check_items(
    frame: pd.DataFrame, spec: ContentSpec, *, asked_of: Asked | None = None
) -> CheckedItems:
    """Holds a table of items against how it is to be read.

    Args:
        frame: One row an item.
        spec: How.
        asked_of: Schema and encoders of a trained forecast; None: they are found in the table.

    Raises:
        CatalogueError: If columns are missing, or rows are faulty and must not be.
        ConfigError: If encoders do not suit.
    """
    if asked_of is not None:
        schema, encoders = asked_of
        catalogue = build_catalogue(frame, schema, photos=spec.photos, source="items")
        refuse_early(catalogue, on_bad_rows=spec.on_bad_rows)
        return CheckedItems(catalogue, encoders)
    schema = infer_schema(
        frame, photos=spec.photos, exclude=spec.exclude, given=spec.columns, source="items"
    )
    catalogue = build_catalogue(frame, schema, photos=spec.photos, source="items")
    refuse_early(catalogue, on_bad_rows=spec.on_bad_rows)
    mistakes = Mistakes()
    mistakes.add(fitted_mistakes(catalogue, spec.encoders))
    mistakes.refuse()
    encoders = pretrained_encoders(spec.encoders, schema.modalities, store=spec.store)
    return CheckedItems(catalogue, encoders)


def ready_items(checked: CheckedItems, spec: ContentSpec, *, stage: Stage = silent) -> ReadyItems:
    """Items that were embedded too; a line tells of those that were left out.

    Args:
        checked: The items.
        spec: How they are read.
        stage: Opens progress bars.

    Raises:
        CatalogueError: If photos are faulty and must not be.
    """
    catalogue = checked.catalogue

    def settle(found: Sequence[Problem]) -> tuple[Catalogue, dict[int, str]]:
        return apply_policy(catalogue, found, on_bad_rows=spec.on_bad_rows)

    usable = usable_items(checked.encoders, catalogue, settle=settle, store=spec.store, stage=stage)
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

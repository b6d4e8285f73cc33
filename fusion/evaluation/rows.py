"""What baselines read of rows: their checked values, and views of them as members read these."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from encoders.base import Encoder
from encoders.blocks import Block
from encoders.text.tfidf import TfidfEncoder
from fusion.choices.build import fitted_encoders
from fusion.choices.encoders import EncoderChoices
from fusion.data.catalogue import Catalogue
from fusion.embedding import prepare_inputs
from fusion.members.view import Mask, View, view_of
from fusion.ready import ReadyItems


@dataclass(frozen=True)
class BaselineRows:
    """Rows as baselines read them; a view is None where there is no such value.

    Args:
        catalogue: Their checked values.
        tables: Numbers, dates and categories.
        words: TF-IDF directions of the texts.
        embedded: Embeddings that needed no fitting, such as those of photos.
    """

    catalogue: Catalogue
    tables: View | None
    words: View | None
    embedded: View | None


def baseline_rows(training: ReadyItems, test: ReadyItems) -> tuple[BaselineRows, BaselineRows]:
    """Training and test rows; what is learned to read them is learned on the training rows."""
    catalogue = training.catalogue
    with_values = [
        name
        for name in catalogue.schema.tables
        if pd.DataFrame(catalogue.values[name]).notna().to_numpy().any()
    ]
    tables = fitted_encoders(
        catalogue, EncoderChoices({}), modalities=with_values, transform="squash"
    )
    words = {
        name: TfidfEncoder.fitted(catalogue.values[name])
        for name in catalogue.schema.modalities
        if name == "text" and catalogue.present[name].any()
    }
    embedded = any(training.inputs.present[name].any() for name in training.inputs.embeddings)
    known, asked = (
        BaselineRows(
            each.catalogue,
            tables=_view(tables, each.catalogue),
            words=_view(words, each.catalogue),
            embedded=view_of(each.encoders, each.inputs) if embedded else None,
        )
        for each in (training, test)
    )
    return known, asked


def joined(*views: View | None) -> View | None:
    """The blocks of several views of the same rows; None where there is no view."""
    there = [view for view in views if view is not None]
    if not there:
        return None
    blocks: dict[str, Block] = {}
    present: dict[str, Mask] = {}
    for place, view in enumerate(there):
        blocks |= {f"{place}.{name}": block for name, block in view.blocks.items()}
        present |= {f"{place}.{name}": mask for name, mask in view.present.items()}
    return View(blocks, present, there[0].inputs, {})


def _view(encoders: Mapping[str, Encoder], catalogue: Catalogue) -> View | None:
    return view_of(encoders, prepare_inputs(encoders, catalogue).inputs) if encoders else None

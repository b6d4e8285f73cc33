"""What a loaded bundle must hold before it is used: comparable content, finite answers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from encoders.base import Encoder
from fusion.bundle.content import Content, content_of
from fusion.data.batch import ModelInputs
from fusion.data.catalogue import build_catalogue
from fusion.data.schema import Schema
from fusion.embedding import prepare_inputs
from fusion.errors import BundleError
from fusion.modalities import MODALITIES
from fusion.saved_parts import RESTORE, described

if TYPE_CHECKING:
    from fusion.bundle.bundle import Bundle

LONGEST = 1.001
"""Bound of a coordinate of a vector of unit length, and what rounding adds."""


def refuse_infinite(answers: Mapping[str, NDArray[Any]]) -> None:
    """Stops where an answer is no finite number: rows that can be read have one.

    Why: a description or weights that were crafted, or damaged before their checksum was made, may
    answer well on the rows that are asked when a bundle is loaded, and not on others.

    Args:
        answers: By column, `[n]` or `[n, dim]`.

    Raises:
        BundleError: With the columns and how many rows.
    """
    odd = {
        name: int((~np.isfinite(each)).any(axis=tuple(range(1, each.ndim))).sum())
        for name, each in answers.items()
    }
    told = [f"{name} ({n:,} of {len(answers[name]):,} rows)" for name, n in odd.items() if n]
    if told:
        raise BundleError(
            f"answers must be finite numbers, got others in {', '.join(told)}: the model is "
            f"damaged. {RESTORE}"
        )


def check_reference(bundle: "Bundle") -> None:
    """Refuses content of the training items that is of another number of items, or no titles.

    Raises:
        BundleError: With both numbers, or the names of vectors that are too long.
    """
    content, n_ids = bundle.reference, len(bundle.reference_ids)
    arrays: dict[str, NDArray[Any]] = {**content.vectors, "levels": content.levels}
    shapes = {name: list(array.shape) for name, array in arrays.items()}
    if any(len(shape) != 2 or shape[0] != n_ids for shape in shapes.values()):
        raise BundleError(
            f"content of the training items must be as many rows as ids, {n_ids}, got {shapes}."
        )
    odd = [name for name, one in content.vectors.items() if (np.abs(one) > LONGEST).any()]
    if odd:
        raise BundleError(
            f"content of the training items must be vectors of length 1 or 0, got longer ones in "
            f"{', '.join(odd)}. {RESTORE}"
        )
    if len(bundle.reference_titles) != n_ids:
        raise BundleError(
            f"titles of the training items must be as many as ids, {n_ids}, got "
            f"{len(bundle.reference_titles)}."
        )


def _check_comparable(bundle: "Bundle", asked: Content) -> None:
    """Refuses content of the training items that is no content of items that may be asked about."""
    known, n_ids = bundle.reference, len(bundle.reference_ids)
    widths, wanted = (
        {**{name: one.shape[1] for name, one in each.vectors.items()}, "": each.levels.shape[1]}
        for each in (known, asked)
    )
    if n_ids and widths != wanted:
        raise BundleError(
            f"content of the training items must have the widths {wanted}, got {widths}."
        )


def check_answers(bundle: "Bundle") -> None:
    """Asks the model about an item of which nothing is known, and about one with a few values.

    Why: values of a description that break nothing when parts are built may break answers.

    Raises:
        BundleError: If modalities and columns do not fit, or an answer is not a finite number.
    """
    model, schema = bundle.model, bundle.schema
    encoders = {name: model.encoder(name) for name in model.modalities}
    check_modalities(encoders, schema)
    with described("answers of the model"):
        inputs = asked_inputs(schema, encoders)
        _check_comparable(bundle, content_of(model, inputs))
        with torch.inference_mode():
            raw = model.raw(inputs)
            for name, outputs in raw.items():
                answers = model.head(name).decode(outputs)
                for column in model.head(name).columns:
                    if answers[column.name].shape != (len(inputs),):
                        raise BundleError(f"answers of {name} must be one number for each item.")
                refuse_infinite({key: each.numpy() for key, each in answers.items()})


def check_modalities(encoders: Mapping[str, Encoder], schema: Schema) -> None:
    """Refuses encoders of other modalities than the schema has.

    Raises:
        BundleError: With both.
    """
    kinds = {name: encoder.modality for name, encoder in encoders.items()}
    if kinds != schema.modalities:
        raise BundleError(f"encoders must be those of {schema.modalities}, got {kinds}.")


def asked_inputs(schema: Schema, encoders: Mapping[str, Encoder]) -> ModelInputs:
    """Two items to ask a loaded model about: of one nothing is known, of the other a few values."""
    catalogue = build_catalogue(_items_to_ask(schema, encoders), schema, photos=None)
    return prepare_inputs(encoders, catalogue).inputs


def _items_to_ask(schema: Schema, encoders: Mapping[str, Encoder]) -> pd.DataFrame:
    """A row without a value, and one with values where no pretrained encoder has to run."""
    known: dict[str, str | None] = {}
    for modality, kind in schema.modalities.items():
        costs_much = encoders[modality].cacheable
        for role in MODALITIES[modality].roles:
            cell = None if costs_much else _cell_to_ask(kind, role)
            for name in schema.columns_of(role):
                known[name] = known.get(name, cell) if cell is not None else None
    columns = schema.all_columns or ("nothing",)
    return pd.DataFrame({name: [None, known.get(name)] for name in columns}, dtype=object)


def _cell_to_ask(kind: str, role: str) -> str | None:
    """A cell that can be read in a role; None where none is known."""
    if kind == "table":
        return {"categorical": "a", "dates": "2024-01-01"}.get(role, "1")
    return "a" if kind == "text" else None

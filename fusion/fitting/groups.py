"""Which rows early stopping must keep on one side: those of near-duplicate texts and photos."""

from dataclasses import replace
from typing import Any

import numpy as np

from fusion.choices.checks import is_closed_form
from fusion.data.catalogue import Catalogue
from fusion.data.duplicates import near_duplicate_groups
from fusion.data.folds import RowOptions
from fusion.fitting.spec import TrainingSpec

FEW_WORDS = 8
"""With fewer, a text beside a photo names a kind of product, not one product."""


def with_groups(options: RowOptions, catalogue: Catalogue, *, spec: TrainingSpec) -> RowOptions:
    """Folds that keep near-duplicate texts and photos on one side, where none are given.

    Why: a network that is stopped on copies of its training rows is stopped too late. Where one
    group holds more rows than a fold (texts that are all but labels), rows are drawn by themselves,
    as folds would be of very different sizes. A text of fewer than 8 words beside a photo ("long
    dress, black") is the name of a kind, which new items share too: there the photo decides.
    """
    given = options.validation is not None or options.groups is not None
    values: dict[str, Any] = catalogue.values
    if given or is_closed_form(spec.heads) or not {"text", "image"} & values.keys():
        return options
    groups = near_duplicate_groups(texts=_telling_texts(catalogue), photos=values.get("image"))
    largest = np.bincount(groups).max(initial=0)
    useful = 1 < largest <= len(groups) / max(2, spec.training.folds)
    return replace(options, groups=groups) if useful else options


def _telling_texts(catalogue: Catalogue) -> list[str | None] | None:
    """The texts, without those of a few words beside a photo."""
    texts: Any = catalogue.values.get("text")
    photos = catalogue.present.get("image")
    if texts is None or photos is None:
        return None if texts is None else list(texts)
    return [
        None if there and len((text or "").split()) < FEW_WORDS else text
        for text, there in zip(texts, photos.tolist(), strict=True)
    ]

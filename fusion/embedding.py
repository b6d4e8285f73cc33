"""From a checked catalogue to model inputs: frozen encoders through the store, the others live."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from encoders.base import Encoder
from fusion.data.batch import ModelInputs
from fusion.data.catalogue import Catalogue
from fusion.data.problems import Problem
from fusion.progress import Stage, silent
from fusion.store import StoreReport, embed_values

UNREADABLE = {"text": "text_not_read", "image": "photo_not_read"}


@dataclass(frozen=True)
class Prepared:
    """Model inputs of a catalogue, with what went wrong and what it cost.

    Args:
        inputs: Tensors and masks, one row for each row of the catalogue.
        problems: Values that could not be embedded (a truncated photo, say).
        reports: Counts of the store for each cached modality.
    """

    inputs: ModelInputs
    problems: list[Problem]
    reports: dict[str, StoreReport]


def prepare_inputs(
    encoders: Mapping[str, Encoder],
    catalogue: Catalogue,
    *,
    store: Path | None = None,
    stage: Stage = silent,
) -> Prepared:
    """Model inputs of every row of a catalogue.

    Args:
        encoders: One encoder for each configured modality.
        catalogue: Checked rows.
        store: Folder of the embedding store; None keeps nothing.
        stage: Opens a progress bar for each modality that is embedded.

    Returns:
        Inputs, problems and counts. A row with a problem is absent in that modality.
    """
    prepared = Prepared(ModelInputs(present={}), [], {})
    for modality, encoder in sorted(encoders.items()):
        prepared.inputs.present[modality] = torch.from_numpy(catalogue.present[modality].copy())
        values: Any = catalogue.values[modality]
        if encoder.modality == "table":
            prepared.inputs.tensors[modality] = encoder.preprocess(values)
        elif encoder.trains:
            prepared.inputs.values[modality] = values
            prepared.inputs.encoders[modality] = encoder
        elif encoder.cacheable:
            _embed(prepared, modality, encoder, catalogue=catalogue, store=store, stage=stage)
        else:
            prepared.inputs.embeddings[modality] = torch.from_numpy(encoder.encode(values))
    return prepared


def _embed(
    prepared: Prepared,
    modality: str,
    encoder: Encoder,
    *,
    catalogue: Catalogue,
    store: Path | None,
    stage: Stage,
) -> None:
    values: Any = catalogue.values[modality]
    n_parts = int(catalogue.present[modality].sum())
    embedded = embed_values(
        encoder, values, store=store, advance=stage(f"embedding {modality}", n_parts)
    )
    prepared.inputs.embeddings[modality] = torch.from_numpy(embedded.vectors)
    prepared.inputs.present[modality] &= torch.from_numpy(embedded.present)
    prepared.reports[modality] = embedded.report
    columns = ", ".join(getattr(catalogue.schema, encoder.modality))
    for row, message in embedded.failures.items():
        prepared.problems.append(
            Problem(
                code=UNREADABLE[encoder.modality],
                message=message,
                row=row,
                id=catalogue.ids[row],
                column=columns,
            )
        )

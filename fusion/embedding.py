"""From a checked catalogue to model inputs: frozen encoders through the store, the others live."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from encoders.base import Encoder, TermsEncoder
from encoders.image.photo_file import PhotoError
from fusion.data.batch import ModelInputs
from fusion.data.catalogue import Catalogue
from fusion.data.problems import Problem
from fusion.modalities import MODALITIES, UNITS
from fusion.progress import Stage, silent
from fusion.store import Embedded, StoreReport, embed_values
from fusion.system.processes import first_alone


@dataclass(frozen=True)
class Prepared:
    """Model inputs of a catalogue, with what went wrong and what it cost.

    Args:
        inputs: Tensors and masks, one row for each row of the catalogue.
        problems: Values that could not be embedded (a truncated photo, say).
        reports: Counts of the store for each cached modality.
        warnings: Row and what is odd about one of its values, as `modality:code`.
    """

    inputs: ModelInputs
    problems: list[Problem]
    reports: dict[str, StoreReport]
    warnings: list[tuple[int, str]]


def prepare_inputs(
    encoders: Mapping[str, Encoder],
    catalogue: Catalogue,
    *,
    store: Path | None = None,
    batch_multiple: int = 1,
    stage: Stage = silent,
) -> Prepared:
    """Model inputs of every row of a catalogue.

    Args:
        encoders: One encoder for each configured modality.
        catalogue: Checked rows.
        store: Folder of the embedding store; None keeps nothing.
        batch_multiple: See `encoders.stream.encode_each`.
        stage: Opens a progress bar for each modality that is embedded.

    Returns:
        Inputs, problems and counts. A row with a problem is absent in that modality.
    """
    prepared = Prepared(ModelInputs(present={}), [], {}, [])
    for modality, encoder in sorted(encoders.items()):
        prepared.inputs.present[modality] = torch.from_numpy(catalogue.present[modality].copy())
        values: Any = catalogue.values[modality]
        if encoder.modality == "table":
            prepared.inputs.tensors[modality] = encoder.preprocess(values)
        elif encoder.is_trainable:
            prepared.inputs.values[modality] = values
            prepared.inputs.encoders[modality] = encoder
        elif encoder.cacheable:
            n_values = int(catalogue.present[modality].sum())
            with first_alone(), stage(f"embedding {modality}", n_values, unit_of(encoder)) as work:
                embedded = embed_values(
                    encoder, values, store=store, batch_multiple=batch_multiple, work=work
                )
            _take(prepared, modality, embedded, catalogue=catalogue)
        elif isinstance(encoder, TermsEncoder):
            terms = encoder.terms(values)
            prepared.inputs.terms[modality] = terms
            prepared.inputs.embeddings[modality] = torch.from_numpy(encoder.directions(terms))
        else:
            prepared.inputs.embeddings[modality] = torch.from_numpy(encoder.encode(values))
    return prepared


def unit_of(encoder: Encoder) -> str:
    """What is counted where an encoder is at work."""
    return UNITS.get(encoder.modality, "values")


def _take(prepared: Prepared, modality: str, embedded: Embedded, *, catalogue: Catalogue) -> None:
    """Adds the embeddings of one modality, with what went wrong."""
    prepared.inputs.embeddings[modality] = torch.from_numpy(embedded.vectors)
    prepared.inputs.present[modality] &= torch.from_numpy(embedded.present)
    prepared.reports[modality] = embedded.report
    prepared.warnings.extend(
        (row, f"{modality}:{code}") for row, codes in embedded.warnings.items() for code in codes
    )
    columns = ", ".join(catalogue.schema.columns_read_by(modality))
    for row, error in embedded.failures.items():
        prepared.problems.append(
            Problem(
                problem_code(error, modality),
                str(error),
                row=row,
                id=catalogue.ids[row],
                column=columns,
                modality=modality,
            )
        )


def problem_code(error: Exception, modality: str) -> str:
    """Code of a value that could not be embedded: `photo_truncated`, `text_not_read`, ..."""
    what = error.code if isinstance(error, PhotoError) else "not_read"
    return f"{MODALITIES[modality].fault_code}_{what}"

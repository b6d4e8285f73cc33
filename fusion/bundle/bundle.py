"""A trained model with all that is needed to use it, saved and loaded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from encoders.dtype import processor_has_bfloat16
from encoders.process_state import OwnGenerators
from fusion.bundle.content import Content, content_of
from fusion.bundle.document import FORMAT, Document, described
from fusion.bundle.folder import check_bundle_folder, read_bundle, write_bundle
from fusion.bundle.parts import (
    check_fingerprints,
    described_parts,
    is_in_bfloat16,
    rebuild_ensemble,
)
from fusion.bundle.reference import (
    content_as_tensors,
    content_of_tensors,
    targets_as_tensors,
    targets_of_tensors,
    texts_as_tensors,
    texts_of_tensors,
)
from fusion.choices.heads import joined_target, target_name
from fusion.choices.parameters import EncoderPaths
from fusion.data.catalogue import build_catalogue
from fusion.data.labels import label_texts
from fusion.data.schema import Schema
from fusion.embedding import prepare_inputs
from fusion.ensemble import ProductEnsemble
from fusion.errors import BundleError
from fusion.modalities import MODALITIES
from fusion.progress import say_once
from fusion.system.files import expanded, json_bytes
from heads.columns import class_labels


@dataclass
class Bundle:
    """A trained model with all that is needed to use it.

    Args:
        model: Networks, ridge and nearest items, blended; in eval mode.
        schema: Which columns it reads.
        targets: Target columns of each head: one, or one for each of its steps.
        info: What is worth knowing, JSON-serialisable: metrics, training, problems found.
        reference_ids: Ids of the training items.
        reference: Their content, which `similar` compares with.
        reference_titles: What people call them, at most 80 characters; empty where nothing does.
        reference_targets: Target column -> what was known of them `[n]`, in its own unit, of
            labels their positions; NaN: nothing.
    """

    model: ProductEnsemble
    schema: Schema
    targets: dict[str, tuple[str, ...]]
    info: dict[str, Any] = field(default_factory=dict)
    reference_ids: list[str] = field(default_factory=list)
    reference: Content = field(default_factory=Content)
    reference_titles: list[str] = field(default_factory=list)
    reference_targets: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def target_columns(self) -> list[str]:
        """Target columns of all heads, each once, sorted."""
        return sorted({column for columns in self.targets.values() for column in columns})

    def target_name(self, head: str) -> str:
        """What the target of a head is called."""
        return target_name(self.targets[head])

    @property
    def target_labels(self) -> dict[str, tuple[str, ...]]:
        """Target column that holds labels -> what the positions in it stand for."""
        return {
            column: labels
            for name, columns in self.targets.items()
            if (labels := class_labels(self.model.head(name).columns))
            for column in columns
        }

    def told_target(self, column: str, values: NDArray[np.float64]) -> NDArray[Any]:
        """Values `[n]` of a target column as tables show them: numbers, or labels as text."""
        labels = self.target_labels
        return label_texts(values, labels[column]) if column in labels else values

    def target_of(
        self, head: str, by_column: Mapping[str, NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """The target `[n, *target_shape]` of a head out of target columns `[n]`."""
        shape = self.model.head(head).target_shape
        return joined_target(by_column, self.targets[head], shape=shape)


def save_bundle(bundle: Bundle, folder: str | Path) -> None:
    """Writes a bundle; the old one or the new one is there, whole, whenever this is stopped.

    Several may save to one place at once: each writes a whole bundle, and the last one stays.

    Args:
        bundle: What is saved.
        folder: Its place: new, empty or a bundle, which is replaced. Where it is a link, the
            folder that it leads to is replaced, and the link stays.

    Raises:
        BundleError: If the folder holds anything else, or a part is in no registry.
        OSError: If it cannot be written; then the old bundle is as it was.
    """
    folder = expanded(folder)
    check_bundle_folder(folder)
    document = {
        "format": FORMAT,
        "schema": bundle.schema.to_dict(),
        **described_parts(bundle.model, bundle.targets),
        "info": json.loads(json_bytes(bundle.info)),  # of what is not defined: null
    }
    files = {
        "weights.safetensors": _pack(bundle.model.state()),
        "reference.safetensors": _pack(
            {
                **content_as_tensors(bundle.reference),
                **targets_as_tensors(
                    [bundle.reference_targets[name] for name in bundle.target_columns]
                ),
                **texts_as_tensors("ids", bundle.reference_ids),
                **texts_as_tensors("titles", bundle.reference_titles),
            }
        ),
    }
    write_bundle(folder, document, files)


def load_bundle(folder: str | Path, *, encoder_paths: EncoderPaths | None = None) -> Bundle:
    """A bundle, checked byte by byte; needs neither the training data nor a network.

    Args:
        folder: The bundle.
        encoder_paths: Where weights of encoders lie now, if they have moved; others are refused.

    Raises:
        BundleError: If a file is absent or changed, the format is unknown, an encoder's weights
            are not those that the model was trained with, or the description is of no model that
            answers.
    """
    folder = expanded(folder)
    document, files = read_bundle(folder)
    with described(f"description of {folder}"):
        bundle = _rebuilt(document, files, encoder_paths, name=folder.name)
    _tell_of_other_precision(document, name=folder.name)
    return bundle


def _rebuilt(
    document: Document,
    files: Mapping[str, bytes],
    encoder_paths: EncoderPaths | None,
    *,
    name: str,
) -> Bundle:
    if encoder_paths is not None:
        document["encoders"] = encoder_paths.applied(document["encoders"])
    weights, reference = (
        _unpack(files[file], file) for file in ("weights.safetensors", "reference.safetensors")
    )
    _check_members(document, weights)
    with OwnGenerators(0):  # all that is drawn is replaced at once
        model = rebuild_ensemble(document, n_weight_bytes=len(files["weights.safetensors"]))
    try:
        model.load_state(weights)
    except RuntimeError as error:
        raise BundleError(f"weights of {name} must fit its description: {error}") from error
    encoders = {modality: model.encoder(modality) for modality in model.modalities}
    check_fingerprints(encoders, document["encoders"], folder=name)
    model.eval()
    with described("schema"):
        schema = Schema.from_dict(document["schema"])
    bundle = Bundle(
        model=model,
        schema=schema,
        targets={head: tuple(entry["target"]) for head, entry in document["heads"].items()},
        info=document["info"],
        reference_ids=texts_of_tensors("ids", reference),
        reference=content_of_tensors(reference),
        reference_titles=texts_of_tensors("titles", reference),
    )
    bundle.reference_targets = targets_of_tensors(
        reference, bundle.target_columns, n_items=len(bundle.reference_ids)
    )
    _check_reference(bundle)
    _check_answers(bundle)
    return bundle


def _check_members(document: Document, weights: Mapping[str, Tensor]) -> None:
    """Refuses more members than there are weights of, before one is built."""
    found = {name.partition(".")[0] for name in weights}
    n_found = sum(name.isdigit() for name in found)
    if document["n_networks"] > max(n_found, 1):
        raise BundleError(
            f"n_networks must be the number of networks whose weights are there, {n_found}, got "
            f"{document['n_networks']}."
        )


def _check_reference(bundle: Bundle) -> None:
    """Refuses content of the training items that is of another number of items, or no titles."""
    content, n_ids = bundle.reference, len(bundle.reference_ids)
    arrays: dict[str, NDArray[Any]] = {**content.vectors, "levels": content.levels}
    shapes = {name: list(array.shape) for name, array in arrays.items()}
    if any(len(shape) != 2 or shape[0] != n_ids for shape in shapes.values()):
        raise BundleError(
            f"content of the training items must be as many rows as ids, {n_ids}, got {shapes}."
        )
    if len(bundle.reference_titles) != n_ids:
        raise BundleError(
            f"titles of the training items must be as many as ids, {n_ids}, got "
            f"{len(bundle.reference_titles)}."
        )


def _check_comparable(bundle: Bundle, asked: Content) -> None:
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


def _check_answers(bundle: Bundle) -> None:
    """Asks the model about an item of which nothing is known, and about one with a few values.

    Why: values of a description that break nothing when parts are built may break answers.

    Raises:
        BundleError: If modalities and columns do not fit, or an answer is not a finite number.
    """
    model, schema = bundle.model, bundle.schema
    kinds = {name: model.encoder(name).modality for name in model.modalities}
    if kinds != schema.modalities:
        raise BundleError(f"encoders must be those of {schema.modalities}, got {kinds}.")
    with described("answers of the model"):
        catalogue = build_catalogue(_items_to_ask(bundle), schema, photos=None)
        encoders = {name: model.encoder(name) for name in model.modalities}
        inputs = prepare_inputs(encoders, catalogue).inputs
        _check_comparable(bundle, content_of(model, inputs))
        with torch.inference_mode():
            raw = model(**inputs.batch(np.arange(len(catalogue))))
            for name, outputs in raw.items():
                answers = model.head(name).decode(outputs)
                for column in model.head(name).columns:
                    if answers[column.name].shape != (len(catalogue),):
                        raise BundleError(f"answers of {name} must be one number for each item.")
                    if not answers[column.name].isfinite().all():
                        raise BundleError(f"answers of {name} must be finite numbers.")


def _items_to_ask(bundle: Bundle) -> pd.DataFrame:
    """A row without a value, and one with values where no pretrained encoder has to run."""
    schema, model = bundle.schema, bundle.model
    known: dict[str, str | None] = {}
    for modality, kind in schema.modalities.items():
        costs_much = model.encoder(modality).cacheable
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


def _tell_of_other_precision(document: Document, *, name: str) -> None:
    """Says which encoders compute in float32 but were made in bfloat16, and what that changes."""
    made = [modality for modality, e in document["encoders"].items() if is_in_bfloat16(e)]
    if not made or processor_has_bfloat16():
        return
    measured = document["info"].get("bfloat16")
    moved = "by how much that changes answers was not measured."
    if measured is not None:
        with described("bfloat16 in the info"):
            changes = measured["largest_change"].items()
            moved = (
                f"on {measured['n_rows']} validation rows that changed no answer by more than "
                f"{', '.join(f'{change:.3g} ({column})' for column, change in changes)}."
            )
    say_once(
        f"The {' and '.join(made)} encoder of {name} was made in bfloat16, which this "
        f"processor lacks: it computes in float32, which is slower; {moved}"
    )


def _pack(tensors: Mapping[str, Tensor]) -> bytes:
    return save_tensors({name: tensor.contiguous() for name, tensor in tensors.items()})


def _unpack(content: bytes, name: str) -> dict[str, Tensor]:
    """The tensors of a file; each number is finite.

    Raises:
        BundleError: If the file is no safetensors file, or a number is not finite.
    """
    with described(name):
        tensors = load_tensors(content)
        odd = [key for key, tensor in tensors.items() if not tensor.isfinite().all()]
        if odd:
            raise BundleError(f"{name} must hold finite numbers, got others in {odd[:5]}.")
        return tensors

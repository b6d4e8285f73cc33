"""A trained model with all that is needed to use it, saved and loaded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoders.process_state import OwnGenerators
from fusion.bundle.answers import check_answers, check_reference
from fusion.bundle.content import Content
from fusion.bundle.document import BUNDLE, FILES, FORMAT, Document, saved_schema
from fusion.bundle.folder import check_folder, read_folder, write_folder
from fusion.bundle.parts import described_parts, rebuild_model
from fusion.bundle.reference import (
    content_as_tensors,
    content_of_tensors,
    targets_as_tensors,
    targets_of_tensors,
    texts_as_tensors,
    texts_of_tensors,
)
from fusion.bundle.saved_encoders import (
    check_fingerprints,
    moved_encoders,
    tell_of_other_precision,
)
from fusion.bundle.weights import learned_state, packed, unpacked
from fusion.choices.heads import joined_target, target_name
from fusion.choices.parameters import EncoderPaths
from fusion.data.labels import label_texts
from fusion.data.schema import Schema
from fusion.model import ProductModel
from fusion.saved_parts import described
from fusion.system.files import expanded, json_bytes
from heads.columns import class_labels


@dataclass
class Bundle:
    """A trained model with all that is needed to use it.

    Args:
        model: Members, and the stack that joins their answers.
        schema: Which columns it reads.
        targets: Target columns of each head: one, or one for each of its steps.
        info: What is worth knowing, JSON-serialisable: metrics, training, problems found.
        reference_ids: Ids of the training items.
        reference: Their content, which `similar` compares with.
        reference_titles: What people call them, at most 80 characters; empty where nothing does.
        reference_targets: Target column -> what was known of them `[n]`, in its own unit, of
            labels their positions; NaN: nothing.
    """

    model: ProductModel
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
        BundleError: If the folder holds anything else, a part is in no registry, or a number that
            was learned is not finite, so that the bundle could not be loaded.
        OSError: If it cannot be written; then the old bundle is as it was.
    """
    folder = expanded(folder)
    check_folder(folder, BUNDLE)
    encoders = {name: bundle.model.encoder(name) for name in bundle.model.modalities}
    learned, member_files = learned_state(encoders, bundle.model.members)
    document = {
        "format": FORMAT,
        "schema": bundle.schema.to_dict(),
        **described_parts(bundle.model, bundle.targets, files=member_files),
        "info": json.loads(json_bytes(bundle.info)),  # of what is not defined: null
    }
    files = {
        "weights.safetensors": packed(learned),
        "reference.safetensors": packed(
            {
                **content_as_tensors(bundle.reference),
                **targets_as_tensors(
                    [bundle.reference_targets[name] for name in bundle.target_columns]
                ),
                **texts_as_tensors("ids", bundle.reference_ids),
                **texts_as_tensors("titles", bundle.reference_titles),
            }
        ),
        **member_files,
    }
    write_folder(folder, BUNDLE, document, files)


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
    document, files = read_folder(folder, BUNDLE)
    with described(f"description of {folder}"):
        bundle = _rebuilt(document, files, encoder_paths, name=folder.name)
    tell_of_other_precision(document.encoders, document.info, name=folder.name)
    return bundle


def _rebuilt(
    document: Document,
    files: Mapping[str, bytes],
    encoder_paths: EncoderPaths | None,
    *,
    name: str,
) -> Bundle:
    document = replace(document, encoders=moved_encoders(document.encoders, encoder_paths))
    weights, reference = (unpacked(files[file], file) for file in FILES)
    n_bytes = sum(map(len, files.values())) - len(files[FILES[1]])
    with OwnGenerators(0):  # all that is drawn is replaced at once
        model = rebuild_model(document, weights, files, n_weight_bytes=n_bytes)
    encoders = {modality: model.encoder(modality) for modality in model.modalities}
    check_fingerprints(encoders, document.encoders, folder=name)
    bundle = Bundle(
        model=model,
        schema=saved_schema(document.schema),
        targets={head: tuple(entry.target) for head, entry in document.heads.items()},
        info=document.info,
        reference_ids=texts_of_tensors("ids", reference),
        reference=content_of_tensors(reference),
        reference_titles=texts_of_tensors("titles", reference),
    )
    bundle.reference_targets = targets_of_tensors(
        reference, bundle.target_columns, n_items=len(bundle.reference_ids)
    )
    check_reference(bundle)
    check_answers(bundle)
    return bundle

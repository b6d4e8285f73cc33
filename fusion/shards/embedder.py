"""What turns rows into vectors: the encoders of a plan, or a trained model that fuses."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fusion.choices.mistakes import Mistakes
from fusion.data.schema import Schema
from fusion.errors import ConfigError, JobError
from fusion.modalities import MODALITIES
from fusion.progress import Stage, silent
from fusion.shards.data_paths import DataPaths
from fusion.shards.plan import Plan
from fusion.shards.settings import MOST_KEPT, JobSettings
from fusion.shards.tables import SAMPLE_ROWS, first_rows, list_files, no_rows
from fusion.shards.unit_length import unit_vectors, zero_vectors
from fusion.shards.work import STEADY_ROWS, Answers, Planned, Work

if TYPE_CHECKING:
    import pandas as pd

    from encoders.base import Encoder
    from fusion.bundle import Bundle
    from fusion.data.catalogue import Catalogue
    from fusion.embedding import Prepared

FUSED = "fused"
ARROW_TYPES = {"float32": pa.float32(), "float16": pa.float16()}


@dataclass
class Embedder(Work):
    """Encoders, and where a trained model fuses, the model.

    Args:
        encoders: One for each modality.
        bundle: The model; None where each modality's embedding is wanted.
        vector_type: `float32` or `float16`, in which vectors come out.
        normalize: Vectors come out at L2 length 1.
    """

    encoders: "dict[str, Encoder]"
    bundle: "Bundle | None" = None
    vector_type: str = "float32"
    normalize: bool = False

    @classmethod
    def asked(cls, paths: DataPaths, settings: JobSettings) -> dict[str, Any]:
        """The settings; a trained model is known by its SHA-256."""
        return settings.to_dict(bundle=paths.bundle)

    @classmethod
    def planned(cls, paths: DataPaths, folder: Path, settings: JobSettings) -> Planned:
        """Which columns are read, by which encoders and, of a trained model, in which precision."""
        from fusion.data.infer import infer_schema

        del folder
        if paths.bundle is not None:
            from fusion.shards.models import encoders_of, kept_bundle, precisions_of

            bundle = kept_bundle(paths)
            _check_columns(settings, bundle.schema)
            precisions = precisions_of(encoders_of(bundle))
            return Planned(bundle.schema, bundle.schema.all_columns, settings=precisions)
        given: dict[str, list[str] | None] = dict(settings.columns)
        learned = [each for name, each in MODALITIES.items() if settings.encoders[name].learns]
        given |= {role: [] for each in learned for role in each.roles}
        sample = _sample(paths.items, delimiter=settings.delimiter)
        found = infer_schema(sample, photos=paths.photos, given=given, source=paths.items.name)
        from fusion.choices.build import pretrained_encoders  # torch: once the columns are right
        from fusion.choices.checks import why_ignored

        encoders = pretrained_encoders(settings.encoders, found.modalities, store=paths.store)
        if not encoders:
            raise ConfigError(_no_column(paths.items, settings) + why_ignored(found))
        roles = [role for modality in encoders for role in MODALITIES[modality].roles]
        columns = {role: found.columns_of(role) for role in roles}
        schema = Schema(found.id, columns, found.formats, found.text_numbers)
        return Planned(schema, schema.all_columns, describe_encoders(encoders))

    @classmethod
    def loaded(cls, folder: Path, plan: Plan, paths: DataPaths) -> Self:
        """The encoders of a plan, on the GPU where there is one.

        What is kept is known by its content, never by where it lies: encoders by configurations and
        fingerprints, a trained model by its SHA-256. Another plan in the folder gets its own.
        """
        from encoders.dtype import processor_has_bfloat16
        from fusion.shards.models import encoders_of, mixed_precision, planned_bundle

        del folder
        vector_type, normalize = plan.settings["dtype"], plan.settings["normalize"]
        if plan.settings["bundle"] is not None:
            bundle = planned_bundle(plan, paths)
            return cls(encoders_of(bundle), bundle, vector_type, normalize)
        for modality, entry in plan.encoders.items():
            if entry["config"].get("dtype") == "bfloat16" and not processor_has_bfloat16():
                raise JobError(mixed_precision(f"precision of {modality}", "bfloat16", "float32"))
        encoders = _kept_encoders(json.dumps(plan.encoders, sort_keys=True))
        return cls(encoders, None, vector_type, normalize)

    @property
    def n_cacheable(self) -> int:
        """Modalities that are embedded, each with a progress of its own."""
        return sum(encoder.cacheable for encoder in self.encoders.values())

    def prepare(
        self, catalogue: "Catalogue", *, store: Path | None, stage: Stage = silent
    ) -> "Prepared":
        """Embeddings of each modality; a value that cannot be read is absent and named."""
        from fusion.embedding import prepare_inputs

        return prepare_inputs(
            self.encoders, catalogue, store=store, batch_multiple=STEADY_ROWS, stage=stage
        )

    def answers(self, prepared: "Prepared", rows: NDArray[np.int64]) -> Answers:
        """Columns `<name>_embedding`, null where absent, and `<modality>_present` of some rows.

        Raises:
            JobError: If a number is not finite or too large for the vector type.
        """
        present = {name: mask.numpy()[rows] for name, mask in prepared.inputs.present.items()}
        columns, warnings = {}, list[tuple[int, str]]()
        for name, vectors in self.vectors(prepared, rows).items():
            there = present.get(name, np.ones(len(vectors), dtype=bool))
            if self.normalize:
                warnings += zero_vectors(name, vectors, there)
                vectors = unit_vectors(vectors)
            columns[f"{name}_embedding"] = _lists(
                vectors, there, name=name, vector_type=self.vector_type
            )
        columns |= {f"{name}_present": pa.array(there) for name, there in present.items()}
        return Answers(columns, warnings)

    def vectors(
        self, prepared: "Prepared", rows: NDArray[np.int64]
    ) -> dict[str, NDArray[np.float32]]:
        """Vectors `[len(rows), dim]` of some rows."""
        inputs = prepared.inputs.take(rows)
        if self.bundle is not None:
            from fusion.predictor import fuse_rows

            return {FUSED: fuse_rows(self.bundle, inputs)}
        return {name: tensor.numpy() for name, tensor in inputs.embeddings.items()}


def _lists(
    vectors: NDArray[np.float32], there: NDArray[np.bool_], *, name: str, vector_type: str
) -> Any:
    """A fixed-size-list column; absent rows are null, never zeros."""
    with np.errstate(over="ignore"):  # found below
        numbers = vectors.astype(vector_type, copy=False)
    if not np.isfinite(numbers).all():
        raise JobError(
            f"embeddings of {name} must be finite and fit {vector_type}, got up to "
            f"{np.abs(vectors).max():.6g}. Use --dtype float32 in a new output folder."
        )
    flat = pa.array(np.ascontiguousarray(numbers).ravel(), ARROW_TYPES[vector_type])
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1], mask=pa.array(~there))


def describe_encoders(encoders: "Mapping[str, Encoder]") -> dict[str, dict[str, Any]]:
    """Name, configuration and fingerprint of each encoder, JSON types.

    Raises:
        BundleError: If an encoder is in no registry.
    """
    from encoders import ENCODERS
    from fusion.saved_parts import name_and_config

    return {
        modality: {**name_and_config(ENCODERS, encoder), "fingerprint": encoder.fingerprint}
        for modality, encoder in encoders.items()
    }


@lru_cache(maxsize=MOST_KEPT)
def _kept_encoders(entries: str) -> "dict[str, Encoder]":
    return _rebuilt(json.loads(entries))


def _rebuilt(entries: Mapping[str, dict[str, Any]]) -> "dict[str, Encoder]":
    import torch

    from encoders import ENCODERS
    from fusion.saved_parts import rebuild

    encoders = {}
    for modality, entry in entries.items():
        encoder = rebuild(ENCODERS, entry, what=f"encoder of {modality}")
        kind = MODALITIES[modality].kind  # a plan names none that is not there
        if (encoder.modality, encoder.fingerprint) != (kind, entry["fingerprint"]):
            raise JobError(
                f"encoder of {modality} must have the weights that the job was begun with, got "
                "others. Put them back, or begin a new output folder."
            )
        encoders[modality] = encoder.cuda() if torch.cuda.is_available() else encoder
    return encoders


def _no_column(items: Path, settings: JobSettings) -> str:
    """Message for a table without a column that is embedded, with every role that can be given."""
    roles = settings.embedded_roles
    kinds = {MODALITIES[name].kind for name in settings.embedded}
    photos = ", and the folder of photos with --photos" if "image" in kinds else ""
    words = " or ".join(f"--column {role}=NAME" for role in roles)
    return (
        f"{items} must have a column of the role {' or '.join(roles)}, which encoders without "
        f"training read, got none. Name one with {words}{photos}."
    )


def _check_columns(settings: JobSettings, schema: Schema) -> None:
    """Refuses columns that a trained model does not read as asked: they would play no role.

    Raises:
        ConfigError: With every role whose columns are not the model's own.
    """
    mistakes = Mistakes()
    for role, names in settings.columns.items():
        columns = [schema.id] if role == "id" and schema.id else schema.columns_of(role)
        if names is not None and sorted(names) != sorted(columns):
            got = ", ".join(names) or "none"
            mistakes.add(
                [
                    f"{role} columns must be those of the bundle, {', '.join(columns) or 'none'}, "
                    f"got {got}. Leave them out."
                ]
            )
    mistakes.refuse()


def _sample(items: Path, *, delimiter: str | None) -> "pd.DataFrame":
    """The first rows of the first table that has any.

    Raises:
        CatalogueError: If no table has.
    """
    for path in list_files(items):
        sample = first_rows(path, n_rows=SAMPLE_ROWS, delimiter=delimiter)
        if len(sample):
            return sample
    raise no_rows(items)

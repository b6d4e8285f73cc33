"""`fusion embed`: items in, one embedding for each modality (or one fused vector) out.

Reads: an items table, photos; a bundle where fused vectors are wanted.
Writes: one Parquet file with fixed-size float32 lists, rows in input order, failures with reason.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fusion.build import EncoderChoice, pretrained_encoders
from fusion.data.catalogue import Catalogue, build_catalogue
from fusion.data.infer import infer_schema
from fusion.data.policy import apply_policy
from fusion.data.tables import read_table
from fusion.embedding import prepare_inputs
from fusion.errors import ConfigError
from fusion.files import write_atomically
from fusion.jobs.predict import ItemSource, open_predictor
from fusion.progress import Stage, silent


@dataclass(frozen=True)
class EmbedResult:
    """Where the embeddings are, their lengths, and how many rows failed."""

    output: Path
    dims: dict[str, int]
    n_rows: int
    n_failed: int


def embed(
    source: ItemSource,
    output: Path,
    *,
    choice: EncoderChoice | None = None,
    columns: dict[str, list[str] | None] | None = None,
    stage: Stage = silent,
) -> EmbedResult:
    """Embeds the texts and photos of items with pretrained encoders.

    Args:
        source: Items; the same text or photo is encoded once.
        output: Parquet file with columns `id`, `<modality>_embedding`, `<modality>_present`,
            `error`.
        choice: Encoders.
        columns: Columns of the roles `id`, `text` and `image`; found where not given.
        stage: Opens progress bars.

    Raises:
        CatalogueError: If the items have problems and must not; nothing is written then.
        ConfigError: If there is neither text nor photo, or no encoder for them without training.
    """
    frame = read_table(source.items)
    given = {
        **(columns or {}),
        "numeric": [],
        "categorical": [],
        "dates": [],
        "history": [],
        "row": [],
    }
    if source.photos is None:
        given["image"] = []
    schema = infer_schema(frame, photos=source.photos, given=given)
    encoders = pretrained_encoders(choice or EncoderChoice(), schema.modalities)
    if not encoders:
        raise ConfigError(
            f"{source.items.name} must have a text or photo column, got none. "
            "Name them with --text and --image, and the photo folder with --photos."
        )
    catalogue = build_catalogue(frame, schema, photos=source.photos, source=source.items.name)
    prepared = prepare_inputs(encoders, catalogue, store=source.store, stage=stage)
    _, errors = apply_policy(catalogue, prepared.problems, on_bad_rows=source.on_bad_rows)
    vectors = {name: tensor.numpy() for name, tensor in prepared.inputs.embeddings.items()}
    present = {name: mask.numpy() for name, mask in prepared.inputs.present.items()}
    _write(output, catalogue, vectors=vectors, present=present, errors=errors)
    dims = {name: array.shape[1] for name, array in vectors.items()}
    return EmbedResult(output, dims, n_rows=len(frame), n_failed=len(errors))


def embed_fused(
    bundle: Path, source: ItemSource, output: Path, *, stage: Stage = silent
) -> EmbedResult:
    """Embeds items with a trained model: one fused vector each.

    Raises:
        BundleError: If the bundle is damaged.
        CatalogueError: If the items have problems and must not; nothing is written then.
    """
    predictor = open_predictor(bundle, source, stage=stage)
    fused = predictor.embed_table(read_table(source.items), source=source.items.name)
    catalogue_ids, vectors, errors = fused
    columns = {
        "id": pa.array(catalogue_ids),
        "fused_embedding": _lists(vectors, absent=np.asarray(np.isnan(vectors).any(axis=1))),
        "error": pa.array([errors.get(row, "") for row in range(len(vectors))]),
    }
    _write_parquet(output, columns)
    return EmbedResult(output, {"fused": vectors.shape[1]}, len(vectors), len(errors))


def _write(
    output: Path,
    catalogue: Catalogue,
    *,
    vectors: dict[str, NDArray[np.float32]],
    present: dict[str, NDArray[np.bool_]],
    errors: dict[int, str],
) -> None:
    columns: dict[str, Any] = {"id": pa.array(catalogue.ids)}
    failed = np.isin(np.arange(len(catalogue)), list(errors))
    for name, array in vectors.items():
        there = present[name] & ~failed
        columns[f"{name}_embedding"] = _lists(array, absent=~there)
        columns[f"{name}_present"] = pa.array(there)
    columns["error"] = pa.array([errors.get(row, "") for row in range(len(catalogue))])
    _write_parquet(output, columns)


def _lists(vectors: NDArray[np.float32], *, absent: NDArray[np.bool_]) -> Any:
    """A fixed-size-list column; absent rows are null, never zeros."""
    flat = pa.array(np.ascontiguousarray(vectors).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1], mask=pa.array(absent))


def _write_parquet(output: Path, columns: dict[str, Any]) -> None:
    if output.suffix != ".parquet":
        raise ConfigError(f"output must end in .parquet, got {output.name!r}.")
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    write_atomically(output, sink.getvalue().to_pybytes())

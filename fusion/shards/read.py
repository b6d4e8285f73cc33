"""Finished embeddings back into memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from encoders.spelling import unknown_name
from fusion.data.header import arrow_file
from fusion.errors import JobError
from fusion.shards.plan import read_plan
from fusion.shards.receipts import finished, part_name


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of one name, in row order.

    Args:
        rows: `[n]` positions in the input, from 0.
        ids: Id of each row.
        vectors: `[n, dim]` float32 or float16; only rows that have the embedding.
    """

    rows: NDArray[np.int64]
    ids: list[str]
    vectors: NDArray[Any]


def read_embeddings(folder: Path, name: str) -> Embeddings:
    """Embeddings of one modality, or `fused`, of all finished shards; absent rows are left out.

    Args:
        folder: Output folder of a job.
        name: A modality, or `fused`.

    Raises:
        JobError: If the folder has no plan, no shard is finished or there is no such embedding.
    """
    plan = read_plan(folder)
    if plan.kind != "embeddings":
        raise JobError(f"{folder} must be the folder of an embedding job, got one of {plan.kind}.")
    done = finished(folder, plan)
    parts = [part_name(plan.kind, shard) for shard in sorted(done)]
    if not parts:
        raise JobError(f"{folder} must have finished shards, got none.")
    ending = "_embedding"
    columns = pq.read_schema(arrow_file(folder / parts[0])).names
    names = [n.removesuffix(ending) for n in columns if n.endswith(ending)]
    if name not in names:
        raise JobError(unknown_name("name", name, names))
    column = f"{name}{ending}"
    table = pa.concat_tables(_present(folder / part, column) for part in parts)
    return Embeddings(
        rows=table["row"].to_numpy(),
        ids=table["id"].to_pylist(),
        vectors=matrix(table[column]),
    )


def _present(path: Path, column: str) -> pa.Table:
    table = pq.ParquetFile(arrow_file(path)).read(columns=["row", "id", column])
    return table.filter(table[column].is_valid())


def matrix(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column of fixed-size lists without nulls as an array `[n, dim]`."""
    chunks = [chunk.flatten().to_numpy() for chunk in column.chunks]
    flat = np.concatenate(chunks) if chunks else np.zeros(0, dtype=np.float32)
    return flat.reshape(-1, column.type.list_size)

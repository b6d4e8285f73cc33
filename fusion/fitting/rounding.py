"""How far answers move where a model that was made in bfloat16 computes in float32."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from encoders.dtype import in_precision, precision_of
from fusion.bundle import Bundle
from fusion.data.batch import ModelInputs
from fusion.predictor import Predictor
from fusion.ready import ReadyItems
from fusion.store import embed_values

MOST_ROWS = 128
"""Rows that are embedded twice, at most: seconds beside the training."""


def largest_changes(
    bundle: Bundle, ready: ReadyItems, rows: NDArray[np.int64], *, store: Path | None = None
) -> dict[str, Any] | None:
    """The largest change of each answer where bfloat16 embeddings are made in float32 instead.

    Why: a bundle may be loaded where the processor has no bf16. It then computes in float32, and
    says how much that changes, which can be measured only where both are at hand.

    Args:
        bundle: A trained model.
        ready: Rows that are embedded.
        rows: Positions of rows that early stopping looked at; 128 of them are taken, evenly.
        store: Folder of the embedding store.

    Returns:
        `n_rows` and `largest_change` (prediction column -> change, >= 0, in the column's unit;
        classes change as their probabilities do), as JSON types, of rows whose values can still be
        read: a photo that is gone by now costs no trained model. None where no encoder computes in
        bfloat16, or no row is left.
    """
    encoders = {name: bundle.model.encoder(name) for name in bundle.model.modalities}
    rounded = {
        name: encoder
        for name, encoder in encoders.items()
        if not encoder.is_trainable and precision_of(encoder) == "bfloat16"
    }
    if not rounded:
        return None
    evenly = np.unique(np.linspace(0, len(rows) - 1, MOST_ROWS).round().astype(int))
    chosen = ready.take(rows[evenly])
    prepared = chosen.prepared(encoders, store=store)
    before, exact = prepared.inputs, {}
    failed = {problem.row for problem in prepared.problems if problem.row is not None}
    for name, encoder in rounded.items():
        values: Any = chosen.catalogue.values[name]
        there = before.present[name].tolist()
        known = [value if is_there else None
                 for value, is_there in zip(values, there, strict=True)]  # fmt: skip
        found = embed_values(in_precision(encoder, "float32"), known, store=store)
        failed |= set(found.failures)
        exact[name] = torch.from_numpy(found.vectors)
    read = np.setdiff1d(np.arange(len(chosen)), sorted(failed))
    if not len(read):
        return None
    predictor = Predictor(bundle)
    classes = predictor.labels()
    first = predictor.answers(before.take(read))
    second = predictor.answers(before.merged(ModelInputs(before.present, exact)).take(read))
    return {
        "n_rows": len(read),
        "largest_change": {
            column: float(np.abs(first[column] - second[column]).max())
            for column in first
            if column not in classes
        },
    }

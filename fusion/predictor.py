"""From a trained model and new rows to one row of answers for each item."""

from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from encoders.base import Encoder
from fusion.bundle import Bundle
from fusion.data.absent import with_absent_columns
from fusion.data.batch import ModelInputs
from fusion.data.catalogue import build_catalogue
from fusion.data.frames import as_frame
from fusion.data.policy import apply_policy, refuse_early
from fusion.data.problems import OnBadRows, check_policy, shown
from fusion.data.records import is_records
from fusion.embedding import prepare_inputs
from fusion.files import expanded
from fusion.progress import Stage, silent

CHUNK_ROWS = 4096
SIMILARITY_DIGITS = 6
"""Further digits of a similarity are rounding, which must not decide an order."""


class Predictor:
    """Answers for new items, in input order, one row each, failures with their reason.

    Args:
        bundle: A trained model.
        photos: Folder of the photos; None where the model reads none.
        store: Folder of the embedding store; None keeps nothing.
        on_bad_rows: `"raise"` stops with all problems listed, `"record"` gives the row an error in
            place of an answer, `"absent"` takes the faulty value as absent and answers; so it
            does with a column that the table lacks, and says so in a line.
        stage: Opens progress bars.

    Raises:
        ConfigError: If the policy is unknown.
        TypeError: If `bundle` is none, such as the name of its folder.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        photos: str | Path | None = None,
        store: str | Path | None = None,
        on_bad_rows: OnBadRows = "raise",
        stage: Stage = silent,
    ) -> None:
        check_policy(on_bad_rows)
        if not isinstance(bundle, Bundle):
            raise TypeError(
                f"bundle must be a Bundle, got {shown(bundle)}. Load it first: "
                "fusion.load_bundle(folder)."
            )
        self.bundle = bundle
        self.photos = None if photos is None else expanded(photos)
        self.store = None if store is None else expanded(store)
        self.on_bad_rows: OnBadRows = on_bad_rows
        self.stage = stage

    def predict(self, frame: Any, *, source: str = "items") -> pd.DataFrame:
        """Answers of every head.

        Args:
            frame: One row an item, with the columns of the bundle's schema; any frame that
                `fusion.data.as_frame` takes. Of dicts, a key that is not there is a missing value.
            source: What the table is called in messages.

        Returns:
            Columns `id` (as the table writes it), those of every head (units and ranges are the
            heads'), `present` (the modalities that were there, joined by `+`; the row, which
            repeats others, is left out) and `error` (empty where there is none).

        Raises:
            CatalogueError: If columns are missing, or rows are faulty and must not be.
        """
        index = frame.index if isinstance(frame, pd.DataFrame) else None
        inputs, kept, errors, ids = self._prepare(frame, source=source)
        columns: dict[str, Any] = {"id": ids}
        answers = self.answers(inputs)
        for name in self.columns():
            columns[name] = np.full(len(ids), np.nan)
            if name in answers:
                columns[name][kept] = answers[name]
        present = np.full(len(ids), "", dtype=object)
        present[kept] = present_names(inputs)
        columns["present"] = present
        columns["error"] = [errors.get(row, "") for row in range(len(ids))]
        return pd.DataFrame(columns, index=index)

    def answers(self, inputs: ModelInputs) -> dict[str, NDArray[np.float64]]:
        """Prediction column -> answers `[n]` to model inputs; nothing where there are no rows."""
        with torch.inference_mode():
            chunks = [self._answers(inputs, rows) for rows in _chunks(len(inputs))]
        if not chunks:
            return {}
        return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in self.columns()}

    def columns(self) -> list[str]:
        """Names of all prediction columns, head by head."""
        model = self.bundle.model
        return [
            self.column_name(name, column)
            for name in model.heads
            for column in model.head(name).columns
        ]

    def column_name(self, head: str, column: str) -> str:
        """Name of a head's column in the table: its own, or longer where two would be the same.

        Then the target stands before it, or the head's name where targets are the same too.
        """
        model, targets = self.bundle.model, self.bundle.targets
        everyone = [(name, own) for name in model.heads for own in model.head(name).columns]
        alike = [name for name, own in everyone if own == column]
        if len(alike) == 1:
            return column
        told_apart = len({targets[name] for name in alike}) == len(alike)
        return f"{targets[head] if told_apart else head}_{column}"

    def embed(self, frame: Any, *, source: str = "items") -> NDArray[np.float32]:
        """Fused vectors `[n, fused_dim]` of items; NaN in rows that could not be read."""
        return self.embed_table(frame, source=source)[1]

    def embed_table(
        self, frame: Any, *, source: str = "items"
    ) -> tuple[list[str], NDArray[np.float32], dict[int, str]]:
        """Ids, fused vectors `[n, fused_dim]` (NaN where a row failed), and row -> reason."""
        inputs, kept, errors, ids = self._prepare(frame, source=source)
        width = self.bundle.model.fused_dim
        vectors = np.full((len(ids), width), np.nan, dtype=np.float32)
        vectors[kept] = fuse_rows(self.bundle, inputs)
        return ids, vectors, errors

    def similar(self, frame: Any, k: int, *, source: str = "items") -> pd.DataFrame:
        """The `k` training items nearest to each item in fused space.

        Returns:
            Columns `id`, `rank` (from 1), `similar_id`, `similar_title` (its first text, at most 80
            characters), `similarity` (cosine, in [-1, 1]), and for each target `actual_TARGET`,
            what was known of the training item, such as the units that it sold, and `error` (empty
            where there is none). Where an item could not be read or nothing is known of it, and
            where fewer than `k` items have a vector with a direction, all between `rank` and
            `error` are missing: nothing is similar to a vector of zeros.
            Items that are equally similar come in the order of their ids.

        Raises:
            ValueError: If `k` is no whole number from 1 to the number of training items.
        """
        n_reference = len(self.bundle.reference_ids)
        if not isinstance(k, Integral) or not 1 <= k <= n_reference:
            raise ValueError(
                f"k must be a whole number in 1..{n_reference}, got {k!r}: there are {n_reference} "
                "training items."
            )
        ids, vectors, errors = self.embed_table(frame, source=source)
        order = np.argsort(np.asarray(self.bundle.reference_ids, dtype=str), kind="stable")
        scores = _unit(vectors) @ _unit(self.bundle.reference[order]).T
        scores = np.where(np.isfinite(scores), scores.round(SIMILARITY_DIGITS), -np.inf)
        nearest = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        similarity = np.take_along_axis(scores, nearest, axis=1).ravel()
        known = np.isfinite(similarity)
        rows = order[nearest.ravel()]

        def of_known(texts: list[str]) -> list[str | None]:
            return [
                texts[row] if is_known else None for row, is_known in zip(rows, known, strict=True)
            ]

        return pd.DataFrame(
            {
                "id": np.repeat(np.asarray(ids, dtype=object), k),
                "rank": np.tile(np.arange(1, k + 1), len(ids)),
                "similar_id": of_known(self.bundle.reference_ids),
                "similar_title": of_known(self.bundle.reference_titles),
                "similarity": np.where(known, similarity, np.nan),
                **{
                    f"actual_{name}": np.where(
                        known, self.bundle.reference_targets[name][rows], np.nan
                    )
                    for name in self.bundle.target_names
                },
                "error": np.repeat([errors.get(row, "") for row in range(len(ids))], k),
            }
        )

    def _prepare(
        self, frame: Any, *, source: str
    ) -> tuple[ModelInputs, NDArray[np.int64], dict[int, str], list[str]]:
        is_partial = self.on_bad_rows == "absent" or is_records(frame)
        frame = as_frame(frame)
        if is_partial:
            frame = with_absent_columns(frame, self.bundle.schema, source=source)
        catalogue = build_catalogue(frame, self.bundle.schema, photos=self.photos, source=source)
        refuse_early(catalogue, on_bad_rows=self.on_bad_rows)
        prepared = prepare_inputs(self._encoders(), catalogue, store=self.store, stage=self.stage)
        _, errors = apply_policy(catalogue, prepared.problems, on_bad_rows=self.on_bad_rows)
        n_rows = len(catalogue)
        kept = np.asarray([row for row in range(n_rows) if row not in errors], dtype=np.int64)
        return prepared.inputs.take(kept), kept, errors, catalogue.ids

    def _encoders(self) -> dict[str, Encoder]:
        model = self.bundle.model
        return {name: model.encoder(name) for name in model.modalities}

    def _answers(
        self, inputs: ModelInputs, rows: NDArray[np.int64]
    ) -> dict[str, NDArray[np.float64]]:
        model = self.bundle.model
        raw = model(**inputs.batch(rows))
        return {
            self.column_name(name, column): values.double().numpy()
            for name, outputs in raw.items()
            for column, values in model.head(name).predict(outputs).items()
        }


def fuse_rows(bundle: Bundle, inputs: ModelInputs) -> NDArray[np.float32]:
    """Fused vectors `[n, fused_dim]` of model inputs, chunk by chunk."""
    model = bundle.model
    vectors = [np.zeros((0, model.fused_dim), dtype=np.float32)]
    with torch.inference_mode():
        for rows in _chunks(len(inputs)):
            vectors.append(model.fuse(**inputs.batch(rows)).float().numpy())
    return np.concatenate(vectors)


def _chunks(n_rows: int) -> list[NDArray[np.int64]]:
    starts = range(0, n_rows, CHUNK_ROWS)
    return [np.arange(start, min(start + CHUNK_ROWS, n_rows)) for start in starts]


def present_names(inputs: ModelInputs) -> list[str]:
    """The modalities that each row has, joined by `+`, without the row, which repeats others."""
    masks = {name: mask.numpy() for name, mask in inputs.present.items() if name != "row"}
    return [
        "+".join(name for name, mask in masks.items() if mask[row]) for row in range(len(inputs))
    ]


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors of length 1; nan where a vector has no direction."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.full_like(vectors, np.nan)
    np.divide(vectors, lengths, out=unit, where=lengths > 0)
    return unit

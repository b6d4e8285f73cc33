"""From a trained model and new rows to one row of answers for each item."""

from collections.abc import Iterator
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from encoders.base import Encoder
from fusion.bundle import Bundle, content_of
from fusion.bundle.answers import refuse_infinite
from fusion.data.absent import with_absent_columns
from fusion.data.batch import ModelInputs, chunks
from fusion.data.catalogue import Catalogue, build_catalogue
from fusion.data.frames import as_frame
from fusion.data.labels import label_texts
from fusion.data.policy import dropped_rows, refuse_early
from fusion.data.problems import OnBadRows, check_policy, shown
from fusion.data.records import is_records
from fusion.embedding import Prepared, prepare_inputs
from fusion.modalities import MODALITIES
from fusion.progress import Stage, silent
from fusion.ready import AskedItems, ReadyItems
from fusion.system.files import expanded
from heads.columns import class_labels

CHUNK_ROWS = 4096


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
        self._names = _table_names(bundle)

    def predict(self, frame: Any, *, source: str = "items") -> pd.DataFrame:
        """Answers of every head.

        Args:
            frame: One row an item, with the columns of the bundle's schema; any frame that
                `fusion.data.as_frame` takes. Of dicts, a key that is not there is a missing value.
            source: What the table is called in messages.

        Returns:
            Columns `id` (as the table writes it), those of every head (units and ranges are the
            heads'; a class is its label), `present` (the modalities that were there, joined by
            `+`, without those that repeat others, as the row text does) and `error` (empty where
            there is none).

        Raises:
            CatalogueError: If columns are missing, or rows are faulty and must not be.
        """
        index = frame.index if isinstance(frame, pd.DataFrame) else None
        table = self.answer_table(self.read(frame, source=source))
        return table if index is None else table.set_axis(index, axis=0)

    def answer_table(self, items: AskedItems) -> pd.DataFrame:
        """Answers of every head to items that were read, as `predict` gives them."""
        n_rows = len(items)
        columns: dict[str, Any] = {"id": items.catalogue.ids}
        answers, labels = self.answers(items.inputs), self.labels()
        for name in self.columns():
            values = np.full(n_rows, np.nan)
            if name in answers:
                values[items.kept] = answers[name]
            columns[name] = label_texts(values, labels[name]) if name in labels else values
        present = np.full(n_rows, "", dtype=object)
        present[items.kept] = present_names(items.inputs)
        columns["present"] = present
        columns["error"] = [items.errors.get(row, "") for row in range(n_rows)]
        return pd.DataFrame(columns)

    def answers(self, inputs: ModelInputs) -> dict[str, NDArray[np.float64]]:
        """Prediction column -> answers `[n]` to model inputs; nothing where there are no rows.

        Classes are positions in `labels`.

        Raises:
            BundleError: If an answer is no finite number.
        """
        if not len(inputs):
            return {}
        with torch.inference_mode():
            pieces = [self._answers(piece) for piece in _pieces(inputs)]
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in self.columns()}

    def columns(self) -> list[str]:
        """Names of all prediction columns, head by head."""
        return list(self._names.values())

    def labels(self) -> dict[str, tuple[str, ...]]:
        """Prediction column of a class -> what the positions in it stand for."""
        return {
            self.column_name(name, column.name): class_labels(head.columns)
            for name, head in self.bundle.model.heads.items()
            for column in head.columns
            if column.kind == "class"
        }

    def column_name(self, head: str, column: str) -> str:
        """Name of a head's column in the table: its own, or longer where two would be the same.

        Then the target stands before it, or the head's name where targets are the same too.
        """
        return self._names[head, column]

    def embed(self, frame: Any, *, source: str = "items") -> NDArray[np.float32]:
        """Fused vectors `[n, fused_dim]` of items; NaN in rows that could not be read."""
        return self.embed_table(frame, source=source)[1]

    def embed_table(
        self, frame: Any, *, source: str = "items"
    ) -> tuple[list[str], NDArray[np.float32], dict[int, str]]:
        """Ids, fused vectors `[n, fused_dim]` (NaN where a row failed), and row -> reason."""
        items = self.read(frame, source=source)
        fused = fuse_rows(self.bundle, items.inputs)
        vectors = np.full((len(items), fused.shape[1]), np.nan, dtype=np.float32)
        vectors[items.kept] = fused
        return items.catalogue.ids, vectors, items.errors

    def similar(self, frame: Any, k: int, *, source: str = "items") -> pd.DataFrame:
        """The `k` training items most like each item in texts, photos, categories and numbers.

        What the model leans on is another question: see docs/similarity.md.

        Returns:
            Columns `id`, `rank` (from 1), `similar_id`, `similar_title` (its first text, at most 80
            characters), `similarity` (in [-1, 1], see `Content.similarity`), and for each target
            `actual_TARGET`, what was known of the training item, such as the units that it sold,
            and `error` (empty where there is none). Where an item could not be read or none of its
            content is known, and where fewer than `k` items have content, all between `rank` and
            `error` are missing: nothing is similar to nothing.
            Items that are equally similar come in the order of their ids.

        Raises:
            ValueError: If `k` is no whole number from 1 to the number of training items.
        """
        self._check_k(k)
        return self.nearest(self.read(frame, source=source), k)

    def nearest(self, items: AskedItems, k: int) -> pd.DataFrame:
        """The `k` training items most like each item that was read, see `similar`."""
        self._check_k(k)
        n_rows, bundle = len(items), self.bundle
        rows = np.full((n_rows, k), 0, dtype=np.int64)
        similarity = np.full((n_rows, k), np.nan)
        asked = content_of(bundle.model, items.inputs)
        rows[items.kept], similarity[items.kept] = bundle.reference.nearest(
            asked, k, ids=bundle.reference_ids
        )
        near, known = rows.ravel(), np.isfinite(similarity).ravel()

        def of_known(texts: list[str]) -> list[str | None]:
            return [
                texts[row] if is_known else None for row, is_known in zip(near, known, strict=True)
            ]

        return pd.DataFrame(
            {
                "id": np.repeat(np.asarray(items.catalogue.ids, dtype=object), k),
                "rank": np.tile(np.arange(1, k + 1), n_rows),
                "similar_id": of_known(bundle.reference_ids),
                "similar_title": of_known(bundle.reference_titles),
                "similarity": similarity.ravel(),
                **{
                    f"actual_{name}": bundle.told_target(name, np.where(known, found[near], np.nan))
                    for name, found in sorted(bundle.reference_targets.items())
                },
                "error": np.repeat([items.errors.get(row, "") for row in range(n_rows)], k),
            }
        )

    def _check_k(self, k: int) -> None:
        n_reference = len(self.bundle.reference_ids)
        if not isinstance(k, Integral) or not 1 <= k <= n_reference:
            raise ValueError(
                f"k must be a whole number in 1..{n_reference}, got {k!r}: there are {n_reference} "
                "training items."
            )

    def read(self, frame: Any, *, source: str = "items") -> AskedItems:
        """Items as the model reads them, embedded once for whatever is asked about them.

        Args:
            frame: As `predict` takes it.
            source: What the table is called in messages.

        Raises:
            CatalogueError: If columns are missing, or rows are faulty and must not be.
        """
        is_partial = self.on_bad_rows == "absent" or is_records(frame)
        frame = as_frame(frame)
        if is_partial:
            frame = with_absent_columns(frame, self.bundle.schema, source=source)
        catalogue = build_catalogue(frame, self.bundle.schema, photos=self.photos, source=source)
        refuse_early(catalogue, on_bad_rows=self.on_bad_rows)
        prepared = prepare_inputs(self._encoders(), catalogue, store=self.store, stage=self.stage)
        return self._settled(catalogue, prepared)

    def read_ready(self, ready: ReadyItems) -> AskedItems:
        """Items that were made ready for a training, as `read` gives them; only other encoders run.

        Raises:
            CatalogueError: If a photo cannot be read any more, and faulty rows must not be.
        """
        encoders = self._encoders()
        prepared = ready.prepared(encoders, store=self.store, stage=self.stage)
        in_order = replace(prepared, inputs=prepared.inputs.restricted(encoders))
        return self._settled(ready.catalogue, in_order)

    def _settled(self, catalogue: Catalogue, prepared: Prepared) -> AskedItems:
        """Items whose faulty rows have become errors, or absent values."""
        errors = dropped_rows(catalogue, prepared.problems, on_bad_rows=self.on_bad_rows)
        n_rows = len(catalogue)
        kept = np.asarray([row for row in range(n_rows) if row not in errors], dtype=np.int64)
        inputs = prepared.inputs.take(kept) if errors else prepared.inputs
        return AskedItems(catalogue, inputs, kept, errors)

    def _encoders(self) -> dict[str, Encoder]:
        model = self.bundle.model
        return {name: model.encoder(name) for name in model.modalities}

    def _answers(self, inputs: ModelInputs) -> dict[str, NDArray[np.float64]]:
        model = self.bundle.model
        answers = {
            self.column_name(name, column): values.double().numpy()
            for name, outputs in model.raw(inputs).items()
            for column, values in model.head(name).decode(outputs).items()
        }
        refuse_infinite(answers)
        return answers


def _table_names(bundle: Bundle) -> dict[tuple[str, str], str]:
    """Head and column -> the name in a table, see `Predictor.column_name`; head by head."""
    owners: dict[str, list[str]] = {}
    for name, head in bundle.model.heads.items():
        for column in head.column_names:
            owners.setdefault(column, []).append(name)
    names = {}
    for name, head in bundle.model.heads.items():
        for column in head.column_names:
            alike = [bundle.targets[owner] for owner in owners[column]]
            by_target = len(set(alike)) == len(alike) and all(len(one) == 1 for one in alike)
            first = bundle.targets[name][0] if by_target else name
            names[name, column] = column if len(alike) == 1 else f"{first}_{column}"
    return names


def fuse_rows(bundle: Bundle, inputs: ModelInputs) -> NDArray[np.float32]:
    """Fused vectors `[n, fused_dim]` of model inputs, chunk by chunk.

    Raises:
        BundleError: If a number is not finite.
    """
    fused = np.concatenate([bundle.model.fuse(piece).numpy() for piece in _pieces(inputs)])
    refuse_infinite({"embedding": fused})
    return fused


def _pieces(inputs: ModelInputs) -> Iterator[ModelInputs]:
    """All rows in order, some thousand at a time; those of one piece are not copied."""
    if len(inputs) <= CHUNK_ROWS:
        yield inputs
        return
    for rows in chunks(len(inputs), CHUNK_ROWS):
        yield inputs.take(rows)


def present_names(inputs: ModelInputs) -> list[str]:
    """The modalities that each row has, joined by `+`, without those that repeat others."""
    own = [name for name in inputs.present if not MODALITIES[name].repeats]
    masks = {name: inputs.present[name].numpy() for name in own}
    return [
        "+".join(name for name, mask in masks.items() if mask[row]) for row in range(len(inputs))
    ]

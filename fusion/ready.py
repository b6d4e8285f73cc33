"""Items that were read, checked, hashed and embedded once, for all that learns or answers by them.

A run may train many models of one table: with tuned encoders and without, on some modalities, on
some rows. All of them take their rows from here, so that no photo is opened again for any of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoders.base import Encoder
from fusion.data.batch import ModelInputs
from fusion.data.catalogue import Catalogue, narrowed_catalogue
from fusion.data.problems import Problem
from fusion.data.schema import Schema
from fusion.embedding import Prepared, prepare_inputs
from fusion.progress import Stage, silent
from fusion.store import StoreReport

Settle = Callable[[Sequence[Problem]], tuple[Catalogue, dict[int, str]]]
"""Problems that embedding found -> the rows that stay, and why each of the others is left out."""


@dataclass(frozen=True)
class ReadyItems:
    """Rows without faults, and their embeddings by the encoders that need no fitting.

    Args:
        catalogue: The rows.
        encoders: Encoders that need no fitting, by modality.
        inputs: What these encoders make of the rows.
    """

    catalogue: Catalogue
    encoders: Mapping[str, Encoder]
    inputs: ModelInputs

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.catalogue)

    def take(self, rows: NDArray[np.integer[Any]]) -> "ReadyItems":
        """Some of the rows, in the given order."""
        places = np.asarray(rows, dtype=np.int64)
        return replace(self, catalogue=self.catalogue.take(places), inputs=self.inputs.take(places))

    def narrowed(self, schema: Schema) -> "ReadyItems":
        """The same rows, of which fewer modalities are read; only the row text is written anew.

        Raises:
            ValueError: As `narrowed_catalogue`.
        """
        kept = {name: one for name, one in self.encoders.items() if name in schema.modalities}
        return ReadyItems(
            narrowed_catalogue(self.catalogue, schema), kept, self.inputs.restricted(kept)
        )

    def prepared(
        self, encoders: Mapping[str, Encoder], *, store: Path | None = None, stage: Stage = silent
    ) -> Prepared:
        """Model inputs of every row, as `prepare_inputs` gives them.

        Encoders that the rows were embedded by do not run again: fitted and tuned ones do.
        """
        others = {
            name: encoder
            for name, encoder in encoders.items()
            if encoder is not self.encoders.get(name)
        }
        done = self.inputs.restricted(encoders.keys() - others.keys())
        prepared = prepare_inputs(others, self.catalogue, store=store, stage=stage)
        return replace(prepared, inputs=done.merged(prepared.inputs))


@dataclass(frozen=True)
class UsableItems:
    """The rows of a table that can be learned from, and what became of the others.

    Args:
        ready: These rows.
        rows: Positions `[len(ready)]` in the table.
        dropped: Row of the table -> why it was left out.
        problems: What embedding found wrong.
        reports: Counts of the embedding store for each cached modality.
    """

    ready: ReadyItems
    rows: NDArray[np.int64]
    dropped: dict[int, str]
    problems: list[Problem]
    reports: dict[str, StoreReport]


@dataclass(frozen=True)
class AskedItems:
    """Items that a model is asked about, read and embedded once for all answers.

    Args:
        catalogue: All rows.
        inputs: Model inputs of the rows that could be read.
        kept: Positions of these rows.
        errors: Row -> why it could not be read.
    """

    catalogue: Catalogue
    inputs: ModelInputs
    kept: NDArray[np.int64]
    errors: dict[int, str]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.catalogue)

    def take(self, rows: NDArray[np.int64]) -> "AskedItems":
        """Some of the rows, in the given order."""
        place = {row: place for place, row in enumerate(self.kept.tolist())}
        kept = [new for new, row in enumerate(rows.tolist()) if row in place]
        return AskedItems(
            catalogue=self.catalogue.take(rows),
            inputs=self.inputs.take(np.array([place[rows[new]] for new in kept], dtype=np.int64)),
            kept=np.array(kept, dtype=np.int64),
            errors={
                new: self.errors[row] for new, row in enumerate(rows.tolist()) if row in self.errors
            },
        )


def usable_items(
    encoders: Mapping[str, Encoder],
    catalogue: Catalogue,
    *,
    settle: Settle,
    store: Path | None = None,
    stage: Stage = silent,
) -> UsableItems:
    """Embeds a checked table, and leaves out rows that must not be learned from.

    Args:
        encoders: Encoders that need no fitting, by modality.
        catalogue: All rows of the table.
        settle: What becomes of faulty rows.
        store: Folder of the embedding store; None keeps nothing.
        stage: Opens progress bars.

    Raises:
        CatalogueError: If rows are faulty and must not be.
    """
    prepared = prepare_inputs(encoders, catalogue, store=store, stage=stage)
    good, dropped = settle(prepared.problems)
    rows = np.asarray([row for row in range(len(catalogue)) if row not in dropped], dtype=np.int64)
    ready = ReadyItems(good, encoders, prepared.inputs.take(rows))
    return UsableItems(ready, rows, dropped, prepared.problems, prepared.reports)

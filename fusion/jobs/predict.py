"""`fusion predict`: a trained model and new items in, one row of answers for each item out.

Reads: a bundle, an items table, photos.
Writes: one CSV or Parquet file, rows in input order, failures with their reason.
"""

from dataclasses import dataclass
from pathlib import Path

from fusion.bundle import load_bundle
from fusion.data.policy import OnBadRows
from fusion.data.tables import read_table, write_table
from fusion.predictor import Predictor
from fusion.progress import Stage, silent


@dataclass(frozen=True)
class ItemSource:
    """Items to work on: their table, photo folder, embedding store, and what bad rows do."""

    items: Path
    photos: Path | None = None
    store: Path | None = None
    on_bad_rows: OnBadRows = "raise"


def open_predictor(bundle: Path, source: ItemSource, *, stage: Stage = silent) -> Predictor:
    """A predictor of a saved model, for items as a source describes them.

    Raises:
        BundleError: If the bundle is damaged.
    """
    return Predictor(
        load_bundle(bundle),
        photos=source.photos,
        store=source.store,
        on_bad_rows=source.on_bad_rows,
        stage=stage,
    )


@dataclass(frozen=True)
class PredictResult:
    """Where the answers are and how many rows failed."""

    output: Path
    n_rows: int
    n_failed: int


def predict(
    bundle: Path, source: ItemSource, output: Path, *, stage: Stage = silent
) -> PredictResult:
    """Predicts items with a bundle and writes a table.

    Raises:
        BundleError: If the bundle is damaged.
        CatalogueError: If the items have problems and must not; nothing is written then.
    """
    predictor = open_predictor(bundle, source, stage=stage)
    table = predictor.predict(read_table(source.items), source=source.items.name)
    write_table(table, output)
    return PredictResult(output, len(table), int((table["error"] != "").sum()))

"""`fusion similar`: a trained model and items in, the known items most like each of them out.

Reads: a bundle, an items table, photos and, where past sales are given, a sales table.
Writes, where asked for: one CSV or Parquet file, rows in input order; a page for people, with the
forecasts too.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fusion.choices.mistakes import Mistakes
from fusion.choices.paths import file_mistakes
from fusion.data.header import WRITTEN
from fusion.data.tables import write_table
from fusion.errors import BundleError, CatalogueError
from fusion.forecasting.saved.document import FORECAST
from fusion.job_steps.new_items import write_page
from fusion.job_steps.sales import join_history
from fusion.job_steps.source import ItemSource, opened, sales_section
from fusion.progress import Stage, silent
from fusion.report import HeadWords, best_rows, head_words
from fusion.system.lock import locked_file


@dataclass(frozen=True)
class SimilarResult:
    """What was found.

    Args:
        table: As `Predictor.similar` gives it.
        words: Column of what was known of the known items -> how it is told to people.
    """

    table: pd.DataFrame
    words: dict[str, HeadWords]


def similar(
    bundle: Path,
    source: ItemSource,
    *,
    k: int,
    output: Path | None = None,
    page: Path | None = None,
    stage: Stage = silent,
) -> SimilarResult:
    """The `k` known items most like each item, see `Predictor.similar`.

    Args:
        bundle: Folder of the model.
        source: Items, and where the rest lies.
        k: How many for each item; all known items where there are fewer.
        output: Where the table is written; None writes none.
        page: Where the page for people is written (HTML); None writes none.
        stage: Opens progress bars.

    Returns:
        `min(k, known items)` rows for each item, in input order, and how they are told.

    Raises:
        BundleError: If the bundle is damaged, or a forecast.
        CatalogueError: If there are no items, or they have problems and must not; nothing is
            written then.
        JobError: If another process is about to write the same file.
    """
    _refuse_forecast(bundle)
    mistakes = Mistakes()
    if output is not None:
        mistakes.add(file_mistakes("out", output, suffixes=WRITTEN))
    if page is not None:
        mistakes.add(file_mistakes("page", page, suffixes=(".html",)))
    mistakes.add(source.overwritten("out", output, bundle))
    mistakes.add(source.overwritten("page", page, bundle))
    predictor, frame = opened(bundle, source, mistakes=mistakes, stage=stage)
    if not len(frame):
        raise CatalogueError(f"{source.items.name} must hold rows, got a header alone. Add items.")
    if source.sales is not None:
        frame = join_history(frame, sales_section(predictor.bundle, source.sales))
    n_similar = min(k, len(predictor.bundle.reference_ids))
    items = predictor.read(frame, source=source.items.name)
    table = predictor.nearest(items, n_similar)
    if output is not None:
        with locked_file(output):
            write_table(table, output, formula_safe=["similar_title"])
    if page is not None:
        answers = predictor.answer_table(items)
        write_page(predictor, answers, items.take(best_rows(predictor, answers)), page)
    words = (head_words(predictor, name) for name in predictor.bundle.model.heads)
    return SimilarResult(table, {f"actual_{each.target}": each for each in words})


def _refuse_forecast(folder: Path) -> None:
    """Refuses the folder of a forecast, and says who tells what its items are like."""
    if (folder / FORECAST.description).is_file():
        raise BundleError(
            f"{folder} must be a bundle, got a forecast. What items are like one stands on its "
            f"page: `fusion forecast {folder} --items ITEMS --out FILE --page PAGE.html --page-of "
            "ID`; in Python FusionForecaster.similar tells it, see docs/similarity.md."
        )

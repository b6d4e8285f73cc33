"""`fusion evaluate`: a trained model and items with known targets in, metrics out.

Reads: a bundle, an items table with the target columns, photos; where a sales table is given,
history and targets come from it.
Writes: nothing, or one JSON file.
"""

import json
from pathlib import Path

import numpy as np

from fusion.data.catalogue import target_values
from fusion.data.tables import read_table
from fusion.files import write_atomically
from fusion.jobs.items import join_sales
from fusion.jobs.measure import head_columns
from fusion.jobs.predict import ItemSource, open_predictor, sales_section
from fusion.progress import Stage, silent

Metrics = dict[str, dict[str, float]]


def evaluate(
    bundle: Path, source: ItemSource, *, output: Path | None = None, stage: Stage = silent
) -> Metrics:
    """Metrics of every head on rows whose target is known.

    Args:
        bundle: A trained model.
        source: Items with the bundle's target columns.
        output: JSON file to write; none where absent.
        stage: Opens progress bars.

    Returns:
        Head -> metrics, with `n_rows` (rows that were scored) and `n_left_out` (rows without a
        usable target or answer).

    Raises:
        BundleError: If the bundle is damaged.
        CatalogueError: If columns are missing, or rows are faulty and must not be.
    """
    predictor = open_predictor(bundle, source, stage=stage)
    model = predictor.bundle
    frame = read_table(source.items, delimiter=source.delimiter)
    if source.sales is not None:
        frame = join_sales(frame, sales_section(model, source.sales))
    targets = {
        name: target_values(
            frame,
            column,
            number_format=model.schema.format_of(column, "numeric"),
            source=source.items.name,
        )[0]
        for name, column in model.targets.items()
    }
    table = predictor.predict(frame, source=source.items.name)
    metrics: Metrics = {}
    for name, target in targets.items():
        scored = np.isfinite(target) & (table["error"] == "").to_numpy()
        columns = {
            column: values[scored] for column, values in head_columns(model, name, table).items()
        }
        metrics[name] = {
            **model.model.head(name).metrics(target[scored], columns),
            "n_rows": float(scored.sum()),
            "n_left_out": float((~scored).sum()),
        }
    if output is not None:
        write_atomically(output, json.dumps(metrics, indent=1).encode())
    return metrics

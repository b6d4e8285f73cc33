"""`fusion evaluate`: a trained model and items with known targets in, metrics out.

Reads: a bundle, an items table with the target columns, photos; where a sales table is given,
history and targets come from it.
Writes: nothing, or one JSON file.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fusion.choices.mistakes import Mistakes
from fusion.choices.paths import file_mistakes
from fusion.data.known import is_finite
from fusion.data.problems import raise_for
from fusion.data.schema import missing_columns
from fusion.errors import CatalogueError
from fusion.job_steps.source import ItemSource, opened, sales_section
from fusion.progress import Stage, silent
from fusion.system.files import json_bytes, write_atomically
from fusion.system.lock import locked_file

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from fusion.bundle import Bundle
    from fusion.choices.checks import Targets
    from fusion.data.problems import Problem
    from fusion.predictor import Predictor

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
        JobError: If another process is about to write the same file.
    """
    mistakes = Mistakes()
    mistakes.add(file_mistakes("out", output))
    mistakes.add(source.overwritten("out", output, bundle))
    predictor, frame = opened(bundle, source, mistakes=mistakes, stage=stage)
    model = predictor.bundle
    if source.sales is not None:
        from fusion.job_steps.sales import join_sales

        frame, _ = join_sales(frame, sales_section(model, source.sales))
    targets = _known_targets(model, frame, source)
    if output is None:
        return _measured(predictor, frame, targets, source=source.items.name)
    with locked_file(output):
        metrics = _measured(predictor, frame, targets, source=source.items.name)
        write_atomically(output, json_bytes(metrics))
    return metrics


def _measured(
    predictor: "Predictor", frame: "pd.DataFrame", targets: "Targets", *, source: str
) -> Metrics:
    """Metrics of every head; the rows that it was not measured on are counted."""
    from fusion.job_steps.measure import head_columns  # with all that trains

    model = predictor.bundle
    table = predictor.predict(frame, source=source)
    metrics: Metrics = {}
    for name, target in targets.items():
        known = is_finite(target)
        scored = known & (table["error"] == "").to_numpy()
        if not scored.any():
            first = table["error"][known].iloc[0]
            raise CatalogueError(
                f"{source} must have a row with both an answer and a known "
                f"{model.target_name(name)}, got none, as {first}. Correct these rows."
            )
        columns = {
            column: values[scored] for column, values in head_columns(model, name, table).items()
        }
        metrics[name] = {
            **model.model.head(name).metrics(target[scored], columns),
            "n_rows": float(scored.sum()),
            "n_left_out": float((~scored).sum()),
        }
    return metrics


def _known_targets(model: "Bundle", frame: "pd.DataFrame", items: ItemSource) -> "Targets":
    """Targets `[n, *target_shape]` of each head, NaN where there is none that its head takes.

    Raises:
        CatalogueError, ConfigError: With every column that is missing or of no use, and, where
            faulty rows must not be, every cell that is no number or no label that the model knows.
    """
    from heads.columns import probability_columns  # torch: where a model is there

    mistakes, source = Mistakes(), items.items.name
    targets = {}
    raise_for(missing_columns(model.target_columns, frame.columns), source=source)
    read = {}
    for column in model.target_columns:
        read[column], problems = _read_target(model, frame, column)
        with mistakes.gathered():
            if items.on_bad_rows == "raise":  # else these rows are left out, and counted
                raise_for(problems, source=source)
    mistakes.refuse()
    for name in model.targets:
        target = model.target_of(name, read)
        known = is_finite(target)
        with mistakes.gathered():
            if not known.any():
                raise CatalogueError(
                    f"{model.target_name(name)} must be known in at least one row of {source}, got "
                    "none. Measure on items that have been sold."
                )
            head = model.model.head(name)
            if probability_columns(head.columns):
                head.encode_target(target[known])  # refuses what is no label
        targets[name] = target
    mistakes.refuse()
    return targets


def _read_target(
    model: "Bundle", frame: "pd.DataFrame", column: str
) -> "tuple[NDArray[np.float64], list[Problem]]":
    """One target column `[n]`: numbers, or positions among the labels that the model knows.

    Cells that are none are NaN, and a problem each.
    """
    from fusion.data.catalogue import target_values
    from fusion.data.labels import label_positions, read_labels

    labels = model.target_labels.get(column)
    if labels is None:
        return target_values(frame, column, number_format=model.schema.format_of(column, "numeric"))
    texts, problems = read_labels(frame[column])
    positions, unknown = label_positions(texts, labels, column=column)
    return positions, [*problems, *unknown]

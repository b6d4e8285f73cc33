"""New items: those of a training, read before it and forecast after it; and the page for people."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from fusion.bundle import Bundle
from fusion.data.catalogue import build_catalogue
from fusion.data.policy import refuse_early
from fusion.data.problems import raise_for
from fusion.data.schema import Schema, missing_columns
from fusion.data.tables import read_table, write_table
from fusion.job_steps.config import SalesSection, TrainConfig
from fusion.job_steps.photo_weights import photo_weights_notes
from fusion.job_steps.sales import join_history
from fusion.job_steps.source import ItemSource, sales_section
from fusion.predictor import Predictor
from fusion.progress import Stage, silent, within
from fusion.ready import AskedItems
from fusion.report import NewItems, best_rows, tell_new_items, write_new_items

PREDICTIONS = "new_items_predictions.csv"
PAGE = "new_items.html"


def read_new_items(
    config: TrainConfig, schema: Schema, *, known: pd.DataFrame
) -> pd.DataFrame | None:
    """The new items that a configuration names, with their history; None where it names none.

    Args:
        config: What to do.
        schema: Roles of the columns of the items that are learned from.
        known: The items that are learned from.

    Raises:
        CatalogueError: If the table cannot be read, lacks a column that the model will read, or
            has faulty rows that must not be.
    """
    path = config.data.new_items
    if path is None:
        return None
    frame = read_table(path, delimiter=config.data.delimiter)
    if config.sales is not None:
        frame = _with_history(frame, known, config.sales, source=path.name)
    catalogue = build_catalogue(frame, schema, photos=config.data.photos, source=path.name)
    refuse_early(catalogue, on_bad_rows=config.data.on_bad_rows)
    return frame


def _with_history(
    frame: pd.DataFrame, known: pd.DataFrame, section: SalesSection, *, source: str
) -> pd.DataFrame:
    """New items with their history, which may be none at all: the known items tell that ids fit."""
    raise_for(missing_columns([section.item], frame.columns), source=source)
    ids = pd.concat([frame[[section.item]], known[[section.item]]], ignore_index=True)
    history = join_history(ids, section).drop(columns=section.item)
    frame = frame.copy()
    for name in history.columns:
        frame[name] = history[name].to_numpy()[: len(frame)]
    return frame


def forecast_new_items(
    config: TrainConfig,
    bundle: Bundle,
    frame: pd.DataFrame,
    folder: Path,
    *,
    store: Path,
    stage: Stage = silent,
) -> NewItems:
    """Predicts new items and writes their table and their page.

    A row that can only be found faulty now, such as a photo that cannot be decoded, is recorded
    with its reason: a finished training is not stopped for it.

    Args:
        config: What was trained.
        bundle: The trained model.
        frame: The new items, as `read_new_items` gives them.
        folder: Output folder.
        store: Embedding store.
        stage: Opens progress bars.

    Returns:
        The table for people, for the report.
    """
    policy = config.data.on_bad_rows
    predictor = Predictor(
        bundle,
        photos=config.data.photos,
        store=store,
        on_bad_rows="record" if policy == "raise" else policy,
        stage=within(stage, "new items"),
    )
    source = "items" if config.data.new_items is None else config.data.new_items.name
    items = predictor.read(frame, source=source)
    answers = predictor.answer_table(items)
    write_table(answers, folder / PREDICTIONS)
    return write_page(predictor, answers, items.take(best_rows(predictor, answers)), folder / PAGE)


def write_page(
    predictor: Predictor, answers: pd.DataFrame, shown: AskedItems, page: Path
) -> NewItems:
    """Writes the page for people: the one way of a training, of `predict` and of `similar`.

    Its notes end with which weights read the photos.

    Args:
        predictor: The model that answered.
        answers: What it says of all items, as `Predictor.predict` gives it.
        shown: The items of `best_rows`, in this order.
        page: Where to write.

    Returns:
        What the page shows, without that last note: a report has it elsewhere.
    """
    info = predictor.bundle.info
    details = [name for name in info.get("details") or () if isinstance(name, str)]
    new = tell_new_items(predictor, answers, shown, details=details)
    notes = photo_weights_notes(predictor.bundle.model.encoders)
    whole = replace(new, notes=(*new.notes, *notes))
    write_new_items(whole, page, title=str(info.get("title") or "New items"))
    return new


def page_of_answers(
    bundle: Bundle, source: ItemSource, output: Path, page: Path, *, stage: Stage = silent
) -> None:
    """Writes the page for people of answers that lie in a file: only what it shows is read again.

    Args:
        bundle: The model that answered.
        source: All items, in the order of the answers.
        output: The file of answers.
        page: Where to write.
        stage: Opens progress bars.
    """
    frame = read_table(source.items, delimiter=source.delimiter)
    if source.sales is not None:
        frame = join_history(frame, sales_section(bundle, source.sales))
    predictor = Predictor(
        bundle,
        photos=source.photos,
        store=source.store,
        on_bad_rows=source.on_bad_rows,
        stage=within(stage, "page"),
    )
    answers = read_table(output, delimiter="," if output.suffix.lower() == ".csv" else None)
    numbers = {
        name: pd.to_numeric(answers[name]).astype("float64")
        for name in predictor.columns()
        if name not in predictor.labels()
    }
    answers = answers.assign(**numbers, error=answers["error"].fillna(""))
    shown = frame.iloc[best_rows(predictor, answers)].reset_index(drop=True)
    write_page(predictor, answers, predictor.read(shown, source=source.items.name), page)

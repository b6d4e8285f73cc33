"""New items for people: what each will sell in words, what it resembles, what is unknown of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from encoders import NumericEncoder
from fusion.data.catalogue import Catalogue
from fusion.data.cells import is_missing
from fusion.predictor import Predictor
from fusion.ready import AskedItems
from fusion.report.content import MOST_SHOWN, NewItem, NewItems, SimilarItem
from fusion.report.forecast_words import HeadWords, head_words, hot_rule
from fusion.report.number_text import number

N_SIMILAR = 3
MOST_DETAILS = 4


def build_new_items(
    predictor: Predictor, frame: Any, *, details: Sequence[str] = (), source: str = "items"
) -> NewItems:
    """The table of new items for people.

    Args:
        predictor: A trained model and how it reads items.
        frame: One row an item, as `Predictor.predict` takes it.
        details: Columns shown beside each item; the categories of the model where none are given.
        source: What the table is called.

    Raises:
        CatalogueError: If columns are missing, or rows are faulty and must not be.
    """
    items = predictor.read(frame, source=source)
    answers = predictor.answer_table(items)
    shown = items.take(best_rows(predictor, answers))
    return tell_new_items(predictor, answers, shown, details=details)


def best_rows(predictor: Predictor, answers: pd.DataFrame) -> NDArray[np.int64]:
    """Rows that a page shows, as `ranked`; those without an answer come last.

    Args:
        predictor: A trained model.
        answers: What it says of all items, as `Predictor.predict` gives it.
    """
    first = next(iter(predictor.bundle.model.heads))
    return ranked(answers, head_words(predictor, first))[:MOST_SHOWN]


def tell_new_items(
    predictor: Predictor, answers: pd.DataFrame, shown: AskedItems, *, details: Sequence[str] = ()
) -> NewItems:
    """The table of new items for people, of answers that are there already.

    Args:
        predictor: The model that answered.
        answers: What it says of all items, as `Predictor.predict` gives it.
        shown: The items of `best_rows`, in this order.
        details: Columns shown beside each item; the categories of the model where none are given.
    """
    bundle, catalogue = predictor.bundle, shown.catalogue
    table = answers.reset_index(drop=True)
    words = {name: head_words(predictor, name) for name in bundle.model.heads}
    rule = hot_rule(predictor, words)
    order = best_rows(predictor, table)
    similar = _similar(predictor, shown, next(iter(words.values())))
    unknown = unknown_facts(predictor, catalogue)
    frame, titles = catalogue.frame, catalogue.titles
    names = [
        name for name in details or bundle.schema.columns_of("categorical") if name in frame.columns
    ]
    photos = catalogue.photos
    items = []
    for place, row in enumerate(order.tolist()):
        answer, error = table.iloc[row], str(table["error"].iloc[row])
        items.append(
            NewItem(
                rank=None if error else place + 1,
                id=str(answer["id"]),
                title=titles[place] or str(answer["id"]),
                photo=photos[place],
                details=_facts(frame, place, names[:MOST_DETAILS]),
                answers=tuple(each.say(answer) for each in words.values()),
                is_hot=not error and rule is not None and rule.holds(answer),
                similar=similar[place],
                unknown=unknown[place],
                error=error,
            )
        )
    notes = _notes(table[table["error"] == ""], words.values())
    return NewItems(
        source=catalogue.source,
        n_items=len(table),
        questions=tuple(each.title for each in words.values()),
        items=tuple(items),
        order=_order(list(words.values())),
        notes=(*notes, *([rule.description] if rule else [])),
        hot=rule.label if rule else "",
    )


def _order(words: Sequence[HeadWords]) -> str:
    """Which items stand first, and by which answer where there are several."""
    first = words[0]
    return first.order if len(words) == 1 else f"ranked by “{first.title}”, {first.order}"


def ranked(table: pd.DataFrame, words: HeadWords) -> NDArray[np.int64]:
    """Rows of predictions, the largest or surest answer first, those without an answer last."""
    first, second = words.rank_keys(table)
    return np.lexsort((-second, -first))  # NaN comes last


def unknown_facts(predictor: Predictor, catalogue: Catalogue) -> list[tuple[str, ...]]:
    """For each row its categories that training saw never, or too seldom to learn of them."""
    found: list[list[str]] = [[] for _ in range(len(catalogue))]
    model = predictor.bundle.model
    for modality in model.modalities:
        encoder, values = model.encoder(modality), catalogue.values[modality]
        if isinstance(encoder, NumericEncoder) and isinstance(values, pd.DataFrame):
            for name, mask in encoder.unknown_levels(values).items():
                for row in np.flatnonzero(mask):
                    found[row].append(f"{name}: {values[name].iloc[row]}")
    return [tuple(facts) for facts in found]


def _similar(
    predictor: Predictor, shown: AskedItems, words: HeadWords
) -> list[tuple[SimilarItem, ...]]:
    """The nearest known items of each row, and what was known of them."""
    k = min(N_SIMILAR, len(predictor.bundle.reference_ids))
    nearest = predictor.nearest(shown, k)
    known = [
        SimilarItem(
            row["similar_id"], row["similar_title"] or row["similar_id"], words.outcome(row)
        )
        if isinstance(row["similar_id"], str)
        else None
        for row in nearest.to_dict("records")
    ]
    return [
        tuple(item for item in known[start : start + k] if item is not None)
        for start in range(0, len(known), k)
    ]


def _facts(frame: pd.DataFrame, row: int, names: Sequence[str]) -> dict[str, str]:
    cells = {name: frame[name].iloc[row] for name in names}
    return {name: str(cell) for name, cell in cells.items() if not is_missing(cell)}


def _notes(answered: pd.DataFrame, words: Any) -> list[str]:
    """How the answers are read; sums are of means, since medians do not add up."""
    notes = []
    for each in words:
        if each.label or each.chances:
            continue
        steps = each.steps or (each,)
        if each.steps:
            notes.append(f"{each.title}: one answer for each of {len(steps)} steps, in order.")
        if each.mean is not None and each.mean != each.middle:
            total = each.rough(float(answered[[step.mean for step in steps]].to_numpy().sum()))
            notes.append(
                f"{each.title}: “about” is the median, half of such items end above it. Medians do "
                f"not add up: the {number(len(answered))} items together are expected to reach "
                f"{total}, the sum of their means."
            )
        if each.share:
            share = number(round(10 * each.share))
            notes.append(f"{each.title}: “likely” is a range that should hold {share} items of 10.")
    return notes

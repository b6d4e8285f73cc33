"""Past items that are like an item, and what they sold at each age, as far as it was known."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from encoders.series.windows import values_at
from encoders.spelling import did_you_mean
from fusion.bundle.content import HAPPENED, Content
from fusion.data.panel.panel import Panel, Quantity, over_shops
from fusion.forecasting.examples import Examples, Floats, Ints
from fusion.members.view import View

CATEGORIES = "categories"
"""What the share of equal categories is called beside the modalities."""


@dataclass(frozen=True)
class SimilarItems:
    """Past items that are like one, the most alike first.

    Args:
        items: Their ids, `k` at most.
        launched: First day of the first period of each, `[k]`.
        distances: How far each is from the item, `[k]`, 0 for the same content; NaN where nothing
            can be compared. It is 1 less the similarity of `fusion.bundle.Content`.
        by_modality: The same in each modality and in the categories, `[k]`; NaN where one of the
            two lacks it.
        curves: Units of each by age, `[k, n_periods]`: the first column is its first period. NaN
            from the date on, and where units are not known. Of a panel of prices these are prices.
        quantity: What the curves are.
    """

    items: tuple[str, ...]
    launched: NDArray[np.datetime64]
    distances: Floats
    by_modality: Mapping[str, Floats]
    curves: Floats
    quantity: Quantity = "units"

    def __len__(self) -> int:
        """Number of items."""
        return len(self.items)

    def frame(self) -> pd.DataFrame:
        """One row an item: `rank`, `id`, `launched`, distances, and `units_1` and on by age.

        Of prices `price_1` and on.
        """
        by_modality = {f"distance_{name}": far for name, far in self.by_modality.items()}
        units = {f"{self.quantity}_{age + 1}": column for age, column in enumerate(self.curves.T)}
        ranks = np.arange(1, len(self) + 1)
        columns = {"rank": ranks, "id": list(self.items), "launched": self.launched}
        return pd.DataFrame({**columns, "distance": self.distances, **by_modality, **units})


def similar_items(
    examples: Examples, item: str, *, before: Any, k: int = 5, n_periods: int = 13
) -> SimilarItems:
    """The past items most like one in content, and how they sold.

    Why: what like items sold is the reason of a forecast that people can see. Nothing at or after
    the date is read: items that came later do not exist, and curves end before it. Items of the
    first period of the panel are left out, as their age is unknown.

    Args:
        examples: Their panel and content are read.
        item: Id of the item.
        before: Date; the period that holds it is not known yet.
        k: How many; fewer where there are not as many.
        n_periods: Periods of each curve, >= 1.

    Raises:
        ValueError: If the item is not known, or there is no content.
    """
    panel = over_shops(examples.panel)
    if examples.content is None or examples.content_rows is None:
        raise ValueError("content must be given to find like items, got none. Give items.")
    if item not in panel.positions:
        raise ValueError(f"item must be in the panel, got {item!r}.{did_you_mean(item, panel.ids)}")
    end = int(panel.frequency.period(np.array([before], dtype="datetime64[D]"))[0])
    past = np.flatnonzero((panel.first > panel.start) & (panel.first_row < end))
    past = past[past != panel.positions[item]]
    rows = examples.content_rows[[examples.panel.positions[name] for name in panel.ids]]
    content = content_of_view(examples.content)
    known, asked = content.take(rows[past]), content.take(rows[[panel.positions[item]]])
    ids = [panel.ids[one] for one in past]
    found, values = np.zeros(0, dtype=np.int64), np.zeros(0)
    if len(past):
        found, values = (one[0] for one in known.nearest(asked, min(k, len(past)), ids=ids))
    parts, asked_parts = _parts(known.take(found)), _parts(asked)
    return SimilarItems(
        tuple(ids[place] for place in found),
        panel.frequency.first_day(panel.first[past[found]]),
        1.0 - values,
        {name: 1.0 - similarities(one, asked_parts[name])[0] for name, one in parts.items()},
        curves_by_age(panel, past[found], n_periods=n_periods, until=end),
        panel.quantity,
    )


def content_of_view(view: View) -> Content:
    """The items of a view, ready to be compared; past sales are no content."""
    vectors: dict[str, NDArray[np.float32]] = {}
    levels = [np.zeros((len(view), 0), dtype=np.int64)]
    for name, block in view.of_kinds("vectors", "numbers", "category").items():
        if name.split(".")[0] == HAPPENED:
            continue
        values = view.filled(name)
        if block.kind == "category":
            levels.append(values[:, None])
        elif block.dim:
            lengths = np.linalg.norm(values, axis=1, keepdims=True)
            unit = values / np.where(lengths > 0.0, lengths, 1.0)
            vectors[name] = unit.astype(np.float32)
    return Content(vectors, np.concatenate(levels, axis=1))


def similarities(known: Content, asked: Content) -> Floats:
    """How alike known items are to each asked one, `[n_asked, n_known]`, see `Content`."""
    none = np.zeros((0, len(known)))
    return np.concatenate([none, *known.similarity(asked)]).astype(np.float64)


def curves_by_age(panel: Panel, series: Ints, *, n_periods: int, until: int) -> Floats:
    """Units of series from their first period on, `[n, n_periods]`, NaN from a period on.

    Args:
        panel: The sales.
        series: Positions, `[n]`.
        n_periods: Columns.
        until: Period from which on nothing is known.
    """
    ages = np.arange(n_periods)
    places = panel.offsets[series][:, None] + ages
    there = places < panel.offsets[series + 1][:, None]
    there &= panel.first[series][:, None] + ages < until
    return values_at(panel.known_units, places, there).astype(np.float64)


def _parts(content: Content) -> dict[str, Content]:
    """The content of each modality alone, and of the categories."""
    none = content.levels[:, :0]
    vectors = content.vectors.items()
    parts = {name.split(".")[0]: Content({name: one}, none) for name, one in vectors}
    if content.levels.shape[1]:
        parts[CATEGORIES] = Content({}, content.levels)
    return parts

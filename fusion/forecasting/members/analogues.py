"""Past items that are like an item: how they sold at the same age is how it will."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray

from encoders.base import check_whole
from encoders.table.columns import FIRST_LEVEL
from fusion.bundle.content import Content
from fusion.bundle.reference import content_as_tensors, content_of_tensors
from fusion.data.batch import chunks
from fusion.data.panel.frequency import FARTHEST_PERIOD
from fusion.errors import BundleError
from fusion.forecasting.examples import KNOWN_FROM, Examples, Floats, Ints
from fusion.forecasting.likeness import content_of_view, curves_by_age
from fusion.forecasting.members.analogue_curves import AnalogueCurves
from fusion.forecasting.members.base import ForecastMember, Paths, PathTraining
from fusion.forecasting.members.path_answers import PathAnswers
from fusion.members.base import State
from fusion.members.taken import Taken
from fusion.members.view import Mask
from fusion.progress import Stage, silent
from heads.sales_path import SalesPathHead

CHUNK_EXAMPLES = 512
MOST_EXAMPLES = 4_000
"""Examples, evenly over all, that the spread around the curves of analogues is learned from."""
SIZES = ("n_items", "n_ages", "n_categories")


class AnaloguesMember(ForecastMember):
    """The curves of the past items most like an item, at the same age, for new and young items.

    Why: it is the forecast that people make by hand, and whose reasons they can look at, see
    `fusion.forecasting.likeness.similar_items`. Alike is what `fusion.bundle.Content` says is alike
    (texts, photos, numbers, categories), and for young items also what sold alike so far. Curves
    are taken relative to the level at that age; the answer is the square of the weighted mean of
    their roots, which is near their median, and what lies around it is learned from past launches.
    *Source:* analogues in new product forecasting, as in Goodwin, Dyussekeneva and Meeran (2013).

    An analogue counts only for examples at whose date its whole window was over. So nothing at or
    after a date is ever read.

    Args:
        k: Analogues of each example, >= 1.
        most_items: Past items that are kept, the latest.
        learned: Sizes of what the state holds; None before it has learned.

    Raises:
        ValueError: If a number is no whole one from 1 to 100,000, or `learned` tells of no state.
    """

    set_by_fit: ClassVar[frozenset[str]] = frozenset({"learned"})

    def __init__(
        self,
        *,
        k: int = 10,
        most_items: int = 5_000,
        learned: Mapping[str, Any] | None = None,
    ) -> None:
        self._options = {"k": k, "most_items": most_items}
        self._learned = dict(learned or {**dict.fromkeys(SIZES, 0), "dims": {}})
        if set(self._learned) != {*SIZES, "dims"}:
            raise ValueError(
                f"learned must tell {', '.join(SIZES)} and dims, got {list(self._learned)}."
            )
        for name, number in self._options.items():
            check_whole(name, number, least=1, most=100_000)
        for name in SIZES:
            check_whole(name, self._learned[name], least=0, most=100_000)
        self._curves: AnalogueCurves | None = None
        self._answers: PathAnswers | None = None

    def fit(
        self,
        examples: Examples,
        *,
        head: SalesPathHead,
        training: PathTraining,
        seed: int,
        stage: Stage = silent,
    ) -> None:
        """Keeps the curves of past items, and learns how far items lie from those like them."""
        del seed
        self._curves = self._kept(examples)
        content = self._curves.content
        self._learned = {
            "n_items": len(self._curves),
            "n_ages": self._curves.curves.shape[1],
            "n_categories": content.levels.shape[1],
            "dims": {name: vectors.shape[1] for name, vectors in content.vectors.items()},
        }
        self._answers = PathAnswers(horizon=head.horizon, levels=head.grid)
        rows = np.flatnonzero(self.knows(examples) & (training.weight > 0))
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_EXAMPLES)).astype(np.int64)]
        some, given = examples.take(rows), training.take(rows)
        with stage("comparing launches", len(rows), "examples") as work:
            points = self._points(some)
            work(len(rows))
        levels = some.levels()
        given = PathTraining(given.targets, levels / (levels.mean() if len(rows) else 1.0))
        self._answers.fit(points, given, some.stages())

    def raw(self, examples: Examples) -> Paths:
        """Relative answers, see `ForecastMember.raw`; what it knows nothing of is answered 0."""
        assert self._answers is not None, "fit first"
        points = np.zeros((len(examples), examples.horizon + 1))
        known = np.flatnonzero(self.knows(examples))
        for rows in chunks(len(known), CHUNK_EXAMPLES):
            points[known[rows]] = self._points(examples.take(known[rows]))
        return self._answers.raw(points, examples.stages())

    def knows(self, examples: Examples) -> Mask:
        """Mask `[n]` of new and young items that have analogues: their age must be known.

        New items without any content have none.
        """
        assert self._curves is not None, "fit first"
        windows = examples.windows
        of_age = (windows.lengths < KNOWN_FROM) & ~windows.is_cut
        n_past = self._curves.n_over(windows.period, windows.lengths, horizon=examples.horizon)
        has_content = _has_any(_content(examples))[_places(examples)]
        return of_age & (n_past >= self._options["k"]) & ((windows.lengths > 0) | has_content)

    @property
    def config(self) -> dict[str, Any]:
        """The options, and sizes of what was learned."""
        return {**self._options, "learned": self._learned}

    def state(self) -> State:
        """Content, first periods and curves of past items, and the spread around them."""
        assert self._curves is not None and self._answers is not None, "fit first"
        curves = self._curves.curves
        return {
            **self._answers.state(),
            **content_as_tensors(self._curves.content),
            "first": torch.from_numpy(self._curves.first),
            "curves": torch.from_numpy(np.nan_to_num(curves)),
            "is_known": torch.from_numpy((~np.isnan(curves)).astype(np.int64)),
        }

    def load_state(self, state: State, *, head: SalesPathHead) -> None:
        """Takes back what `state` gave, see `ForecastMember`."""
        answers = PathAnswers(horizon=head.horizon, levels=head.grid)
        n, n_ages = self._learned["n_items"], self._learned["n_ages"]
        taken = Taken(answers.load_state(state))
        first = taken.whole("first", n, least=-FARTHEST_PERIOD, most=FARTHEST_PERIOD)
        known = taken.whole("is_known", n, n_ages, least=0, most=1)
        curves = np.where(known > 0, taken.floats("curves", n, n_ages), np.nan)
        tensors = {k: v for k, v in taken.left.items() if isinstance(v, torch.Tensor)}
        names = {name for name in taken.left if name == "levels" or name.startswith("vectors.")}
        try:
            content = content_of_tensors(tensors)
        except BundleError as error:
            raise ValueError(str(error)) from error
        parts: list[NDArray[Any]] = [*content.vectors.values(), content.levels]
        wanted = {name: (n, dim) for name, dim in self._learned["dims"].items()}
        found = {name: vectors.shape for name, vectors in content.vectors.items()}
        is_whole = content.levels.shape == (n, self._learned["n_categories"])
        if set(taken.left) != names or found != wanted or not is_whole:
            raise ValueError(f"state must hold the content of {n} items and nothing else.")
        if not all(np.isfinite(part).all() for part in parts):
            raise ValueError("content of past items must be finite, got other numbers.")
        self._curves, self._answers = AnalogueCurves(content, first, curves), answers

    @classmethod
    def tiny(cls) -> Self:
        """Three analogues."""
        return cls(k=3)

    def _kept(self, examples: Examples) -> AnalogueCurves:
        """The latest past items whose age is known, with their first periods."""
        panel = examples.panel
        series = np.flatnonzero((panel.first > panel.start) & (panel.first_row < examples.until))
        order = np.argsort(-panel.first[series], kind="stable")[: self._options["most_items"]]
        series = np.sort(series[order])
        n_periods = KNOWN_FROM - 1 + examples.horizon
        curves = curves_by_age(panel, series, n_periods=n_periods, until=examples.until)
        content = _content(examples)
        rows = examples.content_rows
        own = content.take(np.zeros(len(series), dtype=np.int64) if rows is None else rows[series])
        return AnalogueCurves(own, panel.first[series], curves)

    def _points(self, examples: Examples) -> Floats:
        """Relative points `[n, horizon + 1]` of examples that it knows."""
        assert self._curves is not None
        items, places = np.unique(_places(examples), return_inverse=True)
        far = self._curves.content_distances(_content(examples).take(items))
        points = np.zeros((len(examples), examples.horizon + 1))
        ages = examples.windows.lengths
        for age in np.unique(ages):
            own = np.flatnonzero(ages == age)
            points[own] = self._curves.points(
                examples.take(own), far[places[own]], age=int(age), k=self._options["k"]
            )
        return points


def _content(examples: Examples) -> Content:
    """Content of all items; of one that nothing is known of where there is none."""
    if examples.content is None or examples.content_rows is None:
        return Content({}, np.zeros((1, 0), dtype=np.int64))
    return content_of_view(examples.content)


def _places(examples: Examples) -> Ints:
    """Row of `_content` of each example, `[n]`."""
    if examples.content is None or examples.content_rows is None:
        return np.zeros(len(examples), dtype=np.int64)
    return examples.content_rows[examples.windows.series]


def _has_any(content: Content) -> Mask:
    """Mask `[n]` of the items of which anything is known."""
    parts = [content.levels >= FIRST_LEVEL, *(one != 0.0 for one in content.vectors.values())]
    return np.asarray(np.concatenate(parts, axis=1).any(axis=1))

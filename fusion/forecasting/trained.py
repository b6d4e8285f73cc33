"""A trained forecast with all that is needed to ask it, and how it is made of tables."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from encoders.base import Encoder
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.frequency import Frequency
from fusion.data.schema import Schema
from fusion.errors import CatalogueError
from fusion.forecasting.backtest.forecasts import MEDIAN
from fusion.forecasting.content import Content, ContentSpec, content_of_items
from fusion.forecasting.examples import Examples, past_examples
from fusion.forecasting.fit import fit_forecast
from fusion.forecasting.heads import FORECAST_HEADS, QUANTITIES
from fusion.forecasting.history import History
from fusion.forecasting.kept import Kept, blocks_alone
from fusion.forecasting.members.base import ForecastMember
from fusion.forecasting.members.defaults import DEFAULT_MEMBERS, MORE_MEMBERS
from fusion.forecasting.members.registry import FORECAST_MEMBERS
from fusion.forecasting.model import ForecastModel
from fusion.progress import Stage, silent
from heads.sales_path import SalesPathHead

MOST_EXAMPLES = 400_000
"""Examples that are learned from, the latest: what bounds memory and time."""
NO_HISTORIES = (
    "the forecast must keep its histories to go on with them, got one that keeps none. Train it "
    "with keep_histories = true; one of prices keeps none."
)
MemberChoices = Mapping[str, "Mapping[str, Any] | ForecastMember"]
"""Name -> options of the member of this name in `FORECAST_MEMBERS`, or a member of one's own."""


@dataclass(frozen=True)
class ForecastSpec:
    """Everything that decides how a forecast is made, apart from the tables.

    Args:
        horizon: Steps, >= 1.
        levels: Quantile levels that are answered, in (0, 1); the median always comes.
        members: Which members; None for the default ones.
        content: How items are read.
        seed: Of everything that is drawn.
        head: What is asked, one of `FORECAST_HEADS`.
    """

    horizon: int
    levels: Sequence[float] = (0.1, 0.5, 0.9)
    members: MemberChoices | None = None
    content: ContentSpec = field(default_factory=ContentSpec)
    seed: int = 0
    head: str = "sales_path"

    @property
    def kind(self) -> type[SalesPathHead]:
        """The head that is asked."""
        return FORECAST_HEADS[self.head]

    def made_members(self) -> dict[str, ForecastMember]:
        """New members that have learned nothing."""
        names = (*DEFAULT_MEMBERS, *MORE_MEMBERS.get(self.head, ()))
        chosen = {name: {} for name in names} if self.members is None else self.members
        return {
            name: copy.deepcopy(one)
            if isinstance(one, ForecastMember)
            else FORECAST_MEMBERS[name](**one)
            for name, one in chosen.items()
        }


@dataclass(frozen=True)
class TrainedForecast:
    """A trained forecast with all that is needed to ask it.

    Args:
        model: Members, blended by life stage.
        encoders: By modality, of the content of items.
        schema: Which columns of the items table say what.
        sales: Names of the columns of the sales table.
        frequency: What a period is.
        launch: Column of the items table with the first day of an item; None where none has it.
        info: What is worth knowing, JSON-serialisable.
        kept: Sales and answers of the training, by which it can be updated; None keeps nothing.
    """

    model: ForecastModel
    encoders: Mapping[str, Encoder]
    schema: Schema
    sales: SalesColumns
    frequency: Frequency
    launch: str | None = None
    info: dict[str, Any] = field(default_factory=dict)
    kept: Kept | None = None

    @property
    def horizon(self) -> int:
        """Steps that are answered."""
        return self.model.head.horizon


def kept_of(trained: TrainedForecast) -> Kept:
    """The histories of a forecast.

    Raises:
        CatalogueError: If it keeps none.
    """
    if trained.kept is None:
        raise CatalogueError(NO_HISTORIES)
    return trained.kept


def train_forecast(
    history: History, spec: ForecastSpec, *, until: int | None = None, stage: Stage = silent
) -> tuple[ForecastModel, Content]:
    """A forecast that learns from all that was known before a period.

    Args:
        history: Items and sales; what is later is not looked at.
        spec: How.
        until: The period (default: the end of the sales).
        stage: Opens progress bars.

    Raises:
        ValueError: If the history was not read for the head.
    """
    model, content, _ = train_and_keep(history, spec, until=until, stage=stage)
    return model, content


def train_and_keep(
    history: History, spec: ForecastSpec, *, until: int | None = None, stage: Stage = silent
) -> tuple[ForecastModel, Content, Kept]:
    """As `train_forecast`, with what is to be known of the training later."""
    panel, kind = history.panel, spec.kind
    if QUANTITIES[kind] != panel.quantity:
        raise ValueError(
            f"history must be read for {spec.head}, got one of {panel.quantity}. "
            "Read it with the head that is asked."
        )
    until = panel.end if until is None else until
    examples = latest_examples(past_examples(panel, horizon=spec.horizon, until=until))
    learned = np.unique(history.rows[panel.first_row < until])
    content = content_of_items(history.ready, learned, spec.content, seed=spec.seed)
    model, out_of_fold = fit_forecast(
        with_content(examples, history, content),
        spec.made_members,
        levels=sorted({MEDIAN, *spec.levels}),
        seed=spec.seed,
        kind=kind,
        stage=stage,
    )
    kept = Kept(
        panel,
        history.launches,
        blocks_alone(content.view, len(history.ready.catalogue.frame)),
        history.rows,
        learned_until=until,
        out_of_fold=out_of_fold,
        seed=spec.seed,
    )
    return model, content, kept


def latest_examples(examples: Examples) -> Examples:
    """The latest of them, at most `MOST_EXAMPLES`, in the same order."""
    latest = np.argsort(-examples.as_of, kind="stable")[:MOST_EXAMPLES]
    return examples.take(np.sort(latest))


def with_content(examples: Examples, history: History, content: Content) -> Examples:
    """Examples with what is known of their items."""
    return replace(examples, content=content.view, content_rows=history.rows)

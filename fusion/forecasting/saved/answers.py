"""What a loaded forecast must be able to do before it is given out: answer every life stage."""

from dataclasses import replace

import numpy as np

from fusion.bundle.answers import asked_inputs, check_modalities, refuse_infinite
from fusion.data.panel.panel import Panel
from fusion.errors import BundleError
from fusion.forecasting.examples import Examples, examples_at
from fusion.forecasting.heads import panel_of
from fusion.forecasting.trained import TrainedForecast
from fusion.members.view import view_of
from fusion.saved_parts import RESTORE, described

N_PERIODS = 30
AGES = (0, 2, N_PERIODS)
"""Periods of history of the items that are asked about: one of each life stage."""
FIRST_DAY = np.array(["2024-01-01"], dtype="datetime64[D]")


def check_forecast_answers(trained: TrainedForecast) -> None:
    """Asks about items of each life stage, of which nothing else is known or a few values are.

    Why: values of a description that break nothing when parts are built may break answers.

    Raises:
        BundleError: If parts do not fit each other, or an answer is not a finite number.
    """
    check_modalities(trained.encoders, trained.schema)
    with described("answers of the forecast"):
        asked, head = _examples(trained), trained.model.head
        sold = trained.model.distribution(asked)
        quantiles = sold.quantile(head.levels)
        wanted = (len(asked), head.horizon + 1, len(head.levels))
        if quantiles.shape != wanted or sold.mean.shape != wanted[:2]:
            raise BundleError(
                f"answers of the forecast must be {list(wanted)} numbers, got "
                f"{list(quantiles.shape)} and means {list(sold.mean.shape)}. {RESTORE}"
            )
        refuse_infinite({"mean": sold.mean, "quantiles": quantiles})


def _examples(trained: TrainedForecast) -> Examples:
    """Each of two items at three dates."""
    content = view_of(trained.encoders, asked_inputs(trained.schema, trained.encoders))
    panel = panel_of(type(trained.model.head), _panel(trained))
    ages = np.tile(np.array(AGES), panel.n_series)
    series = np.repeat(np.arange(panel.n_series), len(AGES))
    asked = examples_at(panel, series, panel.start + ages, horizon=trained.horizon)
    return replace(asked, content=content, content_rows=np.arange(panel.n_series))


def _panel(trained: TrainedForecast) -> Panel:
    """Made-up sales of two items, with every number that the forecast may read.

    A number may stand in the sales table or in that of the market: here it stands in both.
    """
    start = int(trained.frequency.period(FIRST_DAY)[0])
    units = np.arange(2 * N_PERIODS, dtype=np.float32) % 4
    units[1::7] = np.nan
    names = trained.sales.of_panel
    return Panel(
        frequency=trained.frequency,
        start=start,
        ids=("a", "b"),
        shops=None if trained.sales.shop is None else ("one", "one"),
        first=np.array([start, start]),
        offsets=np.array([0, N_PERIODS, 2 * N_PERIODS]),
        units=units,
        given=np.ones(len(units), dtype=bool),
        reported=np.ones(N_PERIODS, dtype=bool),
        columns={name: np.ones(len(units), dtype=np.float32) for name in names},
        market={name: np.ones(N_PERIODS, dtype=np.float32) for name in names},
        known=trained.sales.known_ahead,
    )

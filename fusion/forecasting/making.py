"""From items and their sales to a forecast that can be saved, asked, watched and updated."""

from fusion.forecasting.drift.of_forecast import with_reference
from fusion.forecasting.history import History, SalesSpec
from fusion.forecasting.trained import ForecastSpec, TrainedForecast, train_and_keep
from fusion.progress import Stage, silent


def make_forecast(
    history: History,
    spec: ForecastSpec,
    tables: SalesSpec,
    *,
    until: int,
    stage: Stage = silent,
) -> TrainedForecast:
    """A forecast that learns from all that was known before a period, and keeps its histories.

    One of prices keeps none.

    Args:
        history: Items and sales; what is later is not looked at.
        spec: How.
        tables: How its tables are read.
        until: The period.
        stage: Opens progress bars.

    Raises:
        ValueError: If the history was not read for the head.
    """
    model, content, kept = train_and_keep(history, spec, until=until, stage=stage)
    trained = TrainedForecast(
        model,
        encoders=content.encoders,
        schema=content.schema,
        sales=tables.columns,
        frequency=history.panel.frequency,
        launch=tables.launch,
        kept=kept if history.panel.quantity != "price" else None,
    )
    return with_reference(trained, kept)

"""The estimator that forecasts sales over time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from fusion.choices.columns import Columns
from fusion.choices.parameters import check_kept
from fusion.data.frames import as_frame
from fusion.data.panel.columns import SalesColumns
from fusion.data.problems import OnBadRows, shown
from fusion.errors import ConfigError
from fusion.estimators.forecaster_choices import asked_content, forecast_spec, sales_spec
from fusion.estimators.forecaster_tables import asked_sales, item_sales, tables_beside
from fusion.estimators.saved import info_to_save, loaded_estimator
from fusion.progress import progress_shown, quiet

if TYPE_CHECKING:
    from fusion.forecasting.backtest.result import BacktestResult
    from fusion.forecasting.content import ContentSpec
    from fusion.forecasting.drift.readings import DriftReport
    from fusion.forecasting.history import ItemSales
    from fusion.forecasting.updating.update import How, Updated

Paths = str | Path | None


class FusionForecaster(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Forecasts what items will sell in each of the coming periods, and how sure that is.

    One model answers items with a long history, a short one and none, from their sales and from
    their texts, photos and attributes together.

    Args:
        head: What is asked: `sales_path`, what will be sold; `demand`, what would be in full stock,
            where `sales` names a column for `stock` or `in_stock`; `price_path`, at which price.
        horizon: Periods that are forecast, >= 1.
        frequency: What a period is: `day`, `week` or `month`; None: as the dates are. Days may be
            added up to weeks or months.
        levels: Quantile levels that are answered, in (0, 1); the median always comes.
        sales: Names of the columns of the sales table: `SalesColumns`, or a mapping of its
            arguments, such as `{"item": "sku", "date": "week", "units": "sold"}`.
        launch: Column of the items table with the first day of an item.
        columns: Role -> its columns of the items table, see `FusionRegressor`. The table must hold
            what is known of an item when it comes: no sums of later sales.
        encoders: Modality -> what reads it, see `FusionRegressor`.
        photos: Folder that holds the photos.
        members: Models that forecast together: names, or a mapping of names to options or to
            members of one's own; where None, those of `fusion.forecasting.members.defaults`.
        store: Folder of the embedding store; without one, embeddings are not kept.
        on_bad_rows: What faulty rows of the items table do, see `Predictor`.
        keep_histories: Keeps the sales, also in the saved forecast, for `update`; False: they are
            given to `predict` each time, and it cannot be updated.
        verbose: Shows progress bars where True.
        random_state: Seed of everything that is random.
    """

    def __init__(
        self,
        *,
        head: str = "sales_path",
        horizon: int = 8,
        frequency: str | None = None,
        levels: Sequence[float] = (0.1, 0.5, 0.9),
        sales: SalesColumns | Mapping[str, Any] | None = None,
        launch: str | None = None,
        columns: Mapping[str, Columns] | None = None,
        encoders: Mapping[str, Any] | None = None,
        photos: Paths = None,
        members: Any = None,
        store: Paths = None,
        on_bad_rows: OnBadRows = "raise",
        keep_histories: bool = True,
        verbose: bool = False,
        random_state: Any = None,
    ) -> None:
        self.head = head
        self.horizon = horizon
        self.frequency = frequency
        self.levels = levels
        self.sales = sales
        self.launch = launch
        self.columns = columns
        self.encoders = encoders
        self.photos = photos
        self.members = members
        self.store = store
        self.on_bad_rows = on_bad_rows
        self.keep_histories = keep_histories
        self.verbose = verbose
        self.random_state = random_state

    def fit(
        self,
        items: Any,
        sales: Any,
        *,
        market: Any = None,
        planned: Any = None,
        as_of: str | None = None,
    ) -> Self:
        """Learns from items and their sales.

        Args:
            items: One row an item: a frame of pandas, polars, Arrow or DuckDB.
            sales: One row an item and period.
            market: One row a period: numbers of the whole market.
            planned: One row an item and period: numbers that are known ahead, where they do not
                stand in `sales`.
            as_of: What is later is not learned from, though histories are kept to the end of the
                sales (default: all sales).

        Raises:
            CatalogueError: If a table lacks a column or holds faulty cells, with rows and columns.
            ConfigError: With every parameter that does not suit.
        """
        from fusion.forecasting.asked import first_step
        from fusion.forecasting.content import check_items
        from fusion.forecasting.heads import check_sales
        from fusion.forecasting.history import read_history
        from fusion.forecasting.making import make_forecast

        check_kept(self.get_params(deep=False))
        spec = forecast_spec(self)
        with progress_shown() if self.verbose else quiet() as stage:
            found = self._sales(items, sales, market, planned, content=spec.content)
            until = first_step(found.panel, as_of)
            check_sales(spec.kind, found.panel, horizon=spec.horizon, until=until)
            checked = check_items(found.items, spec.content)
            history = read_history(found, checked, spec.content, head=spec.kind, stage=stage)
            tables = sales_spec(self)
            trained = make_forecast(history, spec, tables, until=until, stage=stage)
        self.forecast_ = trained if self.keep_histories else replace(trained, kept=None)
        return self

    def update(
        self,
        items: Any,
        new_sales: Any,
        *,
        market: Any = None,
        planned: Any = None,
        how: "How" = "recalibrate",
    ) -> "Updated":
        """Goes on with the periods that came since, without training anew.

        Histories are kept on, and blend and ranges found anew on the latest dates; those that would
        be worse on the latest known periods stay as they were. Members that learned anew and would
        be worse are refused; then nothing changes.

        Args:
            items: One row an item, of which those that are not known are read; None: none is new.
            new_sales: One row an item and period, of the new periods alone.
            market: Numbers of the market in these periods, where `fit` was given any.
            planned: What is planned from now on, as in `fit`.
            how: `recalibrate`, or `retrain`: networks go on learning for few epochs, all other
                members learn anew.

        Returns:
            What was updated, see `fusion.forecasting.updating.update.Updated`.

        Raises:
            CatalogueError: If no histories are kept, rows do not go on where these end, or
                members that learned anew would be worse.
        """
        from fusion.estimators.forecaster_tables import new_rows
        from fusion.forecasting.updating.update import HOWS, update_forecast

        check_is_fitted(self, "forecast_")
        if how not in HOWS:
            raise ConfigError(f"how must be one of {', '.join(HOWS)}, got {shown(how)}.")
        trained, content = self.forecast_, asked_content(self)
        rows = new_rows(trained, items, new_sales, market=market, planned=planned, content=content)
        with progress_shown() if self.verbose else quiet() as stage:
            found = update_forecast(trained, rows, how=how, stage=stage)
        self.forecast_ = found.trained
        return found

    def predict(
        self,
        items: Any,
        sales: Any = None,
        *,
        market: Any = None,
        planned: Any = None,
        as_of: str | None = None,
    ) -> pd.DataFrame:
        """What items will sell, or cost, from a date on: a row a step, and one for all of them.

        Args:
            items: One row an item; also items that were never sold.
            sales: One row an item and period: the history, and where columns are known ahead the
                plan of the periods to come. None: the histories that are kept.
            market: As `fit` was given one.
            planned: The plan, where it does not stand in `sales`.
            as_of: First day of what is forecast (default: the day after the sales).

        Returns:
            See `fusion.forecasting.answer_table.forecast_table`.

        Raises:
            CatalogueError: If a table does not suit, or a column that is known ahead is not known
                in all steps (told in a line where `on_bad_rows` is not `raise`).
        """
        from fusion.forecasting.asked import asked_answers

        check_is_fitted(self, "forecast_")
        trained = self.forecast_
        with progress_shown() if self.verbose else quiet() as stage:
            found = asked_sales(trained, items, sales, market=market, planned=planned)
            asked = asked_answers(trained, found, asked_content(self), as_of=as_of, stage=stage)
            return asked.table()

    def demand(
        self,
        items: Any,
        sales: Any = None,
        *,
        market: Any = None,
        planned: Any = None,
        as_of: str | None = None,
    ) -> pd.DataFrame:
        """What was wanted of items in past periods, one row each; of a forecast of head `demand`.

        Args:
            items: One row an item.
            sales: One row an item and period; None: the histories that the forecast keeps.
            market: As `fit` was given one.
            planned: As `predict` is given it.
            as_of: Date from which on nothing is known (default: the day after the sales).

        Returns:
            See `fusion.forecasting.past_demand.PastDemand.frame`.

        Raises:
            FusionError: If a table or the date does not suit, or the head is another.
        """
        from fusion.forecasting.asked import asked_demand

        check_is_fitted(self, "forecast_")
        trained, content = self.forecast_, asked_content(self)
        with progress_shown() if self.verbose else quiet() as stage:
            found = asked_sales(trained, items, sales, market=market, planned=planned)
            return asked_demand(trained, found, content, as_of=as_of, stage=stage).frame()

    def similar(
        self, items: Any, sales: Any, item: str, *, before: str | None = None, k: int = 5
    ) -> pd.DataFrame:
        """The past items most like one in content, and what they sold week by week.

        Nothing at or after the date is read: items that came later do not exist.

        Args:
            items: One row an item.
            sales: One row an item and period.
            item: Id of the item; it may never have been sold.
            before: Date from which on nothing is known (default: the day after the sales).
            k: How many, at most.

        Returns:
            Columns `rank` (from 1), `id`, `launched`, `distance` (0: the same content), one for
            each modality, and `units_1` and on: units by age, missing where not known by then.

        Raises:
            CatalogueError: If a table or the date does not suit.
            ValueError: If the item is not known.
        """
        from fusion.forecasting.asked import similar_past_items

        check_is_fitted(self, "forecast_")
        trained = self.forecast_
        found = asked_sales(trained, items, sales)
        content = asked_content(self)
        return similar_past_items(trained, found, content, item, before=before, k=k).frame()

    def drift(
        self, items: Any, sales: Any, *, market: Any = None, planned: Any = None
    ) -> "DriftReport":
        """Whether sales and items are still as those that were learned from.

        Args:
            items: One row an item, new ones too.
            sales: One row an item and period up to now, the history with it.
            market: As `fit` was given one.
            planned: As `fit` was given one.

        Returns:
            Every measure with its threshold; `findings` are those that exceed it, each with the
            day since when and what to do, see `fusion.forecasting.drift.readings`.

        Raises:
            CatalogueError: If a table does not suit, or the forecast is of an older version.
        """
        from fusion.forecasting.drift.of_forecast import watch_sales

        check_is_fitted(self, "forecast_")
        with progress_shown() if self.verbose else quiet() as stage:
            found = asked_sales(self.forecast_, items, sales, market=market, planned=planned)
            return watch_sales(self.forecast_, found, asked_content(self), stage=stage)

    def backtest(
        self,
        items: Any,
        sales: Any,
        *,
        market: Any = None,
        planned: Any = None,
        origins: int = 3,
        every: int | None = None,
        gap: int = 0,
    ) -> "BacktestResult":
        """How good forecasts would have been at past dates, beside simple methods.

        A forecast is trained anew for each origin by what was known then; `fit` is not needed.

        Args:
            items: One row an item.
            sales: One row an item and period.
            market: One row a period: numbers of the whole market.
            planned: As `fit` was given one.
            origins: How many dates, the latest ones that are over.
            every: Periods from one to the next (default: the horizon).
            gap: Periods for which a forecast has been in use when it is asked, >= 0.
        """
        from fusion.forecasting.backtest.origins import backtest, origin_periods
        from fusion.forecasting.backtest.result import scored
        from fusion.forecasting.content import check_items
        from fusion.forecasting.history import read_history

        check_kept(self.get_params(deep=False))
        spec = forecast_spec(self)
        with progress_shown() if self.verbose else quiet() as stage:
            found = self._sales(items, sales, market, planned, content=spec.content)
            periods = origin_periods(
                found.panel,
                horizon=spec.horizon,
                n_origins=origins,
                every=spec.horizon if every is None else every,
                gap=gap,
            )
            checked = check_items(found.items, spec.content)
            history = read_history(found, checked, spec.content, head=spec.kind, stage=stage)
            return scored(history, backtest(history, spec, periods.tolist(), gap=gap, stage=stage))

    def save(self, folder: str | Path) -> None:
        """Writes the trained forecast, with the parameters of this estimator.

        Raises:
            BundleError: If the folder holds anything but a forecast, or it could not be loaded.
            OSError: If it cannot be written.
        """
        from fusion.forecasting.saved.folder import save_forecast

        check_is_fitted(self, "forecast_")
        info = info_to_save(self, self.forecast_.info)
        save_forecast(replace(self.forecast_, info=info), folder)

    @classmethod
    def load(cls, folder: str | Path, **parameters: Any) -> Self:
        """An estimator that forecasts as a saved one, with the parameters it was saved with.

        Args:
            folder: The forecast.
            parameters: Parameters that take the place of the saved ones: `photos`, `store` and
                `encoders` where they lie elsewhere now, see `FusionRegressor.load`; others count
                at the next `fit`.

        Raises:
            BundleError: If the forecast is damaged, or an encoder cannot be found or is another.
            ConfigError: If a parameter or a choice of encoders is unknown.
        """
        from fusion.forecasting.saved.folder import load_forecast

        estimator, trained = loaded_estimator(cls, folder, parameters, load=load_forecast)
        estimator.forecast_ = trained
        return estimator

    def _sales(
        self, items: Any, sales: Any, market: Any, planned: Any, *, content: "ContentSpec"
    ) -> "ItemSales":
        """The sales of items to learn from."""
        from fusion.forecasting.history import refuse_sums_of_sales

        frame = as_frame(items)
        refuse_sums_of_sales(frame.columns, content)
        market, planned = tables_beside(market, planned)
        spec = sales_spec(self, market=market, planned=planned)
        return item_sales(frame, sales, spec)

"""The estimator that predicts numbers."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_array, column_or_1d

from fusion.data.targets import named_target, target_frame
from fusion.estimators.base import NO_TARGET, FusionEstimator
from fusion.parameters import check_kept


class FusionRegressor(RegressorMixin, FusionEstimator):  # type: ignore[misc]
    """Predicts numbers (units, prices, probabilities of hot items) from everything known of items.

    Example:
        >>> import pandas as pd
        >>> ads, reviews = [10, 20, 30, 40, 50], [100, 200, 300, 400, 500]
        >>> items = pd.DataFrame({"ads": ads, "reviews": reviews})
        >>> model = FusionRegressor(head="linear").fit(items, [1000, 1500, 2000, 2500, 3000])
        >>> round(float(model.predict(pd.DataFrame({"ads": [60], "reviews": [600]}))[0]), 6)
        3500.0
    """

    default_head: ClassVar[str] = "regression"

    def fit(self, X: Any, y: Any, *, validation_rows: Any = None) -> Self:
        """Trains on items.

        Args:
            X: One row an item: a frame of pandas, polars, pyarrow, DuckDB or any other that speaks
                Arrow (see `fusion.data.as_frame`), or an array.
            y: One target each; a frame of several targets where `head` is a mapping. Its name must
                not be that of a column of X.
            validation_rows: Rows that early stopping looks at, as positions or as a mask `[n]`;
                where None, each network looks at another part of the rows
                (`training={"folds": 4}`), near-duplicates together.
        """
        check_kept(self.get_params(deep=False))
        if isinstance(self.head, Mapping):
            table = target_frame(y)
            missing = [name for name in self.head if table is None or name not in table.columns]
            if table is None or missing:
                raise ValueError(f"y must be a DataFrame with columns {missing}, got {type(y)}.")
            return self._fit(X, {name: table[name] for name in self.head}, validation_rows)
        if y is None:
            raise ValueError(f"{type(self).__name__} {NO_TARGET}")
        name, values = named_target(y)
        try:
            numbers = check_array(
                column_or_1d(values, warn=True), ensure_2d=False, dtype=np.float64, input_name="y"
            )
        except ValueError as error:
            if "convert string" not in str(error):
                raise
            raise ValueError(f"y must be numbers, got text ({error}). Convert it first.") from error
        return self._fit(X, {name: numbers}, validation_rows)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Answers `[n]` of the first head, in its unit; the mean where it tells mean and median."""
        return self._answers(X)

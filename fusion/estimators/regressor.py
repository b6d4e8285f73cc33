"""The estimator that predicts numbers."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from fusion.data.known import is_finite
from fusion.data.targets import named_target, named_targets, refuse_missing, target_arrays
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
            y: One target each; a frame of several targets where `head` is a mapping: a row that
                lacks one of them is left out for this target alone, and counted. Its name must not
                be that of a column of X.
            validation_rows: Rows that early stopping looks at, as positions or as a mask `[n]`;
                where None, each network looks at another part of the rows
                (`training={"folds": 4}`), near-duplicates together.
        """
        check_kept(self.get_params(deep=False))
        if isinstance(self.head, Mapping):
            return self._fit(X, named_targets(y, list(self.head)), validation_rows)
        if y is None:
            raise ValueError(f"{type(self).__name__} {NO_TARGET}")
        name, values = named_target(y)
        found = target_arrays({name: column_or_1d(values, warn=True)})
        refuse_missing(found[name])
        numbers = check_array(found[name], ensure_2d=False, dtype=np.float64, input_name="y")
        return self._fit(X, {name: numbers}, validation_rows)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Answers `[n]` of the first head, in its unit; the mean where it tells mean and median."""
        return self._answers(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R2 of the answers; of several heads the mean of their R2, each with the same weight.

        A row counts for the heads whose target it has. R2 of a head that tells classes is that of
        its probability against 1 and 0 (1 minus the Brier score over that of the mean).

        Args:
            X: Items, as in `fit`.
            y: Their targets; a frame with a column for each where there are several.
            sample_weight: Weight `[n]` of each row; all alike where None.

        Returns:
            At most 1; 0 for answers no better than the mean, less for worse ones.

        Raises:
            CatalogueError: If items are faulty and must not be, or a target is no number.
            ValueError: If y lacks a target, or a row has no answer.
        """
        predictor = self._predictor()
        table = predictor.predict(self._frame(X, reset=False))
        bundle = self.bundle_
        names = list(dict.fromkeys(name for some in bundle.targets.values() for name in some))
        given = {names[0]: named_target(y)[1]} if len(names) == 1 else named_targets(y, names)
        arrays = target_arrays(given)
        check_consistent_length(table, *arrays.values(), sample_weight)
        check_answered(table)
        scores = []
        for name, head in bundle.model.heads.items():
            target = bundle.target_of(name, arrays)
            known = is_finite(target)
            if known.sum() < 2:
                column = bundle.target_name(name)
                raise ValueError(f"{column} must be known in at least two rows, got {known.sum()}.")
            target = target[known]
            if head.task == "classification":
                target = head.encode_target(target).astype(np.float64)
            weights = None if sample_weight is None else np.asarray(sample_weight)[known]
            answer = [one for one in head.columns if one.kind == head.columns[0].kind]  # every step
            found = table[[predictor.column_name(name, one.name) for one in answer]]
            truth = np.stack([one.values_of(target) for one in answer], axis=1)
            scores.append(r2_score(truth, found.to_numpy()[known], sample_weight=weights))
        return float(np.mean(scores))


def check_answered(table: pd.DataFrame) -> None:
    """Refuses answers of which some are missing.

    Raises:
        ValueError: With the first reason.
    """
    failed = table.index[table["error"] != ""]
    if len(failed):
        raise ValueError(
            f"every row must have an answer to be scored, got {len(failed)} without one, the first "
            f"is row {failed[0] + 1}: {table['error'][failed[0]]}. Correct these rows, or leave "
            "them out."
        )

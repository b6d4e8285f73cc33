"""The estimator that predicts numbers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from fusion.choices.parameters import check_kept
from fusion.data.known import is_finite
from fusion.data.labels import label_positions, read_labels
from fusion.data.problems import raise_for
from fusion.data.targets import (
    named_target,
    named_targets,
    refuse_missing,
    target_arrays,
    target_series,
)
from fusion.estimators.base import NO_TARGET, FusionEstimator
from fusion.estimators.rows import GivenRows

if TYPE_CHECKING:
    from fusion.evaluation.questions import Question


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

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        groups: Any = None,
        sample_weight: Any = None,
        validation_rows: Any = None,
    ) -> Self:
        """Trains on items.

        Args:
            X: One row an item: a frame of pandas, polars, pyarrow, DuckDB or any other that speaks
                Arrow (see `fusion.data.as_frame`), or an array.
            y: One target each; a frame of several targets where `head` is a mapping: a row that
                lacks one of them is left out for this target alone, and counted. Its name must not
                be that of a column of X.
            groups: A label `[n]` for each row, such as its brand: rows of one group are held out
                together, as new items will be of groups never seen. Where None near-duplicate
                texts and photos are held out together.
            sample_weight: How much each row counts, `[n]`, >= 0; all alike where None.
            validation_rows: Rows that are held out in place of `training={"folds": 4}` parts, as
                positions or as a mask `[n]`.

        Raises:
            ValueError: If one of these does not fit X.
        """
        rows = GivenRows(validation_rows, groups, sample_weight)
        check_kept(self.get_params(deep=False))
        if isinstance(self.head, Mapping):
            return self._fit(X, named_targets(y, _columns(self.head)), rows)
        if y is None:
            raise ValueError(f"{type(self).__name__} {NO_TARGET}")
        name, values = named_target(y)
        values = column_or_1d(values, warn=True)
        if self._reads_labels():
            refuse_missing(values)
            return self._fit(X, {name: values}, rows)
        found = target_arrays({name: values})
        refuse_missing(found[name])
        numbers = check_array(found[name], ensure_2d=False, dtype=np.float64, input_name="y")
        return self._fit(X, {name: numbers}, rows)

    def _reads_labels(self) -> bool:
        """Whether the only head is known, and reads labels."""
        from heads import HEADS  # torch: where a model is fitted

        return isinstance(self.head, str) and self.head in HEADS and HEADS[self.head].reads_labels

    def predict(self, X: Any) -> NDArray[Any]:
        """Answers of the first head, in its unit; the mean where it tells mean and median.

        Shape:
            `[n]`, float64; labels as text of a head that tells classes; `[n, n_steps]` of a head
            with steps.
        """
        from heads.columns import columns_by_step  # torch: where a model is asked

        head = next(iter(self._predictor().bundle.model.heads.values()))
        names = [columns[0].name for columns in columns_by_step(head.columns).values()]
        answers = self._answers(X)[names].to_numpy()
        return answers if head.target_shape else answers[:, 0]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R2 of the answers; of several heads, or steps, the mean of their R2, all alike.

        A row counts for the heads whose target it has. R2 of a head that tells probabilities is
        that of these against 1 and 0 (1 minus the Brier score over that of the mean), of several
        classes together.

        Args:
            X: Items, as in `fit`.
            y: Their targets; a frame with a column for each where there are several.
            sample_weight: Weight `[n]` of each row; all alike where None.

        Returns:
            At most 1; 0 for answers no better than the mean, less for worse ones.

        Raises:
            CatalogueError: If items are faulty and must not be, a target is no number, or a label
                is unknown.
            ValueError: If y lacks a target, or a row has no answer.
        """
        from fusion.evaluation.questions import questions  # torch: where a model is asked

        predictor = self._predictor()
        bundle = predictor.bundle
        table = predictor.predict(self._frame(X, reset=False))
        names = list(dict.fromkeys(name for each in bundle.targets.values() for name in each))
        given = {names[0]: named_target(y)[1]} if len(names) == 1 else named_targets(y, names)
        arrays = self._known_targets(given)
        check_consistent_length(table, *arrays.values(), sample_weight)
        check_answered(table)
        scores = []
        for name, head in bundle.model.heads.items():
            target = bundle.target_of(name, arrays)
            known = is_finite(target)
            if known.sum() < 2:
                raise ValueError(
                    f"{bundle.target_name(name)} must be known in at least two rows, got "
                    f"{known.sum()}."
                )
            weights = None if sample_weight is None else np.asarray(sample_weight)[known]
            columns = {each.name: predictor.column_name(name, each.name) for each in head.columns}
            answers = table[list(columns.values())][known].set_axis(list(columns), axis=1)
            found = [_r2(each, answers, weights) for each in questions(head, target[known])]
            scores.append(np.mean(found))
        return float(np.mean(scores))

    def _known_targets(self, given: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
        """Target columns as numbers, or as positions of the labels that the model knows.

        Raises:
            CatalogueError: With every cell that is neither.
        """
        labels, arrays, problems = self.bundle_.target_labels, {}, []
        for name in given.keys() & labels.keys():
            texts, found = read_labels(target_series(name, given[name]))
            arrays[name], unknown = label_positions(texts, labels[name], column=name)
            problems += [*found, *unknown]
        raise_for(problems, source="y")
        others = {name: values for name, values in given.items() if name not in arrays}
        return {**arrays, **target_arrays(others)}


def _columns(heads: Mapping[Any, Any]) -> list[str]:
    """Target columns of a mapping of heads; a tuple names those of several steps."""
    keys = [(key,) if isinstance(key, str) else key for key in heads]
    return list(dict.fromkeys(name for key in keys for name in key))


def _r2(question: "Question", answers: pd.DataFrame, weights: Any) -> float:
    """R2 of the answer to one question; of the probabilities of classes, all together."""
    from heads.columns import probability_columns

    values, chances = question.values, probability_columns(question.columns)
    if len(chances) < 2:
        return float(r2_score(values, answers[question.columns[0].name], sample_weight=weights))
    truth = np.eye(len(chances))[values.astype(np.int64)]
    told = answers[[each.name for each in chances]]
    together = "variance_weighted"
    return float(r2_score(truth, told, sample_weight=weights, multioutput=together))


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

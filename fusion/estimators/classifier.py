"""The estimator that predicts one of two classes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags, assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from fusion.data.targets import named_target, refuse_missing
from fusion.errors import ConfigError, unknown_name
from fusion.estimators.base import NO_TARGET, FusionEstimator
from fusion.parameters import check_kept

if TYPE_CHECKING:
    from fusion.bundle import Bundle


class FusionClassifier(ClassifierMixin, FusionEstimator):  # type: ignore[misc]
    """Predicts one of two classes (recommended or not, hot or not) from all known of items."""

    default_head: ClassVar[str] = "hot_item"

    def fit(self, X: Any, y: Any, *, validation_rows: Any = None) -> Self:
        """Trains on items with two classes, see `FusionRegressor.fit`."""
        check_kept(self.get_params(deep=False))
        if y is None:
            raise ValueError(f"{type(self).__name__} {NO_TARGET}")
        name, values = named_target(y)
        labels = column_or_1d(values, warn=True)
        refuse_missing(labels)
        assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
        self._check_one_head()
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) != 2:
            raise ValueError(
                f"y must hold two classes, got {len(self.classes_)} class(es): "
                f"{self.classes_[:5].tolist()}. Only binary classification is supported. "
                "Keep two of them, or join them to two."
            )
        return self._fit(X, {name: codes}, validation_rows)

    def _check_one_head(self) -> None:
        """Refuses heads whose answer is no probability, and several of them."""
        from heads import HEADS  # torch: where a model is fitted

        valid = [name for name, kind in HEADS.items() if kind.task == "classification"]
        if isinstance(self.head, Mapping):
            raise ConfigError(
                f"head must be one of {', '.join(valid)} or None for a classifier, which has one "
                "target, got a mapping. Use FusionRegressor for several targets at once."
            )
        if self.head is not None and self.head not in valid:
            raise ConfigError(unknown_name("head of a classifier", self.head, valid))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities `[n, 2]` in [0, 1] of the classes in `classes_`."""
        second = self._answers(X)
        return np.column_stack([1.0 - second, second])

    def predict(self, X: Any) -> NDArray[Any]:
        """The class whose probability is at least 0.5."""
        second = self.predict_proba(X)[:, 1]
        return np.asarray(self.classes_[(second >= 0.5).astype(int)])

    def _adopt(self, bundle: "Bundle") -> None:
        super()._adopt(bundle)
        self.classes_ = np.asarray(bundle.info["classes"])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

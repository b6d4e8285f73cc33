"""The estimator that predicts one of several classes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from encoders.spelling import unknown_name
from fusion.choices.mistakes import Mistakes
from fusion.choices.parameters import check_kept
from fusion.data.labels import canonical_labels, label_mistakes
from fusion.data.problems import shown
from fusion.data.targets import named_target, refuse_missing, target_arrays
from fusion.errors import BundleError, ConfigError
from fusion.estimators.base import NO_TARGET, FusionEstimator
from fusion.estimators.rows import GivenRows
from fusion.progress import say_once

if TYPE_CHECKING:
    from fusion.bundle import Bundle
    from fusion.choices.heads import HeadChoice

SEVERAL = "multiclass"
"""The head of more than two classes where none is asked for."""
TYPES = "biufcUSO"
"""Kinds of NumPy that may be labels; scikit-learn says what is wrong with some of them."""


class FusionClassifier(ClassifierMixin, FusionEstimator):  # type: ignore[misc]
    """Predicts one of several classes (hot or not; up, flat or down) from all known of items.

    Example:
        >>> import pandas as pd
        >>> items = pd.DataFrame({"price": [float(n) for n in range(30)]})
        >>> trend = ["down"] * 10 + ["flat"] * 10 + ["up"] * 10
        >>> model = FusionClassifier(training={"epochs": 2}, random_state=0).fit(items, trend)
        >>> model.classes_.tolist(), model.predict_proba(items).shape
        (['down', 'flat', 'up'], (30, 3))
    """

    default_head: ClassVar[str] = "hot_item"

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        groups: Any = None,
        sample_weight: Any = None,
        validation_rows: Any = None,
    ) -> Self:
        """Trains on items with two classes or more, see `FusionRegressor.fit`.

        Raises:
            ValueError: If there is one class alone, or more than the head can tell.
        """
        rows = GivenRows(validation_rows, groups, sample_weight)
        check_kept(self.get_params(deep=False))
        if y is None:
            raise ValueError(f"{type(self).__name__} {NO_TARGET}")
        name, values = named_target(y)
        labels = column_or_1d(values, warn=True)
        refuse_missing(labels)
        labels = _of_one_type(labels)
        assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
        self._check_one_head()
        self.classes_, codes = np.unique(labels, return_inverse=True)
        n_classes, told = len(self.classes_), self.classes_[:5].tolist()
        if n_classes < 2:
            raise ValueError(
                f"y must hold two classes or more, got {n_classes} class(es): {told}. Give items "
                "of another class."
            )
        if n_classes > 2 and not self._tells_labels():
            raise ValueError(
                f"y must hold two classes for the head {self.head}, got {n_classes} class(es): "
                f"{told}. Leave head out, or join them to two."
            )
        return self._fit(X, {name: codes}, rows)

    def _default_head(self) -> str:
        return self.default_head if len(self.classes_) == 2 else SEVERAL

    def _tells_labels(self) -> bool:
        """Whether the head tells one of several labels, not one class from the other."""
        from heads import HEADS

        return HEADS[str(self.head or self._default_head())].reads_labels

    def _read_targets(
        self,
        targets: Mapping[str, ArrayLike],
        heads: "Mapping[str, HeadChoice]",
        mistakes: Mistakes,
    ) -> "tuple[dict[str, NDArray[np.float64]], dict[str, HeadChoice]]":
        """Positions in `classes_`, which a head that tells labels then knows as text."""
        positions = target_arrays(targets)
        if not self._tells_labels():
            return positions, dict(heads)
        if any("labels" in choice.options for choice in heads.values()):
            mistakes.add(
                ["option labels must be left out: the labels of a classifier are those of y."]
            )
        classes = self.classes_.tolist()
        labels = list(canonical_labels(classes) or map(str, classes))  # as tables are read later
        for name, codes in positions.items():
            if told := label_mistakes(codes, labels, what=name):
                say_once(told)  # what scikit-learn takes is not refused
        return positions, {
            name: replace(choice, options={**choice.options, "labels": labels})
            for name, choice in heads.items()
        }

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
        """Probabilities `[n, n_classes]` in [0, 1] of the classes in `classes_`; rows sum to 1."""
        from heads.columns import probability_columns

        answers = self._answers(X)
        head = next(iter(self.bundle_.model.heads.values()))
        names = [each.name for each in probability_columns(head.columns)]
        found = answers[names].to_numpy(dtype=np.float64)
        return np.column_stack([1.0 - found[:, 0], found[:, 0]]) if len(names) == 1 else found

    def predict(self, X: Any) -> NDArray[Any]:
        """The likeliest class; of two classes the second one from a probability of 0.5."""
        found = self.predict_proba(X)
        places = (found[:, 1] >= 0.5).astype(int) if found.shape[1] == 2 else found.argmax(axis=1)
        return np.asarray(self.classes_[places])

    def _adopt(self, bundle: "Bundle") -> None:
        from heads.columns import probability_columns

        classes = bundle.info.get("classes", [])
        head = next(iter(bundle.model.heads.values()))
        n_classes = max(2, len(probability_columns(head.columns)))
        if not _are_classes(classes, n=n_classes):
            got = f"classes {shown(classes)}" if classes else "one of a regressor"
            raise BundleError(
                f"bundle must be that of a classifier with {n_classes} classes, got {got}."
            )
        super()._adopt(bundle)
        self.classes_ = np.asarray(classes)


def _of_one_type(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels `[n]` as an array of their own type, where they came as objects.

    Raises:
        ValueError: If they are of several types, or of one that a bundle cannot keep.
    """
    found = labels
    if labels.dtype.kind == "O":
        found = pd.Series(labels, dtype=object).infer_objects().to_numpy()
    names = sorted({type(label).__name__ for label in labels.tolist()})
    is_mixed = found.dtype.kind == "O" and len(names) > 1
    if is_mixed or found.dtype.kind not in TYPES:
        raise ValueError(
            "y must hold labels of one type, which may be text, numbers or truth values, got "
            f"{' and '.join(names)}. Write them as text: y.astype(str)."
        )
    return found


def _are_classes(classes: Any, *, n: int) -> bool:
    """True for a list of so many labels, as a bundle keeps them."""
    is_list = isinstance(classes, list) and len(classes) == n
    return is_list and all(isinstance(label, str | int | float) for label in classes)

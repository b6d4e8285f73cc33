"""How good predictions are: pure functions of two arrays, each one number.

Every function takes one-dimensional arrays of the same length, at least one row, finite, and
raises ValueError otherwise. Where a metric is undefined (a share of a zero sum, a ranking of one
class) it is nan, without a warning: nan is shown as a dash in reports and never averaged away.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics as sk

from heads.base import Floats


def mae(target: Floats, prediction: Floats) -> float:
    """Mean absolute error, in the unit of the target, >= 0."""
    _check(target, prediction)
    return float(sk.mean_absolute_error(target, prediction))


def rmse(target: Floats, prediction: Floats) -> float:
    """Root of the mean squared error, in the unit of the target, >= mae."""
    _check(target, prediction)
    return float(sk.root_mean_squared_error(target, prediction))


def r2(target: Floats, prediction: Floats) -> float:
    """Share of variance explained, <= 1; 0 for the mean, below 0 if worse.

    Returns:
        nan where all targets are equal: there is no variance to explain.
    """
    _check(target, prediction)
    return float(sk.r2_score(target, prediction)) if np.ptp(target) > 0 else float("nan")


def wape(target: Floats, prediction: Floats) -> float:
    """Weighted absolute percentage error, sum|error| / sum|actual|, >= 0; may exceed 1.

    Why: unlike MAPE it stands zeros, and unlike MAE it compares across assortments.
    Source: Kolassa and Schuetz (2007), as MAD/Mean.

    Returns:
        0 if perfect, 1 for an all-zero forecast, nan where every target is 0.

    Example:
        >>> wape(np.array([10.0, 30.0]), np.array([20.0, 30.0]))
        0.25
    """
    _check(target, prediction)
    return _ratio(np.abs(prediction - target).sum(), np.abs(target).sum())


def bias(target: Floats, prediction: Floats) -> float:
    """Sum of errors (prediction - actual) over sum|actual|: above 0 forecasts too much.

    Returns:
        Any real number, between -wape and wape; nan where every target is 0.

    Example:
        >>> bias(np.array([10.0, 30.0]), np.array([20.0, 30.0]))
        0.25
    """
    _check(target, prediction)
    return _ratio((prediction - target).sum(), np.abs(target).sum())


def pinball(target: Floats, prediction: Floats, *, level: float) -> float:
    """Mean quantile loss at a level in (0, 1), in the unit of the target, >= 0.

    Source: Koenker and Bassett (1978). At level 0.5 it is half the mean absolute error.

    Raises:
        ValueError: If the level is not in (0, 1).
    """
    _check(target, prediction)
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must be in (0, 1), got {level}. Give 0.9 for the 90 % quantile.")
    return float(sk.mean_pinball_loss(target, prediction, alpha=level))


def coverage(target: Floats, lower: Floats, upper: Floats) -> float:
    """Share of targets inside [lower, upper], ends included, in [0, 1]."""
    _check(target, lower)
    _check(target, upper)
    return float(np.mean((lower <= target) & (target <= upper)))


def poisson_deviance(target: Floats, prediction: Floats) -> float:
    """Mean Poisson deviance of counts, >= 0; targets must be >= 0 and predictions > 0."""
    _check(target, prediction)
    return float(sk.mean_poisson_deviance(target, prediction))


def spearman(target: Floats, prediction: Floats) -> float:
    """Rank correlation in [-1, 1]; nan where either side is constant."""
    _check(target, prediction)
    if np.ptp(target) == 0 or np.ptp(prediction) == 0:
        return float("nan")
    return float(stats.spearmanr(target, prediction).statistic)


def prevalence(target: Floats) -> float:
    """Share of positives in [0, 1]: what pr_auc is for a ranking by chance."""
    _check_labels(target, target)
    return float(np.mean(target))


def pr_auc(target: Floats, score: Floats) -> float:
    """Average precision in (0, 1] of any score that ranks; chance is about the prevalence.

    Returns:
        nan where no target is positive.
    """
    _check_labels(target, score)
    return float(sk.average_precision_score(target, score)) if target.any() else float("nan")


def roc_auc(target: Floats, score: Floats) -> float:
    """Chance that a positive outranks a negative, in [0, 1]; 0.5 for no skill.

    Returns:
        nan where only one class occurs.
    """
    _check_labels(target, score)
    return float(sk.roc_auc_score(target, score)) if np.ptp(target) > 0 else float("nan")


def precision_at_k(target: Floats, score: Floats, *, k: int) -> float:
    """Share of positives among the k best scores, in [0, 1].

    *differs:* scores tied at rank k count by their own share of positives (the mean over all
    orders of the tie), so the order of the rows never matters.

    Raises:
        ValueError: If k is not in 1 to the number of rows.

    Example:
        >>> precision_at_k(np.array([1.0, 0.0, 1.0]), np.array([0.9, 0.5, 0.5]), k=2)
        0.75
    """
    _check_labels(target, score)
    if not 1 <= k <= len(score):
        raise ValueError(f"k must be in 1 to {len(score)} (the rows), got {k}. Give a smaller k.")
    last = np.sort(score)[-k]
    above, tied = score > last, score == last
    hits = target[above].sum() + (k - above.sum()) * target[tied].mean()
    return float(hits / k)


def recall(target: Floats, probability: Floats, *, threshold: float = 0.5) -> float:
    """Share of positives with a probability >= threshold, in [0, 1]; nan without positives."""
    _check_labels(target, probability)
    return float(sk.recall_score(target, probability >= threshold, zero_division=np.nan))


def f1(target: Floats, probability: Floats, *, threshold: float = 0.5) -> float:
    """Harmonic mean of precision and recall at probability >= threshold, in [0, 1].

    Returns:
        nan where no row is positive and none is called positive.
    """
    _check_labels(target, probability)
    return float(sk.f1_score(target, probability >= threshold, zero_division=np.nan))


def brier(target: Floats, probability: Floats) -> float:
    """Mean squared error of probabilities, in [0, 1]. Source: Brier (1950)."""
    _check_probabilities(target, probability)
    return float(sk.mean_squared_error(target, probability))


def log_loss(target: Floats, probability: Floats) -> float:
    """Mean negative log-likelihood in nats, >= 0; 0 and 1 are moved inwards by 2.2e-16."""
    _check_probabilities(target, probability)
    return float(sk.log_loss(target, probability, labels=[0.0, 1.0]))


def expected_calibration_error(target: Floats, probability: Floats, *, n_bins: int = 10) -> float:
    """Mean gap between stated probability and observed share over bins of equal mass, in [0, 1].

    Source: Naeini, Cooper and Hauskrecht (2015), ECE; *differs:* bins hold equal numbers of rows
    (equal widths leave most bins empty for rare classes) and equal probabilities share one bin.

    Raises:
        ValueError: If there is no bin.

    Example:
        >>> round(expected_calibration_error(np.array([0.0, 1.0]), np.array([0.3, 0.3])), 3)
        0.2
    """
    _check_probabilities(target, probability)
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, got {n_bins}. Give 10.")
    edges = np.quantile(probability, np.arange(1, n_bins) / n_bins)
    bins = np.searchsorted(edges, probability, side="right")
    gaps = np.bincount(bins, weights=probability - target)  # count * (mean stated - mean seen)
    return float(np.abs(gaps).sum() / len(target))


def accuracy(target: Floats, predicted: Floats) -> float:
    """Share of rows whose class is predicted, in [0, 1]; classes are positions."""
    _check(target, predicted)
    return float(np.mean(target == predicted))


def macro_f1(target: Floats, predicted: Floats) -> float:
    """Mean, over the classes that occur or are predicted, of the F1 of each, in [0, 1].

    Every class weighs alike, however rare; one that occurs and is never rightly predicted has 0.
    Source: scikit-learn's `f1_score(average="macro")`, written out as that warns of few rows.
    """
    _check(target, predicted)
    n_classes = int(max(target.max(), predicted.max())) + 1
    counts = confusion_matrix(target, predicted, n_classes=n_classes)
    either = counts.sum(axis=0) + counts.sum(axis=1)  # 2 tp + fp + fn of each class
    return float(np.mean(2 * counts.diagonal()[either > 0] / either[either > 0]))


def multiclass_log_loss(target: Floats, probabilities: Floats) -> float:
    """Mean negative logarithm of the probability of each row's class, in nats, >= 0.

    Args:
        target: Positions of the classes `[n]`.
        probabilities: `[n, n_classes]`, in [0, 1]; those of a row are divided by their sum, and
            probabilities of 0 are moved inwards by 2.2e-16.

    Raises:
        ValueError: If a probability is not in [0, 1].
    """
    _check(target, probabilities.max(axis=1))
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise ValueError(
            f"probabilities must be in [0, 1], got {probabilities.min()} to {probabilities.max()}. "
            "Pass logits through a softmax."
        )
    own = probabilities[np.arange(len(target)), target.astype(np.int64)]
    shares = own / np.maximum(probabilities.sum(axis=1), np.finfo(np.float64).tiny)
    return float(-np.log(shares.clip(min=np.finfo(np.float64).eps)).mean())


def confusion_matrix(target: Floats, predicted: Floats, *, n_classes: int) -> NDArray[np.int64]:
    """Rows of each class (first axis) for which each class is predicted (second axis).

    Args:
        target: Positions of the classes `[n]`, 0 to n_classes - 1.
        predicted: Predicted positions `[n]`.
        n_classes: Number of classes, also of those that do not occur.

    Returns:
        Counts `[n_classes, n_classes]` whose sum is n.

    Raises:
        ValueError: If a value is no position.

    Example:
        >>> confusion_matrix(np.array([0.0, 1, 1]), np.array([0.0, 0, 1]), n_classes=2).tolist()
        [[1, 0], [1, 1]]
    """
    _check(target, predicted)
    for values in (target, predicted):
        odd = values[~np.isin(values, np.arange(n_classes))]
        if len(odd):
            raise ValueError(
                f"classes must be positions from 0 to {n_classes - 1}, got {odd[0]}. "
                "Give n_classes of the head."
            )
    cells = target.astype(np.int64) * n_classes + predicted.astype(np.int64)
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else float("nan")


def _check(target: Floats, prediction: Floats) -> None:
    if target.ndim != 1 or target.shape != prediction.shape:
        raise ValueError(
            "target and prediction must be one-dimensional and of equal length, got "
            f"{target.shape} and {prediction.shape}. Give one prediction per row."
        )
    if len(target) == 0:
        raise ValueError("target must have at least one row, got 0. Leave out empty groups.")
    if not (np.isfinite(target).all() and np.isfinite(prediction).all()):
        raise ValueError("target and prediction must be finite, got nan or inf. Drop these rows.")


def _check_labels(target: Floats, score: Floats) -> None:
    _check(target, score)
    odd = target[(target != 0) & (target != 1)]
    if len(odd):
        raise ValueError(f"target must be 0 or 1, got {odd[0]}. Encode it with the head first.")


def _check_probabilities(target: Floats, probability: Floats) -> None:
    _check_labels(target, probability)
    if probability.min() < 0 or probability.max() > 1:
        raise ValueError(
            f"probability must be in [0, 1], got {probability.min()} to {probability.max()}. "
            "Pass logits through a sigmoid."
        )

"""Probabilities that are meant: log-odds moved by two numbers, chosen on rows held out."""

import numpy as np
from numpy.typing import NDArray

from heads.answer_maps import splits
from heads.base import Floats

SLOPES = (0.1, 10.0)
"""Bounds of the slope: above 0, so that the ranking stays as it is."""
MIN_OF_CLASS = 10
"""Rows of the rarer class below which probabilities stay as they are."""
MIN_OF_CLASS_FOR_SLOPES = 40
"""Rows of the rarer class below which the intercept alone is moved."""
LARGEST = 1e4
"""Logits beyond it say nothing more."""


def fit_platt(
    logits: Floats, labels: Floats, *, parts: NDArray[np.int64], weight: Floats | None = None
) -> tuple[float, float]:
    """Intercept and slope of the log-odds that are likeliest on parts they were not fitted on.

    Why: networks that are stopped early are too timid, and those that are not too bold.
    *Source:* Platt (1999), probabilistic outputs; *differs:* several logits for one row (the
    networks of an ensemble) are moved each on its own, and their probabilities averaged, as
    `decode` does; moved is only what is likelier in cross-validation.

    Args:
        logits: `[n, k]` by k networks that have not seen the row.
        labels: `[n]`, 0 or 1.
        parts: Label of the part `[n]` of each row, see `heads.answer_maps.fit_mean_map`.
        weight: `[n]`, >= 0, how much each row counts; all alike where None.

    Returns:
        `(0.0, 1.0)` where nothing is gained, or a class has fewer than 10 rows.
    """
    rarer = min(int(labels.sum()), int((1.0 - labels).sum()))
    ways = ["as it is"]
    if rarer >= MIN_OF_CLASS:
        ways.append("intercept")
    if rarer >= MIN_OF_CLASS_FOR_SLOPES:
        ways.append("both")
    logits = logits.clip(-LARGEST, LARGEST)
    weight = np.ones(len(labels)) if weight is None else weight
    losses = np.zeros(len(ways))
    for known, asked in splits(parts):
        for place, way in enumerate(ways):
            line = _fit(way, logits[known], labels[known], weight[known])
            loss, _ = _loss_and_slopes(line, logits[asked], labels[asked], weight[asked])
            losses[place] += loss * weight[asked].sum()
    intercept, slope = _fit(ways[int(np.argmin(losses))], logits, labels, weight)
    return float(intercept), float(slope)


def _fit(way: str, logits: Floats, labels: Floats, weight: Floats) -> Floats:
    start = np.array([0.0, 1.0])
    if way == "as it is" or len(np.unique(labels)) < 2:
        return start

    def loss_and_slopes(line: Floats) -> tuple[float, Floats]:
        return _loss_and_slopes(line, logits, labels, weight)

    bounds = [(-LARGEST, LARGEST), SLOPES if way == "both" else (1.0, 1.0)]
    from scipy import optimize  # takes half a second to import

    found = optimize.minimize(loss_and_slopes, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x)


def _loss_and_slopes(
    line: Floats, logits: Floats, labels: Floats, weight: Floats
) -> tuple[float, Floats]:
    """Mean log loss of the mean probabilities, in nats, and its slopes in intercept and slope."""
    odds = line[0] + line[1] * logits
    each = np.exp(-np.logaddexp(0.0, -odds))
    mean = each.mean(axis=1).clip(1e-12, 1.0 - 1e-12)
    share = weight / weight.sum()
    loss = -(share * (labels * np.log(mean) + (1.0 - labels) * np.log1p(-mean))).sum()
    pull = share * (mean - labels) / (mean * (1.0 - mean))
    change = each * (1.0 - each)
    slopes = [(pull * change.mean(axis=1)).sum(), (pull * (change * logits).mean(axis=1)).sum()]
    return float(loss), np.asarray(slopes)

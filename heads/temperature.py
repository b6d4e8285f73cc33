"""Probabilities of classes that are meant: logits divided by a number chosen on rows held out."""

import numpy as np

from heads.answer_maps import splits
from heads.base import Floats, Parts

TEMPERATURES = (0.1, 10.0)
"""Bounds of a temperature: it is above 0, so that the likeliest class of a network stays it."""
MIN_ROWS = 20
"""Rows below which probabilities stay as they are."""
LARGEST = 1e4
"""Logits beyond it say nothing more."""


def fit_temperature(
    logits: Floats, classes: Parts, *, parts: Parts, weight: Floats | None = None
) -> float:
    """What logits are divided by to be likeliest, where that helps on parts it was not fitted on.

    Why: networks that are stopped early are too timid, and those that are not too bold.
    *Source:* Guo et al. (2017), On calibration of modern neural networks, section 4.2; *differs:*
    several logits for one row (the networks of an ensemble) are divided each on its own, and their
    probabilities averaged, as `decode` does; divided is only what is likelier in cross-validation.

    Args:
        logits: `[n, n_networks, n_classes]` by networks that have not seen the row.
        classes: Position of the class `[n]` of each row.
        parts: Label of the part `[n]` of each row, see `heads.answer_maps.fit_mean_map`.
        weight: `[n]`, >= 0, how much each row counts; all alike where None.

    Returns:
        In [0.1, 10]; 1.0 where nothing is gained, or there are fewer than 20 rows.
    """
    if len(classes) < MIN_ROWS:
        return 1.0
    logits = logits.clip(-LARGEST, LARGEST)
    weight = np.ones(len(classes)) if weight is None else weight
    as_it_is, divided = 0.0, 0.0
    for known, asked in splits(parts):
        found = _likeliest(logits[known], classes[known], weight[known])
        as_it_is += _loss(1.0, logits[asked], classes[asked], weight[asked])
        divided += _loss(found, logits[asked], classes[asked], weight[asked])
    return _likeliest(logits, classes, weight) if divided < as_it_is else 1.0


def _likeliest(logits: Floats, classes: Parts, weight: Floats) -> float:
    from scipy import optimize  # takes half a second to import

    def loss(log_temperature: float) -> float:
        return _loss(float(np.exp(log_temperature)), logits, classes, weight)

    bounds = tuple(np.log(TEMPERATURES))
    return float(np.exp(optimize.minimize_scalar(loss, bounds=bounds, method="bounded").x))


def _loss(temperature: float, logits: Floats, classes: Parts, weight: Floats) -> float:
    """Summed log loss, in nats, of the mean probabilities of the networks."""
    scaled = logits / temperature
    logs = scaled - np.logaddexp.reduce(scaled, axis=2, keepdims=True)
    own = np.take_along_axis(logs, classes[:, None, None], axis=2)[..., 0]  # [n, n_networks]
    return float(weight @ (np.log(logits.shape[1]) - np.logaddexp.reduce(own, axis=1)))

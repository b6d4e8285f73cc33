"""What rows to learn from bring beside their values: targets, folds and weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """What is known of `n` rows that a model learns from, in the order of these rows.

    Args:
        targets: Targets `[n, *target_shape]` in business units for each head, NaN where there is
            none: such a row says nothing of this head.
        folds: Positions of the rows of each fold; some stand in none.
        sample_weight: `[n]`, how much each row counts, >= 0; rows of weight 0 have no say.
    """

    targets: Mapping[str, Floats]
    folds: Sequence[Rows]
    sample_weight: Floats

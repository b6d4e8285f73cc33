"""Which rows one tuning run learns from, and what they hold."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion.data.batch import ModelInputs


@dataclass(frozen=True, eq=False)
class TuningRows:
    """Rows of one tuning run.

    Args:
        inputs: Model inputs of all rows; of photos, what their files hold now.
        targets: Targets `[n, *target_shape]` in business units for each head, NaN where there is
            none.
        learn: Positions of the rows to learn from.
        validation: Positions of the rows that early stopping looks at; with none of them, all
            epochs are run and the last weights kept.
    """

    inputs: ModelInputs
    targets: Mapping[str, NDArray[np.float64]]
    learn: NDArray[np.int64]
    validation: NDArray[np.int64]

"""What `fit` is told of rows beside X and y: groups, weights, and which are held out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.choices.mistakes import Mistakes
from fusion.data.folds import RowOptions, row_groups, row_positions
from fusion.data.weights import checked_weights


@dataclass(frozen=True)
class GivenRows:
    """What `fit` is told of rows beside X and y; None where nothing is.

    Args:
        validation: Rows that are held out of the members, as positions or as a mask `[n]`.
        groups: A label `[n]` for each row.
        weight: How much each row counts, `[n]`.
    """

    validation: Any = None
    groups: Any = None
    weight: Any = None

    def checked(self, mistakes: Mistakes, *, n_rows: int) -> RowOptions:
        """The same as positions, numbers of groups and weights; what is wrong is told."""
        rows: NDArray[np.int64] | None = None
        groups: NDArray[np.int64] | None = None
        weight: NDArray[np.float64] | None = None
        with mistakes.gathered():
            if self.validation is not None:
                rows = row_positions(self.validation, n_rows=n_rows)
        with mistakes.gathered():
            if self.groups is not None:
                groups = row_groups(self.groups, n_rows=n_rows)
        with mistakes.gathered():
            if self.weight is not None:
                weight = checked_weights(self.weight, n_rows=n_rows)
        if rows is not None and groups is not None:
            mistakes.add(
                [
                    "groups must be left out where validation_rows are given, got both. "
                    "Choose rows of whole groups, or leave validation_rows out."
                ]
            )
        return RowOptions(rows, groups, weight)

"""Products of rows with each other, block by block, seen from the centre of any of the rows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

CONSTANT = 1e-9
"""Share of a block's square sum around its centre below which only rounding is left of it."""


class BlockKernels:
    """Linear kernels of blocks of features whose centre is moved without the features.

    Source: Schölkopf, Smola and Müller (1998), appendix B; differs: a row in which a block is
    absent is 0 and stays there.

    Args:
        blocks: Features of all rows, `[n, dim]` each; 0 in rows without them.
        present: Which rows have them, 0 or 1, `[n_blocks, n]`.
    """

    def __init__(self, blocks: Sequence[Floats], present: Floats) -> None:
        self.plain = np.stack([block @ block.T for block in blocks])
        self.present = present

    def centred(self, left: Rows, right: Rows, *, centre_of: Rows) -> Floats:
        """Kernels `[n_blocks, n_left, n_right]` around the mean of the rows that are present.

        A block that is constant in the rows of the centre is 0: what rounding leaves of it is no
        kernel.

        Args:
            left: Rows.
            right: Rows.
            centre_of: Rows whose mean is the centre.
        """
        counts = self.present[:, centre_of].sum(axis=1).clip(min=1.0)[:, None]
        with_centre = self.plain[:, centre_of].sum(axis=1) / counts  # products with the mean
        squared = with_centre[:, centre_of].sum(axis=1)[:, None, None] / counts[..., None]
        squares = np.diagonal(self.plain, axis1=1, axis2=2)[:, centre_of].sum(axis=1)
        around = squares - counts[:, 0] * squared[:, 0, 0]
        varies = (around > CONSTANT * squares)[:, None, None]
        there_left, there_right = self.present[:, left, None], self.present[:, None, right]
        return np.asarray(
            varies
            * (
                self.plain[:, left[:, None], right]
                - there_left * with_centre[:, None, right]
                - there_right * with_centre[:, left, None]
                + there_left * there_right * squared
            )
        )

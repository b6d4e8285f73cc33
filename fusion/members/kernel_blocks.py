"""Blocks of a view as points of one space: each centred, and of variance 1 in all its columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoders.blocks import Block, BlockKind
from fusion.data.batch import chunks
from fusion.members.base import Floats
from fusion.members.view import Mask, Rows, View

Points = NDArray[np.float32]
READ: tuple[BlockKind, ...] = ("vectors", "numbers", "category")
"""Kinds of blocks that become points: `terms` have their directions among the vectors."""
CONSTANT = 1e-9
"""Share of a block's mean square below which its variance is what rounding leaves."""
FARTHEST = 1e4
"""Bound of a coordinate, in standard deviations of its block: squares stay finite in float32."""
CHUNK_ROWS = 2048


@dataclass(frozen=True)
class KernelBlock:
    """How one block becomes points.

    A row without the block stands at its centre, as does one with NaN there: it is as far from the
    others as the middle is. *differs* from leaving the block out of each distance to such a row,
    which makes no valid kernel: three rows are enough for a negative variance. A level of a
    category that no row had is none of the levels: half as far from each as they are apart.

    Args:
        name: Its name in the view.
        kind: One of `READ`.
        center: Mean of each column `[dim]`; of a category the share of each level `[n_levels]`.
        std: Root of the sum of the columns' variances, > 0.
    """

    name: str
    kind: BlockKind
    center: Floats
    std: float

    @property
    def dim(self) -> int:
        """Coordinates of a point: columns, or levels that any row had."""
        return int((self.center > 0).sum()) if self.kind == "category" else len(self.center)

    def points(self, values: NDArray[np.generic], present: Mask) -> Points:
        """Coordinates `[n, dim]` of values `[n, dim]` (of a category: codes `[n]`)."""
        if self.kind == "category":
            places = np.full(len(self.center), -1)
            places[self.center > 0] = np.arange(self.dim)
            return self._at_levels(places[values], present)
        scaled = ((values.astype(np.float64) - self.center) / self.std).clip(-FARTHEST, FARTHEST)
        return np.where(present[:, None], scaled, 0.0).astype(np.float32)

    def levels(self, points: Points) -> Rows:
        """Of points of a category: places `[n]` of the levels, -1 where the block is absent."""
        return np.where(points.any(axis=1), points.argmax(axis=1), -1)

    def points_of_levels(self, levels: Rows) -> Points:
        """The points `[n, dim]` of places of levels, as `levels` gives them."""
        return self._at_levels(levels, levels >= 0)

    def _at_levels(self, levels: Rows, present: Mask) -> Points:
        """Points of places of levels, -1 for none of them; in float32 from the first."""
        middle = self.center[self.center > 0]
        off, on = (
            ((value - middle) / self.std).clip(-FARTHEST, FARTHEST).astype(np.float32)
            for value in (0.0, 1.0)
        )
        points = np.where(present[:, None], off, np.float32(0.0))
        known = np.flatnonzero(present & (levels >= 0))
        points[known, levels[known]] = on[levels[known]]
        return points


def fit_block(block: Block, present: Mask, name: str, weight: Floats) -> KernelBlock | None:
    """A block's centre and spread in the rows that have it; None where it is the same in all.

    Args:
        block: Of all rows.
        present: Which rows have it.
        name: Its name in the view.
        weight: `[n]`, how much each row counts.
    """
    rows = np.flatnonzero(present & (weight > 0))
    if not len(rows):
        return None
    share = weight[rows] / weight[rows].sum()
    if block.kind == "category":
        codes = block.values[rows]
        shares = np.bincount(codes, share, block.n_levels).astype(np.float64)
        variance = float(shares @ (1.0 - shares))
        return KernelBlock(name, block.kind, shares, variance**0.5) if variance > CONSTANT else None
    center = np.zeros(block.dim)
    for part in chunks(len(rows), CHUNK_ROWS):
        center += share[part] @ block.values[rows[part]].astype(np.float64)
    variance = squares = 0.0
    for part in chunks(len(rows), CHUNK_ROWS):
        values = block.values[rows[part]].astype(np.float64)
        variance += float(share[part] @ np.square(values - center).sum(axis=1))
        squares += float(share[part] @ np.square(values).sum(axis=1))
    varies = variance > CONSTANT * squares
    return KernelBlock(name, block.kind, center, variance**0.5) if varies else None


def fit_blocks(view: View, weight: Floats) -> list[KernelBlock]:
    """Those blocks of a view that become points, and vary."""
    found = [
        fit_block(block, view.present[name], name, weight)
        for name, block in view.of_kinds(*READ).items()
    ]
    return [block for block in found if block is not None]


def points_of(blocks: Sequence[KernelBlock], view: View, rows: Rows) -> list[Points]:
    """Points `[n, dim]` of some rows of a view, block by block; a block it lacks is absent."""
    points = []
    for block in blocks:
        if block.name in view.blocks:
            values, present = view.blocks[block.name].values[rows], view.present[block.name][rows]
            points.append(block.points(values, present))
        else:
            points.append(np.zeros((len(rows), block.dim), dtype=np.float32))
    return points


def joined(points: Sequence[Points], n_rows: int) -> Points:
    """Points of all blocks side by side, `[n, dim]`."""
    return np.concatenate([np.zeros((n_rows, 0), dtype=np.float32), *points], axis=1)

"""Boosted trees as arrays, read out of LightGBM's text format and walked by NumPy.

Why not LightGBM itself: importing it takes seconds, and the text may come from a stranger, whose
indices it follows unchecked. What is read here is checked first, number by number.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.members.base import Floats
from fusion.members.forest_text import TreeText, read_trees

Ints = NDArray[np.int64]
CATEGORY, DEFAULT_LEFT, MISSING_IS_NAN = 1, 2, 8
"""Bits of a node's decision, as LightGBM writes them."""
WALKERS = 500_000
"""Rows times trees that are walked at a time: what bounds the memory."""


@dataclass(frozen=True)
class Forest:
    """Trees of `n_outputs` answers: each tree adds to one of them, in turn.

    Args:
        n_outputs: Answers of a row.
        roots: `[n_trees]`: where each tree begins. A place >= 0 is a node, any other is `~leaf`.
        feature: Column that each node asks for, `[n_nodes]`.
        threshold: Numbers up to it go left, `[n_nodes]`.
        decision: Bits of each node, see `CATEGORY`.
        left: Where a node leads to, `[n_nodes]`; `right` the same.
        right: See `left`.
        first_code: Where the codes of a category begin in `goes_left`, `[n_nodes]`.
        n_codes: How many there are; larger codes go right.
        goes_left: Whether a code goes left, of all nodes.
        leaves: What each leaf answers.
    """

    n_outputs: int
    roots: Ints
    feature: Ints
    threshold: Floats
    decision: Ints
    left: Ints
    right: Ints
    first_code: Ints
    n_codes: Ints
    goes_left: NDArray[np.bool_]
    leaves: Floats

    @classmethod
    def read(cls, text: bytes, *, n_features: int, n_outputs: int) -> "Forest":
        """The trees of a text, of which nothing is believed.

        Args:
            text: As `fusion.members.forest_text.slim` writes it.
            n_features: Columns that the trees may ask for.
            n_outputs: Answers of a row, 1 or more.

        Raises:
            ValueError: At the first thing that such a text cannot hold.
        """
        trees = read_trees(text, n_features=n_features, n_outputs=n_outputs)
        return _joined(list(trees), n_outputs)

    def answers(self, table: Floats | NDArray[np.float32]) -> Floats:
        """Sums of the trees' answers, `[n, n_outputs]`.

        Args:
            table: `[n, n_features]`: numbers, or codes of a category; NaN where missing.
        """
        found = np.zeros((len(table), self.n_outputs))
        if not len(self.roots):
            return found
        step = max(1, WALKERS // len(self.roots))
        for start in range(0, len(table), step):
            places = self._leaves_of(table[start : start + step])
            values = self.leaves[places].reshape(len(places), -1, self.n_outputs)
            found[start : start + step] = values.sum(axis=1)
        return found

    def _leaves_of(self, table: Floats | NDArray[np.float32]) -> Ints:
        """Leaf of each row in each tree, `[n, n_trees]`."""
        n_trees = len(self.roots)
        places = np.tile(self.roots, len(table))
        walking = np.flatnonzero(places >= 0)
        while len(walking):
            nodes = places[walking]
            values = table[walking // n_trees, self.feature[nodes]]
            places[walking] = np.where(
                self._go_left(nodes, values), self.left[nodes], self.right[nodes]
            )
            walking = walking[places[walking] >= 0]
        return ~places.reshape(len(table), n_trees)

    def _go_left(self, nodes: Ints, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether values pass a node to the left, as LightGBM's `Tree::Decision` says."""
        decision = self.decision[nodes]
        missing = np.isnan(values)
        numbers = np.where(missing, 0.0, values)
        left = numbers <= self.threshold[nodes]
        of_default = missing & ((decision & MISSING_IS_NAN) > 0)
        left = np.where(of_default, (decision & DEFAULT_LEFT) > 0, left)
        categories = np.flatnonzero(decision & CATEGORY)
        if len(categories):
            some, codes = nodes[categories], values[categories]
            known = ~missing[categories] & (codes >= 0) & (codes < self.n_codes[some])
            places = self.first_code[some] + np.where(known, codes, 0).astype(np.int64)
            left[categories] = known & self.goes_left[places]
        return left


def _joined(trees: list[TreeText], n_outputs: int) -> Forest:
    """One forest of trees whose places count from the beginning of each."""
    first_node = _starts([len(tree.feature) for tree in trees])
    first_leaf = _starts([len(tree.leaves) for tree in trees])
    first_code = _starts([len(tree.goes_left) for tree in trees])

    def children(side: str) -> Ints:
        found = [getattr(tree, side) for tree in trees]
        return np.concatenate(
            [
                np.where(child >= 0, child + node, child - leaf)
                for child, node, leaf in zip(found, first_node, first_leaf, strict=True)
            ]
        )

    codes = [tree.first_code + start for tree, start in zip(trees, first_code, strict=True)]
    has_nodes = np.array([len(tree.feature) > 0 for tree in trees])
    return Forest(
        n_outputs,
        roots=np.where(has_nodes, first_node, ~first_leaf),
        feature=np.concatenate([tree.feature for tree in trees]),
        threshold=np.concatenate([tree.threshold for tree in trees]),
        decision=np.concatenate([tree.decision for tree in trees]),
        left=children("left"),
        right=children("right"),
        first_code=np.concatenate(codes),
        n_codes=np.concatenate([tree.n_codes for tree in trees]),
        goes_left=np.concatenate([tree.goes_left for tree in trees]),
        leaves=np.concatenate([tree.leaves for tree in trees]),
    )


def _starts(sizes: list[int]) -> Ints:
    """Where each of several arrays begins in all of them together."""
    return np.cumsum([0, *sizes[:-1]])

"""The rows of a pretraining: distinct contents, or distinct pairs of a text and a photo."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from encoders.base import Tensors, length_prefixed_hash
from fusion.data.split import group_split
from fusion.pretraining.contents import Contents

Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PretrainingRows:
    """What is learned from, one row a distinct combination of contents.

    Args:
        contents: Contents of each modality.
        places: `[n, modalities]`, place of each row's content in each modality.
    """

    contents: Mapping[str, Contents]
    places: Places

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.places)

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the contents of all rows, in order."""
        keys = [contents.keys for contents in self.contents.values()]
        return length_prefixed_hash(
            [key[place] for row in self.places for key, place in zip(keys, row, strict=True)]
        )

    @property
    def groups(self) -> Places:
        """`[n]` labels; rows that share a content, directly or through others, share a label."""
        n_rows, n_modalities = self.places.shape
        sizes = [len(contents.keys) for contents in self.contents.values()]
        nodes = n_rows + self.places + np.cumsum([0, *sizes[:-1]])
        owners = np.repeat(np.arange(n_rows), n_modalities)
        n_nodes = n_rows + sum(sizes)
        links = coo_matrix((np.ones(nodes.size), (owners, nodes.ravel())), shape=(n_nodes, n_nodes))
        _, labels = connected_components(links, directed=False)
        return np.asarray(labels[:n_rows], dtype=np.int64)

    @property
    def lengths(self) -> Places:
        """`[n]` tokens of each row's text, zero where there are no texts."""
        if "text" not in self.contents:
            return np.zeros(len(self), dtype=np.int64)
        held = self.contents["text"].held
        return np.asarray([len(held[place]) for place in self.of("text").tolist()])

    def known_pairs(self, rows: Places) -> NDArray[np.bool_]:
        """`[n, n]`, True where one row's photo (down) and another's text (across) are a pair too.

        They are where the two rows share a text or a photo, or come from one item with several.

        Args:
            rows: Positions of `n` rows that have texts and photos.
        """
        texts, photos = self.of("text")[rows], self.of("image")[rows]
        asked = photos[:, None] * len(self.contents["text"].keys) + texts
        places = np.searchsorted(self._pairs, asked).clip(max=len(self._pairs) - 1)
        known: NDArray[np.bool_] = self._pairs[places] == asked
        np.fill_diagonal(known, False)
        return known

    @cached_property
    def _pairs(self) -> Places:
        """One number for each row's photo and text, sorted."""
        n_texts = len(self.contents["text"].keys)
        return np.sort(self.of("image") * n_texts + self.of("text"))

    def of(self, modality: str) -> Places:
        """`[n]`, place of each row's content in one modality."""
        return self.places[:, list(self.contents).index(modality)]

    def tensors(self, modality: str, rows: Places) -> Tensors:
        """What the encoder of a modality takes, for some rows."""
        contents = self.contents[modality]
        return contents.encoder.collate(contents.take(self.of(modality)[rows].tolist()))

    def split(self, *, share: float, seed: int) -> tuple[Places, Places]:
        """Positions of training and validation rows; equal texts or photos stay on one side.

        Raises:
            ValueError: If there are too few rows, or all of them share contents.
        """
        split = group_split(self.groups, fractions=(1.0 - share, share, 0.0), seed=seed)
        return split.train, split.validation


def join_contents(contents: Mapping[str, Contents], items: Iterable[int]) -> PretrainingRows:
    """Rows of some items: each text of an item with each of its photos, equal rows once.

    Args:
        contents: Contents of each modality.
        items: Positions of the items; one that lacks a modality gives no row.
    """
    found = [
        places for item in items for places in product(*(c.places[item] for c in contents.values()))
    ]
    distinct = np.asarray(list(dict.fromkeys(found)), dtype=np.int64)
    return PretrainingRows(contents, distinct.reshape(-1, len(contents)))

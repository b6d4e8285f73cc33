"""The terms of one kind that a TF-IDF knows: their weights, and the directions they span."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from encoders.text.grams import Counts

MOST_LEADING = 10_000
"""Terms that directions are made of: the most frequent ones."""
MOST_SVD_TEXTS = 3_000
"""Texts, evenly spaced, that directions are learned on: they need no more."""
N_ITERATIONS = 3


class Terms(nn.Module):
    """Weights of known terms, `[n, n_terms]` and sparse, and their leading directions `[n, dim]`.

    A text's weights are one plus the logarithm of the count, times the inverse document frequency,
    of length 1 together. The first terms are those that directions are made of; they, and the
    others behind them, are each in the order of their hashes.

    Args:
        n_terms: Terms in all.
        dim: Directions kept.
    """

    hashes: Tensor
    idf: Tensor
    components: Tensor

    def __init__(self, n_terms: int, dim: int) -> None:
        super().__init__()
        self.n_leading = min(n_terms, MOST_LEADING)
        self.register_buffer("hashes", torch.zeros(n_terms, dtype=torch.int64))
        self.register_buffer("idf", torch.zeros(n_terms))
        self.register_buffer("components", torch.zeros(self.n_leading, dim))

    def __len__(self) -> int:
        """Number of terms."""
        return len(self.hashes)

    @classmethod
    def fitted(cls, counts: Counts, *, n_texts: int, dim: int, min_count: int, most: int) -> Self:
        """The most frequent terms of training texts.

        Args:
            counts: Of the training texts.
            n_texts: How many they are.
            dim: Directions kept; those that the texts do not span are 0.
            min_count: Number of texts that a term must occur in.
            most: Terms kept, at most.
        """
        hashes, found_in = np.unique(counts.grams, return_counts=True)
        enough = found_in >= min_count
        hashes, found_in = hashes[enough], found_in[enough]
        frequent = np.argsort(-found_in, kind="stable")[:most]
        leading, others = np.split(frequent, [MOST_LEADING])
        order = np.concatenate([np.sort(leading), np.sort(others)])
        terms = cls(len(order), dim)
        terms.hashes.copy_(torch.from_numpy(hashes[order]))
        idf = np.log((1 + n_texts) / (1 + found_in[order])) + 1.0
        terms.idf.copy_(torch.from_numpy(idf))
        if len(order):
            step = -(-n_texts // MOST_SVD_TEXTS)
            sample = terms.weights(counts, n_texts=n_texts)[::step, : terms.n_leading]
            terms.components.copy_(torch.from_numpy(_directions(sample, dim=dim)))
        return terms

    def weights(self, counts: Counts, *, n_texts: int) -> Any:
        """Weights of the known terms of texts, `csr_matrix` `[n_texts, n_terms]`, float32."""
        from scipy import sparse  # only what reads terms needs it

        places, known = self._places(counts.grams)
        rows, places, found = counts.rows[known], places[known], counts.counts[known]
        weights = (1.0 + np.log(found)) * self.idf.cpu().numpy()[places]
        lengths = np.sqrt(np.bincount(rows, weights * weights, minlength=n_texts))
        weights = (weights / np.maximum(lengths[rows], 1e-12)).astype(np.float32)
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_texts))])
        shape = (n_texts, len(self))
        return sparse.csr_matrix((weights, places.astype(np.int32), starts), shape=shape)

    def directions(self, weights: Any) -> NDArray[np.float32]:
        """Weights in the directions of `components`, `[n, dim]`."""
        leading = weights if self.n_leading == len(self) else weights[:, : self.n_leading]
        found = leading @ self.components.cpu().numpy()
        return np.asarray(found, dtype=np.float32)

    def _places(self, grams: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Place of each gram among the terms, and which of them are known."""
        hashes = self.hashes.cpu().numpy()
        places, known = np.zeros(len(grams), dtype=np.int64), np.zeros(len(grams), dtype=bool)
        for start, part in zip(
            (0, self.n_leading), np.split(hashes, [self.n_leading]), strict=True
        ):
            if len(part):
                near = np.minimum(np.searchsorted(part, grams), len(part) - 1)
                here = part[near] == grams
                places[here], known[here] = near[here] + start, True
        return places, known


def _directions(sample: Any, *, dim: int) -> NDArray[np.float32]:
    """Leading right singular vectors `[n_terms, dim]`, scaled: texts have a root mean square of 1.

    Source: Deerwester et al. (1990), latent semantic analysis; Halko, Martinsson and Tropp (2011),
    randomised range finder.
    """
    from sklearn.utils.extmath import randomized_svd  # takes a second to import

    rank = min(dim, *sample.shape)
    _, singular, right = randomized_svd(sample, rank, n_iter=N_ITERATIONS, random_state=0)
    spread = np.sqrt(np.sum(singular**2) / (sample.shape[0] * rank))
    components = np.zeros((sample.shape[1], dim), dtype=np.float32)
    components[:, :rank] = right.T / max(float(spread), 1e-12)
    return components


def evenly_spaced(texts: Sequence[str], *, n_characters: int) -> Sequence[str]:
    """Every second, third, ... text, so that they have about so many characters together."""
    step = -(-sum(map(len, texts)) // n_characters)
    return texts[:: max(step, 1)]

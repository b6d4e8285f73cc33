"""Brings embeddings of two encoders that were tuned from one checkpoint into one space."""

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
STRENGTH = 1e-3
"""Pull towards "no change", as a share of the mean variance of a dimension."""


class Alignment:
    """An affine map from one encoder's embeddings to another's, no more than the rows ask for.

    Why: encoders tuned on different parts of the rows turn and stretch their spaces differently, so
    that a head which learned from one misreads the other. The map is ridge regression towards the
    identity: where rows say nothing, nothing changes.
    Source: Smith et al. (2017), Offline bilingual word vectors, section 2; differs: ridge
    regression in place of a rotation, as layers stretch as well.

    Shape:
        source, target `[n, dim]`: embeddings of the same rows by both encoders.
    """

    def __init__(self, source: Vectors, target: Vectors) -> None:
        self.source_mean = source.mean(axis=0, dtype=np.float64)
        self.target_mean = target.mean(axis=0, dtype=np.float64)
        centred = source - self.source_mean
        gram = centred.T @ centred
        dim = len(gram)
        pull = np.eye(dim) * max(STRENGTH * float(np.trace(gram)) / dim, 1e-9)
        right = centred.T @ (target - self.target_mean) + pull
        self.weights = np.linalg.solve(gram + pull, right)

    def __call__(self, vectors: Vectors) -> Vectors:
        """Embeddings `[n, dim]` of the first encoder as the second would give them, float32."""
        mapped = (vectors - self.source_mean) @ self.weights + self.target_mean
        return np.asarray(mapped, dtype=np.float32)

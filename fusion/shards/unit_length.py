"""Vectors of length 1, whose inner product is their cosine: what most search indexes want."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fusion.shards.commit import EmbeddedRows

ZERO_VECTOR = "zero_vector"


def with_unit_vectors(done: EmbeddedRows) -> EmbeddedRows:
    """The same rows with each vector at L2 length 1; one of zeros stays and is named in `warnings`.

    Why: a vector of zeros has no direction. Left as it is, its cosine with every other comes out as
    0, as scikit-learn's `normalize` has it; no other length or direction would be less made up.

    Returns:
        Rows whose vectors have length 1 (to rounding of float32) or 0, the latter with the warning
        `<name>:zero_vector`. Rows without the modality, which are written as null, get none.
    """
    vectors, warnings = {}, [list(codes) for codes in done.warnings]
    for name, raw in done.vectors.items():
        vectors[name] = unit_vectors(raw)
        there = done.present.get(name, np.ones(len(raw), dtype=bool))
        for row in np.flatnonzero(there & ~raw.any(axis=1)):
            warnings[row].append(f"{name}:{ZERO_VECTOR}")
    return replace(done, vectors=vectors, warnings=warnings)


def unit_vectors(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row divided by its L2 length, computed in float64; rows of zeros stay.

    Why float64: squares of numbers below 1e-23 or above 1e19 leave float32. A row's result does not
    depend on the rows beside it.

    Shape:
        `[n, dim]` -> `[n, dim]`

    Example:
        >>> unit_vectors(np.array([[3, 4], [0, 0]], dtype=np.float32))
        array([[0.6, 0.8],
               [0. , 0. ]], dtype=float32)
    """
    exact = np.array(vectors, dtype=np.float64, order="C")  # a copy
    lengths = np.sqrt(np.square(exact).sum(axis=1, keepdims=True))
    with np.errstate(invalid="ignore"):  # infinity becomes nan, which is refused on commit
        np.divide(exact, lengths, out=exact, where=lengths != 0)
    return exact.astype(np.float32)

"""Vectors of length 1, whose inner product is their cosine: what most search indexes want."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

ZERO_VECTOR = "zero_vector"


def zero_vectors(
    name: str, vectors: NDArray[np.float32], there: NDArray[np.bool_]
) -> Iterator[tuple[int, str]]:
    """Rows that are there and have no direction, with the warning `<name>:zero_vector`.

    Why they stay as they are: the cosine of zeros with every other vector comes out as 0, as
    scikit-learn's `normalize` has it; no other length or direction would be less made up.

    Args:
        name: What the vectors are of.
        vectors: `[n, dim]`.
        there: `[n]`, False where the row lacks it and is written as null.
    """
    for row in np.flatnonzero(there & ~vectors.any(axis=1)):
        yield int(row), f"{name}:{ZERO_VECTOR}"


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

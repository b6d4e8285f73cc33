"""What tests of text encoders share."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from encoders import BertEncoder

Vectors = NDArray[np.float32]


@pytest.fixture(scope="module")
def minilm() -> BertEncoder:
    return BertEncoder("minilm", dtype="float32")


@pytest.fixture(scope="session")
def cosines() -> Callable[[Vectors, Vectors], Vectors]:
    """Cosine `[n]` of each pair of rows; given as a fixture, as tests cannot import this file."""

    def each(left: Vectors, right: Vectors) -> Vectors:
        norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        result: Vectors = (left * right).sum(1) / norms
        return result

    return each

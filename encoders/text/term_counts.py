"""Terms of texts and how often each occurs, without scikit-learn, whose import takes a second."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

LENGTHS = (2, 3, 4)
"""Characters of a run."""
MOST_CACHED = 100_000
"""Words whose terms are kept, so that a loop that never ends takes no more and more memory."""
CACHED_CHARACTERS = 30
"""Characters of the longest word whose terms are kept."""
Ints = NDArray[np.int64]
_WORD = re.compile(r"(?u)\b\w\w+\b")


def characters_of(word: str) -> Iterator[str]:
    """Runs of 2 to 4 characters of a word with a space on either side; a short one stands once.

    The same as scikit-learn's `char_wb`.

    Example:
        >>> list(characters_of("red"))[:4]
        [' r', 're', 'ed', 'd ']
    """
    padded = f" {word} "
    for length in LENGTHS:
        yield padded[:length]
        for start in range(1, len(padded) - length + 1):
            yield padded[start : start + length]
        if len(padded) <= length:
            return


def words_of(text: str) -> Iterator[str]:
    """Words of at least two letters or digits of a text.

    The same as scikit-learn's default.

    Example:
        >>> list(words_of("a red t-shirt, 10 %"))
        ['red', 'shirt', '10']
    """
    yield from _WORD.findall(text)


class TermCounts:
    """Counts the terms of a vocabulary in texts.

    Texts are taken in lower case, and cut at white space: what stands between is split into terms
    once, and remembered.

    Args:
        vocabulary: Terms, each once.
        terms_of: Splits one piece between white space: `characters_of` or `words_of`.

    Example:
        >>> counts = TermCounts(["red", "dress"], terms_of=words_of)
        >>> [found.tolist() for found in counts.of(["Red, red dress", "shoes"])]
        [[0, 2, 2], [0, 1], [2, 1]]
    """

    def __init__(
        self, vocabulary: Sequence[str], *, terms_of: Callable[[str], Iterable[str]]
    ) -> None:
        self._places = {term: place for place, term in enumerate(vocabulary)}
        self._terms_of = terms_of
        self._cached: dict[str, tuple[int, ...]] = {}

    def of(self, texts: Sequence[str]) -> tuple[Ints, Ints, Ints]:
        """Where each text begins `[n + 1]`, and places and counts of its terms, places ascending.

        These are `indptr`, `indices` and `data` of a sparse matrix in rows `[n, n_terms]`.
        """
        rows = [self._places_in(text) for text in texts]
        sizes = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        found = np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=int(sizes.sum()))
        n_terms = max(len(self._places), 1)
        keys, counts = np.unique(np.repeat(np.arange(len(rows)), sizes) * n_terms + found,
                                 return_counts=True)  # fmt: skip
        starts = np.searchsorted(keys, np.arange(len(rows) + 1) * n_terms)
        return starts.astype(np.int64), keys % n_terms, counts.astype(np.int64)

    def _places_in(self, text: str) -> list[int]:
        return list(chain.from_iterable(map(self._places_of, text.lower().split())))

    def _places_of(self, piece: str) -> tuple[int, ...]:
        known = self._cached.get(piece)
        if known is None:
            places = map(self._places.get, self._terms_of(piece))
            known = tuple(place for place in places if place is not None)
            if len(self._cached) < MOST_CACHED and len(piece) <= CACHED_CHARACTERS:
                self._cached[piece] = known
        return known

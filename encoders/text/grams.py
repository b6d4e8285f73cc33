"""Words, pairs of words and runs of characters of many texts, counted without a loop over them.

A gram is known by a hash of 47 bits, so that neither counting nor a vocabulary holds texts: among
a million different grams two meet in one of 300 cases.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Hashes = NDArray[np.uint64]

HASH_BITS = 47
MOST_TEXTS = 1 << (63 - HASH_BITS)
CHUNK_CHARACTERS = 500_000
SPACE = 32
BASE = np.uint64(0x9E3779B97F4A7C15)
FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
"""Of the mixer splitmix64, Steele, Lea and Flood (2014)."""


GramsOf = Callable[[Sequence[str]], tuple[Integers, Hashes]]
"""Texts -> position of the text and hash of each gram, as often as it occurs."""


class Counts(NamedTuple):
    """How often each text holds each gram, in the order of the texts and then of the hashes.

    Args:
        rows: Position `[m]` of the text.
        grams: Hash `[m]` of the gram, in 0..2^47 - 1; no pair of text and gram stands twice.
        counts: `[m]`, >= 1.
    """

    rows: Integers
    grams: Integers
    counts: Integers


def count_words(texts: Sequence[str]) -> Counts:
    r"""Words of two letters or digits or more, and pairs of neighbouring ones, in lower case.

    As `\b\w\w+\b` of scikit-learn's CountVectorizer with `ngram_range=(1, 2)`.
    """
    return _counted(texts, _words)


def count_characters(texts: Sequence[str], *, lengths: Sequence[int]) -> Counts:
    """Runs of characters inside words, which have a space on either side, in lower case.

    As `analyzer="char_wb"` of scikit-learn's CountVectorizer.

    Args:
        texts: Texts; white space separates their words.
        lengths: Of the runs, each >= 2.
    """
    return _counted(texts, lambda part: _characters(part, lengths))


def _counted(texts: Sequence[str], grams_of: GramsOf) -> Counts:
    found = [Counts(*(np.empty(0, dtype=np.int64) for _ in range(3)))]
    start = 0
    for part in _chunks(texts):
        rows, hashes = grams_of(part)
        keys = (rows << HASH_BITS) | (hashes >> np.uint64(64 - HASH_BITS)).astype(np.int64)
        keys.sort()
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        counts = np.diff(first, append=len(keys))
        keys = keys[first]
        rows, grams = keys >> HASH_BITS, keys & ((1 << HASH_BITS) - 1)
        found.append(Counts(rows + start, grams, counts))
        start += len(part)
    return Counts(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Neighbouring texts of about half a million characters together."""
    start = size = 0
    for place, text in enumerate(texts):
        if place > start and (size + len(text) > CHUNK_CHARACTERS or place - start >= MOST_TEXTS):
            yield texts[start:place]
            start, size = place, 0
        size += len(text)
    if len(texts) > start:
        yield texts[start:]


def _words(texts: Sequence[str]) -> tuple[Integers, Hashes]:
    codes, rows = _codes([f"{text.lower()}\n" for text in texts])
    inside = _is_of_word(codes)
    edges = np.diff(inside.astype(np.int8), prepend=0, append=0)
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    long = stops - starts >= 2
    starts, stops = starts[long], stops[long]
    if not len(starts):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint64)
    lengths = stops - starts
    offsets = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)
    letters = _mixed(codes[np.repeat(starts, lengths) + offsets])
    powers = np.multiply.accumulate(np.full(int(lengths.max()), BASE))
    words = _mixed(np.add.reduceat(letters * powers[offsets], lengths.cumsum() - lengths))
    owners = rows[starts]
    together = owners[1:] == owners[:-1]
    pairs = _mixed(words[:-1] * BASE + words[1:])[together]
    return np.concatenate([owners, owners[1:][together]]), np.concatenate([words, pairs])


def _characters(texts: Sequence[str], lengths: Sequence[int]) -> tuple[Integers, Hashes]:
    codes, rows = _codes([f" {'  '.join(text.lower().split())} " for text in texts])
    spaces = codes == SPACE
    word = np.cumsum(spaces[1:] & spaces[:-1])  # of every character but the first
    word = np.concatenate([[0], word])
    letters = _mixed(codes)
    hashes = letters
    found_rows, found = [], []
    for length in range(2, max(lengths) + 1):
        hashes = hashes[:-1] * BASE + letters[length - 1 :]
        if length in lengths:
            whole = word[: len(hashes)] == word[length - 1 :]
            found_rows.append(rows[: len(hashes)][whole])
            found.append(_mixed(hashes[whole]))
    return np.concatenate(found_rows), np.concatenate(found)


def _codes(texts: Sequence[str]) -> tuple[NDArray[np.uint32], Integers]:
    """Code points of all texts, and to which text each belongs."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32)
    rows = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    return codes, rows


_ASCII_OF_WORD = np.array([chr(code).isalnum() or chr(code) == "_" for code in range(128)])


def _is_of_word(codes: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Letters, digits and underscores."""
    inside: NDArray[np.bool_] = _ASCII_OF_WORD[np.minimum(codes, 127)]
    others = codes >= 128
    if others.any():
        found, places = np.unique(codes[others], return_inverse=True)
        inside[others] = np.array([chr(code).isalnum() for code in found])[places]
    return inside


def _mixed(numbers: NDArray[np.unsignedinteger]) -> Hashes:
    """Each number as 64 bits of which none tells of another."""
    mixed = numbers.astype(np.uint64) + BASE
    mixed = (mixed ^ (mixed >> np.uint64(30))) * FACTORS[0]
    mixed = (mixed ^ (mixed >> np.uint64(27))) * FACTORS[1]
    return mixed ^ (mixed >> np.uint64(31))

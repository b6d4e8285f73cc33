"""Near duplicates: items so alike that both sides of a split must not have them.

Two items are linked if their texts or their photos are the same or nearly so; groups are the
connected parts of these links.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.feature_extraction.text import TfidfVectorizer

from encoders.image.photo import PhotoError, load_photo
from encoders.image.photo_file import read_file

Pairs = NDArray[np.int64]
Photo = Path | bytes

MIN_COSINE = 0.95
MAX_COMPARED = 20_000  # characters; texts that agree so far are near duplicates anyway
SIDE = 16
MIN_PHOTO_COSINE = 0.97
MIN_SLOPE = 40.0  # grey levels, as a norm; below it a photo is plain, and only its bytes compare
BLOCK = 1_024


def near_duplicate_groups(
    *,
    texts: Sequence[str | None] | None = None,
    photos: Sequence[Sequence[Photo] | None] | None = None,
) -> NDArray[np.int64]:
    """A group number for every row; near duplicates share one.

    Texts are alike if they are equal but for case, width and white space, or if the cosine of
    their character 4-grams (TF-IDF) is at least 0.95. Photos are alike if their bytes are equal or
    if their brightness rises and falls alike on a 16 x 16 grid (see `photo_slopes`), which also
    links one photo in two colours. A photo that cannot be decoded is compared by its bytes alone.

    Shape:
        texts, photos `[n]` -> `[n]`; None links to nothing.

    Raises:
        ValueError: If neither or both in different lengths are given.
    """
    lengths = {len(values) for values in (texts, photos) if values is not None}
    if len(lengths) != 1:
        raise ValueError(
            f"texts and photos must have one entry per row, got lengths {sorted(lengths)}. "
            "Give at least one of the two, of equal length."
        )
    n = lengths.pop()
    links = [_no_pairs()]
    if texts is not None:
        links.append(_text_pairs(texts))
    if photos is not None:
        links.append(_photo_pairs(photos))
    return _groups(np.concatenate(links), n=n)


def _no_pairs() -> Pairs:
    return np.empty((0, 2), dtype=np.int64)


def _groups(pairs: Pairs, *, n: int) -> NDArray[np.int64]:
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, labels = connected_components(links, directed=False)
    return np.asarray(labels, dtype=np.int64)


def _equal_pairs(rows: Sequence[int], keys: Sequence[Any]) -> tuple[Pairs, dict[Any, int]]:
    """Links between rows of equal keys, and the first row of each key."""
    first: dict[Any, int] = {}
    pairs = [(first.setdefault(key, row), row) for row, key in zip(rows, keys, strict=True)]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2), first


def normalised_text(text: str) -> str:
    """Text without differences of case, width and white space, at most 20,000 characters."""
    folded = unicodedata.normalize("NFKC", text[:MAX_COMPARED]).casefold()
    return re.sub(r"\s+", " ", folded).strip()


def _text_pairs(texts: Sequence[str | None]) -> Pairs:
    rows = [row for row, text in enumerate(texts) if text is not None]
    equal, first = _equal_pairs(rows, [normalised_text(texts[row] or "") for row in rows])
    if len(first) < 2:
        return equal
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(4, 4), dtype=np.float32)
    try:
        vectors = vectorizer.fit_transform(list(first))
    except ValueError:  # no 4-gram in any text: all are too short to be alike
        return equal
    near = _cosine_pairs(csr_matrix(vectors), vectorizer.idf_)
    return np.concatenate([equal, np.array(list(first.values()), dtype=np.int64)[near]])


def _cosine_pairs(vectors: csr_matrix, idf: NDArray[np.float64]) -> Pairs:
    """Pairs of unit vectors whose cosine is at least 0.95; exact.

    Source: Bayardo, Ma and Srikant (2007), prefix filter: if x and y share none of the rare
    features of x, their cosine is at most the norm of the rest of x. So only rare features, with
    few rows each, have to be searched.
    """
    rare = _rare_part(vectors, idf)
    turned = vectors.T.tocsc()
    found = []
    for start in range(0, vectors.shape[0], BLOCK):
        candidates = (rare[start : start + BLOCK] @ turned).tocoo()
        left, right = candidates.row.astype(np.int64) + start, candidates.col.astype(np.int64)
        later = right != left
        for some in np.array_split(np.flatnonzero(later), max(1, later.sum() // 100_000)):
            products = vectors[left[some]].multiply(vectors[right[some]]).sum(axis=1)
            near = np.asarray(products).ravel() >= MIN_COSINE
            found.append(np.stack([left[some][near], right[some][near]], axis=1))
    return np.concatenate([_no_pairs(), *found])


def _rare_part(vectors: csr_matrix, idf: NDArray[np.float64]) -> csr_matrix:
    """Each row without as many common features as have a norm below 0.95 together."""
    rare = vectors.copy()
    for row in range(rare.shape[0]):
        span = slice(rare.indptr[row], rare.indptr[row + 1])
        values = rare.data[span]
        order = np.argsort(idf[rare.indices[span]], kind="stable")
        common = np.cumsum(values[order].astype(np.float64) ** 2) < MIN_COSINE**2 - 1e-6
        values[order[common]] = 0.0
    rare.eliminate_zeros()
    return rare


def _photo_pairs(photos: Sequence[Sequence[Photo] | None]) -> Pairs:
    """Links of equal bytes and of slopes that are nearly the same; each file is read once."""
    rows: list[int] = []
    digests: list[bytes] = []
    hashed: dict[bytes, tuple[int, NDArray[np.float32] | None]] = {}
    for row, several in enumerate(photos):
        for photo in several or ():
            digest, content = _digest_and_content(photo)
            rows.append(row)
            digests.append(digest)
            if digest not in hashed:  # a shop's placeholder is decoded once, not a thousand times
                hashed[digest] = row, None if content is None else photo_slopes(content)
    equal, _ = _equal_pairs(rows, digests)
    sloping = [(row, slopes) for row, slopes in hashed.values() if slopes is not None]
    if not sloping:
        return equal
    near = _slope_pairs(np.stack([slopes for _, slopes in sloping]))
    return np.concatenate([equal, np.array([row for row, _ in sloping], dtype=np.int64)[near]])


def _digest_and_content(photo: Photo) -> tuple[bytes, bytes | None]:
    """SHA-256 of a photo's bytes, and the bytes; None where they are too many for a photo."""
    if isinstance(photo, bytes):
        return hashlib.sha256(photo).digest(), photo
    try:
        content = read_file(photo)
    except PhotoError:
        with photo.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest(), None
    return hashlib.sha256(content).digest(), content


def photo_slopes(photo: Photo) -> NDArray[np.float32] | None:
    """The slopes of a photo's brightness as a unit vector: what a difference hash takes signs of.

    Why: on white paper the signs of a difference hash are noise, and they agree or differ by
    chance; slopes near zero weigh nothing. Same photo at half the size or at JPEG quality 50:
    cosine above 0.97; different products on white: below 0.93.

    Returns:
        `[512]`, to the right and downwards on a 16 x 16 grid; None if the photo cannot be used (see
        `load_photo`) or is nearly plain.
    """
    try:
        grey = small_grey(photo)
    except PhotoError:
        return None
    right, down = np.diff(grey[:SIDE], axis=1), np.diff(grey[:, :SIDE], axis=0)
    slopes = np.concatenate([right.ravel(), down.ravel()])
    length = float(np.linalg.norm(slopes))
    return np.asarray(slopes / length, dtype=np.float32) if length >= MIN_SLOPE else None


def small_grey(photo: Photo) -> NDArray[np.float32]:
    """`[17, 17]` grey levels (0 to 255), upright, over white: all that the search sees of a photo.

    Raises:
        PhotoError: If the photo cannot be used, see `load_photo`.
    """
    grey = load_photo(photo, min_side=8 * SIDE).grey
    small = grey.resized((SIDE + 1, SIDE + 1), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32)


def _slope_pairs(slopes: NDArray[np.float32]) -> Pairs:
    """Pairs of unit vectors `[n, 512]` that point the same way."""
    found = [_no_pairs()]
    for start in range(0, len(slopes), BLOCK):
        left, right = np.nonzero(slopes[start : start + BLOCK] @ slopes.T >= MIN_PHOTO_COSINE)
        pairs = np.stack([left + start, right], axis=1).astype(np.int64)
        found.append(pairs[pairs[:, 0] < pairs[:, 1]])
    return np.concatenate(found)

"""Features of baselines, from the values of a catalogue; all of them learned on training rows."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from fusion.data.catalogue import Catalogue
from heads import Floats

Levels = NDArray[np.object_]
CATEGORY, DATE = "O", "M"  # kinds of NumPy
EPOCH = pd.Timestamp(1970, 1, 1)
RARE = 254
"""Code of categories beyond the 254 most frequent ones; trees take at most 255 levels."""
HUGE = 1e150  # beyond it, squares overflow
TEXT_DIM = 64
MAX_TERMS = 20_000


class Pair(NamedTuple):
    """Features of training and test rows, NaN where missing."""

    training: Floats
    test: Floats


class Features(NamedTuple):
    """What trees read: features, and which of them are codes of categories."""

    pair: Pair
    categorical: list[bool]


def category_levels(training: Catalogue, test: Catalogue) -> list[tuple[Levels, Levels]]:
    """Levels of training and test rows in each category column, the empty text where missing."""
    known, asked = _table(training), _table(test)
    return [(_filled(known[name]), _filled(asked[name])) for name in _names(known, categories=True)]


def _filled(column: "pd.Series[Any]") -> Levels:
    return np.array(["" if pd.isna(level) else level for level in column], dtype=np.object_)


def scaled_numbers(training: Catalogue, test: Catalogue) -> Pair | None:
    """Numbers and dates as distances from the median in interquartile ranges, within +-3.

    Returns:
        0 where missing; None where there is no such column.
    """
    numbers = _numbers(training, test)
    if numbers.training.size == 0:
        return None
    known, asked = (part.clip(-HUGE, HUGE) for part in numbers)
    low, middle, high = np.nanpercentile(known, [25, 50, 75], axis=0)
    scale = np.where(high > low, high - low, np.nanstd(known, axis=0))
    scale = np.where(scale > 0, scale, 1.0)
    return Pair(*(np.nan_to_num(((x - middle) / scale).clip(-3.0, 3.0)) for x in (known, asked)))


def text_directions(training: Catalogue, test: Catalogue, *, seed: int) -> Pair | None:
    """Leading directions of TF-IDF vectors of words and word pairs.

    Returns:
        0 where there is no text; None where there are no texts or no word stands in two of them.
    """
    if "text" not in training.schema.modalities:
        return None
    known, asked = ([text or "" for text in part.values["text"]] for part in (training, test))
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2), min_df=2, max_features=MAX_TERMS, sublinear_tf=True
    )
    try:
        weights = vectorizer.fit_transform(known)
    except ValueError:  # nothing is left to make a vector of
        return None
    svd = TruncatedSVD(min(TEXT_DIM, *weights.shape), random_state=seed)
    with np.errstate(invalid="ignore", divide="ignore"):  # its share of the variance of equal texts
        vectors = svd.fit_transform(weights)
    return Pair(vectors, svd.transform(vectorizer.transform(asked)))


def table_features(training: Catalogue, test: Catalogue) -> Features:
    """What trees read of tables: numbers, dates in days, and codes of categories."""
    numbers, codes = _numbers(training, test), _codes(training, test)
    pair = Pair(*(np.hstack(parts) for parts in zip(numbers, codes, strict=True)))
    return Features(pair, [False] * numbers.training.shape[1] + [True] * codes.training.shape[1])


def text_features(training: Catalogue, test: Catalogue, *, seed: int) -> Features | None:
    """What trees read of texts: their directions, missing where there is no text."""
    vectors = text_directions(training, test, seed=seed)
    if vectors is None:
        return None
    known, asked = (
        np.where(part.present["text"][:, None], rows, np.nan)
        for part, rows in zip((training, test), vectors, strict=True)
    )
    return Features(Pair(known, asked), [False] * known.shape[1])


def joined(first: Features, second: Features) -> Features:
    """The columns of both."""
    pair = Pair(*(np.hstack(parts) for parts in zip(first.pair, second.pair, strict=True)))
    return Features(pair, first.categorical + second.categorical)


def _table(catalogue: Catalogue) -> pd.DataFrame:
    """Numbers, dates, categories and history in one frame; a column may be in two modalities."""
    rows = pd.RangeIndex(len(catalogue))
    frames = [pd.DataFrame(index=rows)]
    for modality in catalogue.schema.tables:
        values = pd.DataFrame(catalogue.values[modality])
        frames.append(values.set_axis(rows).add_prefix(f"{modality}: "))
    return pd.concat(frames, axis=1)


def _names(table: pd.DataFrame, *, categories: bool) -> list[str]:
    """Category columns or all other columns, as far as they have a value."""
    return [
        str(name)
        for name in table
        if (table[name].dtype.kind == CATEGORY) == categories and table[name].notna().any()
    ]


def _numbers(training: Catalogue, test: Catalogue) -> Pair:
    names = _names(_table(training), categories=False)
    return Pair(*(_stacked(_table(part)[names], _as_number) for part in (training, test)))


def _as_number(column: "pd.Series[Any]") -> Floats:
    if column.dtype.kind != DATE:
        return column.to_numpy(dtype=np.float64)
    return np.asarray((column - EPOCH) / pd.Timedelta(days=1), dtype=np.float64)


def _codes(training: Catalogue, test: Catalogue) -> Pair:
    """Categories by rank of frequency in the training rows; rare and unseen ones share a code."""
    table = _table(training)
    names = _names(table, categories=True)
    ranks = {
        name: {level: rank for rank, level in enumerate(table[name].value_counts().index[:RARE])}
        for name in names
    }

    def as_code(column: "pd.Series[Any]") -> Floats:
        known = ranks[str(column.name)]
        codes = [np.nan if pd.isna(level) else known.get(level, RARE) for level in column]
        return np.array(codes, dtype=np.float64)

    return Pair(*(_stacked(_table(part)[names], as_code) for part in (training, test)))


def _stacked(table: pd.DataFrame, read: Callable[["pd.Series[Any]"], Floats]) -> Floats:
    columns = [read(table[name]) for name in table]
    return np.column_stack(columns) if columns else np.empty((len(table), 0))

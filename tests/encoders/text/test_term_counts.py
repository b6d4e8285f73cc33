"""Terms are counted as scikit-learn counts them."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from encoders.text import term_counts
from encoders.text.term_counts import TermCounts, characters_of, words_of

TEXTS = [
    "A red DRESS",
    "",
    "a",
    "t-shirt, 10%  off\tnow",
    "Größe 42 – straße",
    "ab ab abc",
    "红色 连衣裙",
]
LIKE = {
    characters_of: {"analyzer": "char_wb", "ngram_range": (2, 4)},
    words_of: {"analyzer": "word"},
}


def same_as_scikit_learn(texts, vocabulary, terms_of):
    wanted = CountVectorizer(vocabulary=vocabulary, **LIKE[terms_of]).transform(texts).toarray()
    starts, places, counts = TermCounts(vocabulary, terms_of=terms_of).of(texts)
    found = np.zeros_like(wanted)
    found[np.repeat(np.arange(len(texts)), np.diff(starts)), places] = counts
    rows = [places[a:b].tolist() for a, b in pairwise(starts)]
    return np.array_equal(found, wanted) and all(row == sorted(set(row)) for row in rows)


@pytest.mark.parametrize("terms_of", LIKE, ids=["characters", "words"])
def test_terms_of_texts_are_those_of_scikit_learn(terms_of):
    fitted = CountVectorizer(**LIKE[terms_of]).fit(TEXTS)
    every = sorted(fitted.vocabulary_)
    assert same_as_scikit_learn(TEXTS, every, terms_of)
    assert same_as_scikit_learn(TEXTS, every[::3], terms_of)  # terms that are in no vocabulary


@given(st.lists(st.text(alphabet="abC é1-_\t.İ", max_size=12), min_size=1, max_size=4))
def test_terms_of_any_text_are_those_of_scikit_learn(texts):
    for terms_of, options in LIKE.items():
        analyse = CountVectorizer(**options).build_analyzer()
        terms = sorted({term for text in texts for term in analyse(text)}) or ["none"]
        assert same_as_scikit_learn(texts, terms, terms_of)


def test_texts_without_end_take_no_more_memory(monkeypatch):
    monkeypatch.setattr(term_counts, "MOST_CACHED", 5)
    counts = TermCounts(["red"], terms_of=words_of)
    for number in range(20):
        assert counts.of([f"red item{number}"])[2].tolist() == [1]
    assert len(counts._cached) == 5


def test_no_texts_have_no_terms():
    starts, places, counts = TermCounts(["red"], terms_of=words_of).of([])
    assert (starts.tolist(), len(places), len(counts)) == ([0], 0, 0)

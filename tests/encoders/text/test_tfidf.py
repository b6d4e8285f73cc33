"""TF-IDF embeddings: fitted on training texts, exact after a round trip, safe on tiny corpora."""

import json
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from encoders import TfidfEncoder
from encoders.text import grams, terms, tfidf
from encoders.text.grams import count_characters, count_words

TEXTS = [
    "red summer dress",
    "blue summer dress",
    "long evening dress",
    "leather running shoes",
    "white running shoes",
    "winter leather boots",
    "wool scarf",
    "silk scarf red",
    "cotton shirt",
    "linen shirt white",
]


def cosine(left: np.ndarray, right: np.ndarray) -> float:
    return float(left @ right / np.linalg.norm(left) / np.linalg.norm(right))


WAYS: dict[str, dict[str, Any]] = {
    "words": {"ngram_range": (1, 2)},
    "characters": {"analyzer": "char_wb", "ngram_range": (2, 4)},
}
ODD = ["Ünïcode_99 of ΑΒΓ, 连衣裙 a-b 3.5cm", "a", "", "x y  z", "İstanbul ǅ", "red red RED dress"]


@pytest.mark.parametrize("kind", WAYS)
def test_terms_are_those_of_scikit_learn(kind: str) -> None:
    texts = [*TEXTS, *ODD]
    encoder = TfidfEncoder.fitted([t for t in texts if t], min_count=1)
    found = {block.name: block.values for block in encoder.terms(texts)}[kind].toarray()
    oracle = TfidfVectorizer(sublinear_tf=True, **WAYS[kind]).fit([t for t in texts if t])
    expected = oracle.transform(texts).toarray()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-5)


def test_rare_terms_are_left_out_as_by_scikit_learn() -> None:
    words, characters = TfidfEncoder.fitted(TEXTS, min_count=2).terms(TEXTS)
    for block in (words, characters):
        oracle = TfidfVectorizer(sublinear_tf=True, min_df=2, **WAYS[block.name])
        expected = oracle.fit_transform(TEXTS).toarray()
        found = block.values.toarray()
        np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-5)


def test_directions_are_those_of_scikit_learn_up_to_one_factor() -> None:
    encoder = TfidfEncoder.fitted(TEXTS, embedding_dim=8, min_count=1)
    for options, half in zip(
        WAYS.values(), np.split(encoder.encode(TEXTS), 2, axis=1), strict=True
    ):
        counted = TfidfVectorizer(sublinear_tf=True, **options).fit_transform(TEXTS)
        expected = TruncatedSVD(4, random_state=0).fit_transform(counted)
        factor = np.linalg.norm(half) / np.linalg.norm(expected)
        likeness = factor**2 * expected @ expected.T  # a direction may point either way
        assert np.abs(half @ half.T - likeness).max() < 1e-3


def test_terms_and_embeddings_agree_and_an_absent_text_has_none() -> None:
    encoder = TfidfEncoder.fitted(TEXTS, embedding_dim=6)
    blocks = encoder.terms([*TEXTS, None])
    assert np.array_equal(encoder.directions(blocks), encoder.encode([*TEXTS, None]))
    for block in blocks:
        lengths = np.linalg.norm(block.values.toarray(), axis=1)
        np.testing.assert_allclose(lengths[:-1], 1.0, rtol=1e-5)
        assert lengths[-1] == 0.0


def test_vocabularies_keep_the_most_frequent_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfidf, "MAX_WORDS", 3)
    monkeypatch.setattr(terms, "MOST_LEADING", 2)
    texts = [*["aa"] * 5, *["bb"] * 4, *["cc"] * 3, *["dd"] * 2]
    encoder = TfidfEncoder.fitted(texts, embedding_dim=4)
    assert encoder.config["n_words"] == 3
    words, _ = encoder.terms(["aa", "bb", "cc", "dd"])
    assert words.values.toarray().sum(axis=1).tolist() == [1, 1, 1, 0]
    of_words = encoder.encode(["aa", "bb", "cc"])[:, :2]  # directions of the first two terms alone
    assert of_words.any(axis=1).tolist() == [True, True, False]
    rebuilt = TfidfEncoder(**encoder.config)
    rebuilt.load_state_dict(encoder.state_dict())
    assert np.array_equal(rebuilt.encode(texts), encoder.encode(texts))


def test_many_texts_are_counted_as_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = count_words(TEXTS), count_characters(TEXTS, lengths=(2, 3))
    monkeypatch.setattr(grams, "CHUNK_CHARACTERS", 40)
    parts = count_words(TEXTS), count_characters(TEXTS, lengths=(2, 3))
    for one, other in zip(whole, parts, strict=True):
        for left, right in zip(one, other, strict=True):
            assert np.array_equal(left, right)


def test_training_embeddings_have_a_root_mean_square_of_one() -> None:
    embeddings = TfidfEncoder.fitted(TEXTS, embedding_dim=5).encode(TEXTS)
    assert np.sqrt((embeddings**2).mean()) == pytest.approx(1.0, abs=1e-5)


def test_like_texts_are_nearer_than_unlike_ones() -> None:
    encoder = TfidfEncoder.fitted(TEXTS, embedding_dim=6)
    dress, dresses, shoes = encoder.encode(["a red dress", "red dresses", "running shoe"])
    assert cosine(dress, dresses) > 0.8 > 0.3 > cosine(dress, shoes)


def test_fitted_numbers_survive_json_and_a_state_dict() -> None:
    encoder = TfidfEncoder.fitted([*TEXTS, "连衣裙 👗"], embedding_dim=3, min_count=1)
    rebuilt = TfidfEncoder(**json.loads(json.dumps(encoder.config)))
    rebuilt.load_state_dict(encoder.state_dict())
    texts = ["red dress", "连衣裙", ""]
    assert np.array_equal(rebuilt.encode(texts), encoder.encode(texts))


@pytest.mark.parametrize(
    "texts", [[], [None, "", "  "], ["dress"] * 3, ["a"], ["x", "y", "z"], ["same"] * 20]
)
def test_small_corpora_give_finite_embeddings_of_the_asked_length(texts: list[str | None]) -> None:
    embeddings = TfidfEncoder.fitted(texts, embedding_dim=16).encode([*texts, "new words", None])
    assert embeddings.shape == (len(texts) + 2, 16)
    assert np.isfinite(embeddings).all()
    assert not embeddings[-1].any()


def test_a_corpus_without_a_frequent_term_gives_zeros() -> None:
    texts = [chr(0x4E00 + 7 * number) for number in range(12)]
    encoder = TfidfEncoder.fitted(texts, embedding_dim=2, min_count=13)
    assert not encoder.encode(texts).any()


def test_text_behind_the_limit_is_not_read() -> None:
    encoder = TfidfEncoder.fitted(TEXTS, embedding_dim=2)
    long = "red dress " * 2000
    assert np.array_equal(encoder.encode([long]), encoder.encode([long + "shoes " * 100_000]))


def test_embedding_dim_outside_its_range_is_refused() -> None:
    with pytest.raises(
        ValueError, match="embedding_dim must be a whole number from 1 to 256, got 257"
    ):
        TfidfEncoder.fitted(TEXTS, embedding_dim=257)


@pytest.mark.parametrize("min_count", [0, -5, "2", 0.5, True])
def test_a_count_that_is_none_is_refused_and_leaves_no_empty_vocabulary(min_count: object) -> None:
    with pytest.raises(ValueError, match="min_count must be a whole number from 1"):
        TfidfEncoder.fitted(TEXTS * 3, min_count=min_count)

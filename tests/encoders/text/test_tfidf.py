"""TF-IDF embeddings: fitted on training texts, exact after a round trip, safe on tiny corpora."""

import json

import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from encoders import TfidfEncoder

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


def test_embeddings_are_those_of_scikit_learn_up_to_one_factor() -> None:
    encoder = TfidfEncoder.fitted(TEXTS, embedding_dim=4, min_count=1)
    tfidf = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    svd = TruncatedSVD(4, random_state=0)
    expected = svd.fit_transform(tfidf.fit_transform(TEXTS))
    actual = encoder.encode(TEXTS)
    factor = np.linalg.norm(actual) / np.linalg.norm(expected)
    assert np.abs(actual - factor * expected).max() < 1e-4


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
        ValueError, match="embedding_dim must be a whole number from 1 to 128, got 129"
    ):
        TfidfEncoder.fitted(TEXTS, embedding_dim=129)


@pytest.mark.parametrize("min_count", [0, -5, "2", 0.5, True])
def test_a_count_that_is_none_is_refused_and_leaves_no_empty_vocabulary(min_count: object) -> None:
    with pytest.raises(ValueError, match="min_count must be a whole number from 1"):
        TfidfEncoder.fitted(TEXTS * 3, min_count=min_count)

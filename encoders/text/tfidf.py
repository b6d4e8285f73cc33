"""Product texts to embeddings without a pretrained model: TF-IDF and a truncated SVD."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding_bag

from encoders.base import MOST_ROWS, Encoder, Tensors, check_whole
from encoders.text.normalise import normalise_text
from encoders.text.term_counts import LENGTHS, TermCounts, characters_of

MAX_CHARACTERS = 20_000
"""Characters read of one text; what lies behind them is cut."""
MAX_TERMS = 20_000
"""Terms kept: the most frequent ones of the training texts."""


class TfidfEncoder(Encoder):
    """Embeds texts as the leading directions of their TF-IDF vectors, learned on training texts.

    Why: a baseline that any pretrained encoder has to beat, and a fast one. Terms are runs of 2 to
    4 characters inside words, so it needs no language, no tokenizer and survives typing errors.
    Source: Deerwester et al. (1990), latent semantic analysis. *Differs:* a common factor brings
    the embeddings of the training texts to a root mean square of 1.

    Args:
        vocabulary: Terms in the order of the fitted weights; made by `fitted`.
        embedding_dim: Length of an embedding, 1 to 128; directions that the training texts do not
            span are 0.

    Example:
        >>> encoder = TfidfEncoder.fitted(["red dress", "blue dress", "car tyre"], embedding_dim=2)
        >>> encoder.encode(["red dress", None]).shape
        (2, 2)
    """

    modality: ClassVar[str] = "text"
    idf: Tensor
    components: Tensor

    def __init__(self, vocabulary: Sequence[str] = (), *, embedding_dim: int = 64) -> None:
        super().__init__()
        check_whole("embedding_dim", embedding_dim, least=1, most=128)
        self._vocabulary = list(vocabulary)
        self._embedding_dim = embedding_dim
        self._counter = TermCounts(self._vocabulary, terms_of=characters_of)
        # one row more than terms: padding points at it
        self.register_buffer("idf", torch.zeros(len(self._vocabulary) + 1))
        self.register_buffer("components", torch.zeros(len(self._vocabulary) + 1, embedding_dim))

    @property
    def embedding_dim(self) -> int:
        """Number of directions kept."""
        return self._embedding_dim

    @property
    def config(self) -> dict[str, Any]:
        """The vocabulary and the length of an embedding."""
        return {"vocabulary": self._vocabulary, "embedding_dim": self._embedding_dim}

    @classmethod
    def fitted(
        cls, values: Any, *, embedding_dim: int = 64, min_count: int = 2, **options: Any
    ) -> Self:
        """An encoder whose terms, weights and directions come from training texts.

        Args:
            values: Training texts; None and empty texts are left out.
            embedding_dim: Length of an embedding, 1 to 128.
            min_count: Number of texts that a term must occur in; 1 where there are fewer than 10
                texts.
            options: Nothing else; an unknown one raises TypeError.

        Raises:
            ValueError: If a number is not whole or out of range.
        """
        check_whole("min_count", min_count, least=1, most=MOST_ROWS)
        texts = [text for value in values if (text := _normalised(value))]
        counts, vocabulary = _count_terms(texts, min_count=min_count if len(texts) >= 10 else 1)
        encoder = cls(vocabulary, embedding_dim=embedding_dim, **options)
        if vocabulary:
            idf, components = _latent_directions(counts, dim=embedding_dim)
            encoder.idf[:-1] = torch.from_numpy(idf)
            encoder.components[:-1] = torch.from_numpy(components)
        return encoder

    def parts(self, value: Any) -> list[str]:
        """The normalised text; none if the text is absent or empty."""
        text = _normalised(value)
        return [text] if text else []

    def preprocess(self, values: Any) -> Tensors:
        """The terms of each text and one plus the logarithm of their counts.

        Shape:
            `terms` (int64) and `weights` (float32): `[len(values), most terms of a text]`.

        Raises:
            ValueError: If a text holds a NUL character or a lone surrogate.
            TypeError: If a value is neither a string nor None.
        """
        texts = [_normalised(value) for value in values]
        padding = len(self._vocabulary)
        if not self._vocabulary or not texts:
            empty = (len(texts), 1)
            return {"terms": torch.full(empty, padding), "weights": torch.zeros(empty)}
        starts, indices, counts = self._counter.of(texts)
        sizes = np.diff(starts)
        filled = np.arange(max(int(sizes.max()), 1)) < sizes[:, None]
        terms = np.full(filled.shape, padding)
        terms[filled] = indices
        weights = np.zeros(filled.shape, dtype=np.float32)
        weights[filled] = 1.0 + np.log(counts)
        return {"terms": torch.from_numpy(terms), "weights": torch.from_numpy(weights)}

    def forward(self, tensors: Tensors) -> Tensor:
        """Unit TF-IDF vectors in the directions of `components`, `[batch, embedding_dim]`."""
        terms = tensors["terms"].to(self.idf.device)
        weights = tensors["weights"].to(self.idf.device) * self.idf[terms]
        length = weights.norm(dim=1, keepdim=True).clamp_min(1e-12)
        return embedding_bag(
            terms, self.components, per_sample_weights=weights / length, mode="sum"
        )

    @classmethod
    def tiny(cls) -> Self:
        """Four directions of five short texts."""
        texts = ["a red dress", "a blue dress", "running shoes", "leather shoes", "wool scarf"]
        return cls.fitted(texts, embedding_dim=4)


def _normalised(value: Any) -> str:
    return "" if value is None else normalise_text(value, max_characters=MAX_CHARACTERS)


def _count_terms(texts: list[str], *, min_count: int) -> tuple[Any, list[str]]:
    """Counts `[texts, terms]` (sparse) and the terms, at most the 20,000 most frequent ones."""
    if not texts:
        return None, []
    from sklearn.feature_extraction.text import CountVectorizer  # takes a second to import

    counter = CountVectorizer(
        analyzer="char_wb",
        ngram_range=(LENGTHS[0], LENGTHS[-1]),
        min_df=min_count,
        max_features=MAX_TERMS,
        dtype=np.float32,
    )
    try:
        counts = counter.fit_transform(texts)
    except ValueError:  # no term occurs often enough
        return None, []
    return counts, counter.get_feature_names_out().tolist()


def _latent_directions(counts: Any, *, dim: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Inverse document frequencies `[terms]` and scaled directions `[terms, dim]`."""
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.utils.extmath import randomized_svd

    tfidf = TfidfTransformer(sublinear_tf=True)
    weighted = tfidf.fit_transform(counts)
    rank = min(dim, *weighted.shape)
    _, singular, directions = randomized_svd(weighted, rank, random_state=0)
    spread = np.sqrt(np.sum(singular**2) / (weighted.shape[0] * rank))
    components = np.zeros((counts.shape[1], dim), dtype=np.float32)
    components[:, :rank] = directions.T / max(float(spread), 1e-12)
    return tfidf.idf_.astype(np.float32), components

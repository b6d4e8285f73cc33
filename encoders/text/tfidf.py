"""Product texts to embeddings and sparse terms without a pretrained model: TF-IDF."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders.base import MOST_ROWS, Encoder, Tensors, check_whole
from encoders.blocks import Block
from encoders.text.grams import Counts, count_characters, count_words
from encoders.text.normalise import normalise_text
from encoders.text.terms import Terms, evenly_spaced

MAX_CHARACTERS = 20_000
"""Characters read of one text; what lies behind them is cut."""
MAX_WORDS = 50_000
"""Words and pairs of words kept: the most frequent ones of the training texts."""
MAX_RUNS = 20_000
"""The same of runs of characters."""
RUN_LENGTHS = (2, 3, 4)
MAX_LEARNED = 30_000_000
"""Characters of training texts that terms are learned from, texts evenly spaced."""
FEW_TEXTS = 10
"""Texts below which a term needs to occur in one alone."""


class TfidfEncoder(Encoder):
    """Embeds texts as the leading directions of their TF-IDF vectors, learned on training texts.

    Why: a baseline that any pretrained encoder has to beat, and a fast one. Terms are words and
    pairs of words, and runs of 2 to 4 characters inside words, which need no language, no tokenizer
    and survive typing errors. Half of an embedding are directions of the ones, half of the others;
    linear members read the terms themselves, see `terms`.
    Source: Deerwester et al. (1990), latent semantic analysis. *Differs:* a common factor brings
    either half of the embeddings of the training texts to a root mean square of 1.

    Args:
        n_words: Words and pairs of words that are known; made by `fitted`, as the next.
        n_runs: Runs of characters that are known.
        embedding_dim: Length of an embedding, 1 to 256; directions that the training texts do not
            span are 0.

    Example:
        >>> encoder = TfidfEncoder.fitted(["red dress", "blue dress", "car tyre"], embedding_dim=2)
        >>> encoder.encode(["red dress", None]).shape
        (2, 2)
    """

    modality: ClassVar[str] = "text"

    def __init__(self, *, n_words: int = 0, n_runs: int = 0, embedding_dim: int = 128) -> None:
        super().__init__()
        check_whole("n_words", n_words, least=0, most=MAX_WORDS)
        check_whole("n_runs", n_runs, least=0, most=MAX_RUNS)
        check_whole("embedding_dim", embedding_dim, least=1, most=256)
        self._embedding_dim = embedding_dim
        self.words = Terms(n_words, embedding_dim // 2)
        self.runs = Terms(n_runs, embedding_dim - embedding_dim // 2)

    @property
    def embedding_dim(self) -> int:
        """Number of directions kept."""
        return self._embedding_dim

    @property
    def config(self) -> dict[str, Any]:
        """Numbers of terms and the length of an embedding."""
        return {
            "n_words": len(self.words),
            "n_runs": len(self.runs),
            "embedding_dim": self.embedding_dim,
        }

    @classmethod
    def fitted(
        cls, values: Any, *, embedding_dim: int = 128, min_count: int = 2, **options: Any
    ) -> Self:
        """An encoder whose terms, weights and directions come from training texts.

        Args:
            values: Training texts; None and empty texts are left out.
            embedding_dim: Length of an embedding, 1 to 256.
            min_count: Number of texts that a term must occur in; 1 where there are fewer than 10
                texts.
            options: Nothing else; an unknown one raises TypeError.

        Raises:
            ValueError: If a number is not whole or out of range.
        """
        check_whole("min_count", min_count, least=1, most=MOST_ROWS)
        encoder = cls(embedding_dim=embedding_dim, **options)
        given = [text for value in values if (text := _normalised(value))]
        texts = evenly_spaced(given, n_characters=MAX_LEARNED)
        least = min_count if len(texts) >= FEW_TEXTS else 1
        for name, counts, most in zip(
            ("words", "runs"), _counts(texts), (MAX_WORDS, MAX_RUNS), strict=True
        ):
            dim = getattr(encoder, name).components.shape[1]
            terms = Terms.fitted(counts, n_texts=len(texts), dim=dim, min_count=least, most=most)
            setattr(encoder, name, terms)
        return encoder

    def parts(self, value: Any) -> list[str]:
        """The normalised text; none if the text is absent or empty."""
        text = _normalised(value)
        return [text] if text else []

    def terms(self, values: Sequence[Any]) -> tuple[Block, ...]:
        """Blocks `words` and `characters` of texts, sparse, each row of length 1.

        Shape:
            `[len(values), n_words]` and `[len(values), n_runs]`; a row without known terms, of an
            absent text for example, is 0.

        Raises:
            ValueError: If a text holds a NUL character or a lone surrogate.
            TypeError: If a value is neither a string nor None.
        """
        texts = [_normalised(value) for value in values]
        words, runs = _counts(texts)
        return (
            Block("words", "terms", self.words.weights(words, n_texts=len(texts))),
            Block("characters", "terms", self.runs.weights(runs, n_texts=len(texts))),
        )

    def directions(self, terms: Sequence[Block]) -> NDArray[np.float32]:
        """Embeddings `[n, embedding_dim]` of texts whose `terms` are known."""
        words, runs = terms
        halves = [self.words.directions(words.values), self.runs.directions(runs.values)]
        return np.concatenate(halves, axis=1)

    def preprocess(self, values: Any) -> Tensors:
        """The embeddings themselves: sparse products are for the CPU.

        Shape:
            `directions` `[len(values), embedding_dim]`, float32.

        Raises:
            ValueError: If a text holds a NUL character or a lone surrogate.
            TypeError: If a value is neither a string nor None.
        """
        return {"directions": torch.from_numpy(self.directions(self.terms(values)))}

    def forward(self, tensors: Tensors) -> Tensor:
        """Unit TF-IDF vectors in the directions of the training texts, `[batch, embedding_dim]`."""
        return tensors["directions"].to(self.words.idf.device)

    def encode_parts(self, parts: Sequence[Any]) -> NDArray[np.float32]:
        """Embeddings of texts, in order, all at once: `[len(parts), embedding_dim]`."""
        return self.directions(self.terms(parts))

    @classmethod
    def tiny(cls) -> Self:
        """Four directions of five short texts."""
        texts = ["a red dress", "a blue dress", "running shoes", "leather shoes", "wool scarf"]
        return cls.fitted(texts, embedding_dim=4)


def _normalised(value: Any) -> str:
    return "" if value is None else normalise_text(value, max_characters=MAX_CHARACTERS)


def _counts(texts: Sequence[str]) -> tuple[Counts, Counts]:
    return count_words(texts), count_characters(texts, lengths=RUN_LENGTHS)

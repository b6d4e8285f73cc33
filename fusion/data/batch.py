"""Model inputs: what is known of some rows, as tensors that can be cut into mini-batches."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders.base import Encoder, Tensors
from encoders.blocks import Block

Rows = NDArray[np.int64]
Value = TypeVar("Value")


@dataclass(frozen=True)
class ModelInputs:
    """Everything a model needs about `n` rows; the three kinds of modality share one mask dict.

    Args:
        present: Mask `[n]` (bool) of each modality.
        embeddings: Ready embeddings `[n, dim]` of the frozen encoders.
        tensors: Preprocessed values, first axis `n`, of encoders that train and are cheap to hold.
        values: Raw values of encoders that train and are preprocessed batch by batch.
        encoders: The encoders behind `values`.
        terms: Sparse blocks of `n` rows that stand beside the embedding of a modality.
    """

    present: dict[str, Tensor]
    embeddings: dict[str, Tensor] = field(default_factory=dict)
    tensors: dict[str, Tensors] = field(default_factory=dict)
    values: dict[str, Sequence[Any]] = field(default_factory=dict)
    encoders: dict[str, Encoder] = field(default_factory=dict)
    terms: dict[str, tuple[Block, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Number of rows."""
        return len(next(iter(self.present.values())))

    def merged(self, other: "ModelInputs") -> "ModelInputs":
        """The same rows with the modalities of both."""
        return ModelInputs(
            present={**self.present, **other.present},
            embeddings={**self.embeddings, **other.embeddings},
            tensors={**self.tensors, **other.tensors},
            values={**self.values, **other.values},
            encoders={**self.encoders, **other.encoders},
            terms={**self.terms, **other.terms},
        )

    def restricted(self, modalities: Collection[str]) -> "ModelInputs":
        """The same rows without other modalities, in the order of the names."""
        return ModelInputs(
            present=_some(self.present, modalities),
            embeddings=_some(self.embeddings, modalities),
            tensors=_some(self.tensors, modalities),
            values=_some(self.values, modalities),
            encoders=_some(self.encoders, modalities),
            terms=_some(self.terms, modalities),
        )

    def take(self, rows: Rows) -> "ModelInputs":
        """The inputs of some rows, in the given order."""
        index = torch.as_tensor(rows)
        return ModelInputs(
            present={name: mask[index] for name, mask in self.present.items()},
            embeddings={name: vectors[index] for name, vectors in self.embeddings.items()},
            tensors=_take_tensors(self.tensors, index),
            values={name: [values[row] for row in rows] for name, values in self.values.items()},
            encoders=self.encoders,
            terms={name: tuple(b.take(rows) for b in some) for name, some in self.terms.items()},
        )

    def live(self, rows: Rows) -> dict[str, Tensors]:
        """Preprocessed tensors of some rows, for the encoders that run inside the model."""
        index = torch.as_tensor(rows)
        held = _take_tensors(self.tensors, index)
        fresh = {
            modality: self.encoders[modality].preprocess([values[row] for row in rows])
            for modality, values in self.values.items()
        }
        return {**held, **fresh}

    def batch(self, rows: Rows) -> dict[str, Any]:
        """Keyword arguments of `TrainedPart.forward` for some rows."""
        index = torch.as_tensor(rows)
        return {
            "inputs": self.live(rows),
            "embeddings": {name: vectors[index] for name, vectors in self.embeddings.items()},
            "present": {name: mask[index] for name, mask in self.present.items()},
        }


def chunks(n_rows: int, size: int) -> list[Rows]:
    """Positions 0 .. `n_rows` - 1 in order, cut into pieces of `size`; one empty piece of no rows.

    Example:
        >>> [piece.tolist() for piece in chunks(5, 2)]
        [[0, 1], [2, 3], [4]]
    """
    return np.split(np.arange(n_rows), range(size, n_rows, size))


def _take_tensors(tensors: dict[str, Tensors], index: Tensor) -> dict[str, Tensors]:
    return {
        modality: {name: tensor[index] for name, tensor in named.items()}
        for modality, named in tensors.items()
    }


def _some(named: Mapping[str, Value], modalities: Collection[str]) -> dict[str, Value]:
    return {name: named[name] for name in sorted(named) if name in modalities}

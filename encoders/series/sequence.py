"""What encoders have in common that read a series period by period."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from encoders.base import Encoder, Tensors, check_whole
from encoders.series.example import example_windows
from encoders.series.inputs import SeriesInputs
from encoders.series.steps import Steps
from encoders.series.windows import Windows

MOST_DIM = 65_536


class SequenceEncoder(Encoder):
    """Windows of series to embeddings, by way of one vector a period.

    A kind says in `told` how periods become vectors. The embedding is a learned sum of the vector
    of the last period, the mean over all, numbers of the whole window, and what is known of the
    steps to come. How long the window is beyond the history changes nothing.

    Shape:
        windows of `n` examples -> `[n, embedding_dim]`, float32.

    Args:
        inputs: Configuration of the `SeriesInputs`; `fitted` finds it.
        steps_dim: Length of the vector of one period, >= 1.
        embedding_dim: Length of an embedding, >= 1.

    Raises:
        ValueError: If a length is out of its range.
    """

    modality: ClassVar[str] = "series"
    window_parts: ClassVar[int] = 4096

    def __init__(
        self,
        *,
        inputs: Mapping[str, Any] | None = None,
        steps_dim: int = 16,
        embedding_dim: int = 32,
    ) -> None:
        super().__init__()
        check_whole("steps_dim", steps_dim, least=1, most=MOST_DIM)
        check_whole("embedding_dim", embedding_dim, least=1, most=MOST_DIM)
        self.inputs = SeriesInputs.from_config(inputs or {})
        self._steps_dim = steps_dim
        n_ahead = self.inputs.n_steps * self.inputs.future_dim
        self.summary = nn.Linear(2 * steps_dim + self.inputs.own_dim + n_ahead, embedding_dim)

    @classmethod
    def fitted(cls, values: Windows, *, length: int = 26, **options: Any) -> Self:
        """An encoder that reads every number of some windows, on scales learned from their past.

        Args:
            values: Windows of training examples.
            length: Periods before the first step that are read, >= 1.
            **options: Of the encoder, but `inputs`.
        """
        return cls(inputs=SeriesInputs.fitted(values, length=length).config, **options)

    @property
    def embedding_dim(self) -> int:
        """Length of one embedding."""
        return self.summary.out_features

    @property
    def steps_dim(self) -> int:
        """Length of what is told of one past period."""
        return self._steps_dim

    @property
    def future_dim(self) -> int:
        """Numbers of one step to come."""
        return self.inputs.future_dim

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild this encoder."""
        return {
            "inputs": self.inputs.config,
            "steps_dim": self.steps_dim,
            "embedding_dim": self.embedding_dim,
        }

    def preprocess(self, values: Windows) -> Tensors:
        """The tensors of `SeriesInputs.tensors`."""
        return self.inputs.tensors(values)

    @abstractmethod
    def told(self, past: Tensor, mask: Tensor) -> Tensor:
        """A vector for each period; what it gives where the mask is False is not used.

        Shape:
            past `[n, length, past_dim]`, 0 where `mask` `[n, length]` is False -> `[n, length,
            steps_dim]`.
        """

    def steps(self, tensors: Tensors) -> Steps:
        """The embeddings, and the memory that they were made of."""
        mask, future = tensors["mask"], tensors["future"]
        memory = torch.where(mask[..., None], self.told(tensors["past"], mask), 0.0)
        mean = memory.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
        parts = [memory[:, -1], mean, tensors["own"], future.flatten(1)]
        return Steps(self.summary(torch.cat(parts, dim=1)), memory, mask)

    def forward(self, tensors: Tensors) -> Tensor:
        """Embeddings `[n, embedding_dim]`, float32."""
        return self.steps(tensors).embedding

    @torch.inference_mode()
    def encode(self, values: Any) -> NDArray[np.float32]:
        """Embeddings of windows, in order, without gradients: `[n, embedding_dim]`, float32."""
        found = np.empty((len(values), self.embedding_dim), dtype=np.float32)
        for start in range(0, len(values), self.window_parts):
            rows = np.arange(start, min(start + self.window_parts, len(values)))
            found[rows] = self(self.preprocess(values.take(rows))).cpu().numpy()
        return found

    @classmethod
    def tiny(cls) -> Self:
        """Six periods of a made-up table."""
        return cls.fitted(example_windows(), length=6, steps_dim=4, embedding_dim=5)

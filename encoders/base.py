"""What every encoder can do: raw values of one modality in, embeddings out."""

import copy
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from encoders.adapter import Adapter, attach
from encoders.blocks import Block
from encoders.stream import ReadPart, encode_each

Tensors = dict[str, Tensor]
MOST_ROWS = 10**9
"""Rows that a count may ask for, at most."""


class Encoder(nn.Module, ABC):
    """Turns raw values of one modality into embeddings `[batch, embedding_dim]`.

    Why: a fusion needs nothing but `{modality: embedding_dim}`, so any encoder fits any fusion.
    A value may have several *parts* that are encoded one by one and averaged (three photos of one
    item, the chunks of a long text); a store keeps embeddings of parts. `None` is an absent value:
    `preprocess` accepts it and gives valid tensors whose embedding is masked out later.

    Law: `type(encoder)(**encoder.config)` rebuilds the encoder; `load_state_dict` then gives back
    what was fitted.
    """

    modality: ClassVar[str]
    """Kind of value that it reads: `text`, `image`, `table`, or that of somebody's own modality."""
    cacheable: ClassVar[bool] = False
    """True where the embedding of a part never changes and is worth keeping on disk."""
    window_parts: ClassVar[int] = 4096
    """Parts that are looked at together: enough to sort by length, few enough for memory."""
    piece_parts: ClassVar[int] = 4096
    """Parts that one thread reads at a time."""
    fills_batches: ClassVar[bool] = False
    """True where few rows in a batch can change the last bits of each."""
    takes_bfloat16: bool = True
    """False where bfloat16 ends in an error, as weights or under autocast."""
    adapter: Adapter | None = None
    """What may differ from the checkpoint; None where nothing does."""
    tuned_names: tuple[str, ...] = ()
    """Names of the weights that the adapter reaches."""

    @property
    @abstractmethod
    def embedding_dim(self) -> int:
        """Length of one embedding."""

    @property
    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Keyword arguments, JSON-serialisable, that rebuild this encoder."""

    @abstractmethod
    def preprocess(self, values: Any) -> Tensors:
        """Tensors for `forward`, made on the CPU; their first axis counts values or parts."""

    @abstractmethod
    def forward(self, tensors: Tensors) -> Tensor:
        """Embeddings `[batch, embedding_dim]`, float32 unless the encoder says otherwise."""

    def feature_blocks(self, tensors: Tensors) -> tuple[Block, ...]:
        """What models without gradients read of the same tensors, one block or more of `n` values.

        Default: the embedding as one block of vectors; none of an encoder that trains, as its
        embeddings move.
        """
        if self.is_trainable:
            return ()
        return (Block("", "vectors", self(tensors).detach().float().cpu().numpy()),)

    @classmethod
    @abstractmethod
    def tiny(cls) -> Self:
        """A small instance, offline and fast, for contract tests."""

    @property
    def origin(self) -> dict[str, str] | None:
        """Name and SHA-256 of weights that come from outside; None where there are none."""
        return None

    @property
    def blocks(self) -> list[nn.Module]:
        """What tuning can change, from the input to the output; none: it cannot be tuned."""
        return []

    def adapt(self, adapter: Adapter) -> None:
        """Let a part of the weights differ from the checkpoint; train if `adapter.is_trainable`.

        Raises:
            ImportError: If LoRA is asked for and peft is not installed.
            ValueError: If the encoder cannot be tuned, has fewer layers, or is adapted already.
        """
        if not self.blocks:
            raise ValueError(f"{type(self).__name__} cannot be tuned. Use bert or resnet.")
        if self.adapter is not None:
            raise ValueError("adapter must be None to get another one. Build a fresh encoder.")
        self.tuned_names = attach(self, self.blocks, adapter)
        self.adapter = adapter
        self.train(self.training)

    def frozen_copy(self) -> Self:
        """A copy in which nothing trains any more: its embeddings can be kept."""
        if self.adapter is None:
            return self
        frozen_copy = copy.deepcopy(self).requires_grad_(False).eval()
        frozen_copy.adapter = replace(self.adapter, is_trainable=False)
        return frozen_copy

    def delta_state_dict(self) -> dict[str, Tensor]:
        """Weights that no checkpoint holds: they travel in bundles."""
        state = dict(self.state_dict())
        return state if self.origin is None else {name: state[name] for name in self.tuned_names}

    @property
    def is_trainable(self) -> bool:
        """True where the encoder has weights that train together with the model."""
        return any(parameter.requires_grad for parameter in self.parameters())

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of everything that decides an embedding: class, configuration, weights."""
        return fingerprint_of(self, self.config)

    def parts(self, value: Any) -> list[Any]:
        """The parts of one value that are encoded on their own and averaged; none if absent."""
        return [] if value is None else [value]

    def content(self, part: Any) -> bytes:
        """The bytes that identify one part: equal bytes have equal embeddings."""
        raise NotImplementedError(f"{type(self).__name__} is not cacheable")

    @property
    def n_read_threads(self) -> int:
        """Threads that may call `read` at the same time."""
        return 1

    def read(self, parts: Sequence[Any]) -> list[ReadPart]:
        """Each part made ready for `collate`, or why it cannot be (default: the part itself).

        Why: this runs in threads beside the model, so decoding belongs here. A part that is a file
        may be replaced at any time: `ReadPart.sha256` says which content was read here. A photo may
        come as its bytes where the value has its path.
        """
        return [ReadPart(part) for part in parts]

    def batches(self, values: Sequence[Any]) -> Iterator[list[int]]:
        """Positions of read values that go through the model together (default: 32 in order)."""
        for start in range(0, len(values), 32):
            yield list(range(start, min(start + 32, len(values))))

    def collate(self, values: Sequence[Any]) -> Tensors:
        """Tensors for `forward` from read values (default: `preprocess`)."""
        return self.preprocess(values)

    def encode_parts(self, parts: Sequence[Any]) -> NDArray[np.float32]:
        """Embeddings of parts, in order, without gradients.

        Shape:
            Returns `[len(parts), embedding_dim]`, float32.

        Raises:
            ValueError, OSError: If a part cannot be read; nothing is substituted for it.
        """
        encoded = encode_each(self, parts)
        for error in encoded.failures.values():
            raise error
        return encoded.vectors

    def encode(self, values: Sequence[Any]) -> NDArray[np.float32]:
        """Embeddings of values, in order: the mean over each value's parts, zeros where absent.

        Shape:
            Returns `[len(values), embedding_dim]`, float32.

        Raises:
            ValueError: If a value cannot be read.
        """
        nested = [self.parts(value) for value in values]
        flat = self.encode_parts([part for parts in nested for part in parts])
        return average_parts(flat, counts=[len(parts) for parts in nested])


class LearnsFromRows(Protocol):
    """The class of an encoder that learns from training rows before the model is trained."""

    def fitted(self, values: Any, **options: Any) -> Encoder:
        """An encoder fitted on the values of the training rows.

        Args:
            values: One a row; for tables a frame of numbers (float64), dates (datetime64) and
                categories (object).
            **options: Those of the user, and as far as they are parameters: `numeric`,
                `categorical` and `dates`, the columns of a frame, and `transform`, which is
                `linear` where heads are solved in closed form, else `squash`.
        """


@runtime_checkable
class TermsEncoder(Protocol):
    """An encoder whose embeddings are directions of sparse terms, which members may read whole."""

    def terms(self, values: Sequence[Any]) -> tuple[Block, ...]:
        """Blocks of kind `terms`, each named, of `n` values; rows of absent values are 0."""

    def directions(self, terms: Sequence[Block]) -> NDArray[np.float32]:
        """Embeddings `[n, embedding_dim]` of the values, from their `terms`."""


def fingerprint_of(encoder: Encoder, config: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of an encoder's class, of a configuration and of its weights."""
    parts = [type(encoder).__name__.encode(), json.dumps(config, sort_keys=True).encode()]
    if encoder.origin is not None:
        content = {key: value for key, value in encoder.origin.items() if key != "name"}
        parts.append(json.dumps(content, sort_keys=True).encode())
    if encoder.delta_state_dict():
        parts.append(state_hash(encoder.delta_state_dict()).encode())
    return length_prefixed_hash(parts)


def average_parts(vectors: NDArray[np.float32], *, counts: Sequence[int]) -> NDArray[np.float32]:
    """Mean embedding of each value from the embeddings of its parts.

    Shape:
        vectors `[sum(counts), dim]` -> `[len(counts), dim]`; a count of 0 gives zeros.
    """
    owner = np.repeat(np.arange(len(counts)), counts)
    output = np.zeros((len(counts), vectors.shape[1]), dtype=np.float32)
    np.add.at(output, owner, vectors)
    output /= np.maximum(np.asarray(counts, dtype=np.float32), np.float32(1.0))[:, None]
    return output


def length_prefixed_hash(parts: Sequence[bytes]) -> str:
    """SHA-256 (hex) of byte strings, each behind its length so that no two tuples collide."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def state_hash(state: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) of the names, shapes, dtypes and values of weights, in sorted order."""
    parts: list[bytes] = []
    for name, tensor in sorted(state.items()):
        array = tensor.detach().cpu().contiguous()
        parts += [name.encode(), str(array.dtype).encode(), str(tuple(array.shape)).encode()]
        parts.append(array.reshape(-1).view(torch.uint8).numpy().tobytes())
    return length_prefixed_hash(parts)


def check_whole(name: str, value: object, *, least: int, most: int) -> None:
    """Refuses an option that is no whole number from `least` to `most`.

    Raises:
        ValueError: Saying so.
    """
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_whole or not least <= value <= most:  # type: ignore[operator]  # a number
        raise ValueError(
            f"{name} must be a whole number from {least} to {most:,}, got {value!r}. Take another."
        )

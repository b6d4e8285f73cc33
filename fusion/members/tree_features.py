"""What trees read of rows: one table of numbers and codes, NaN where nothing is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders.blocks import Block, BlockKind
from fusion.data.batch import chunks
from fusion.members.base import Floats, State
from fusion.members.view import View

MOST_DIRECTIONS = 32
"""Principal directions of an embedding: trees look at one column at a time.

Held out of training rows, the stack of kernel, ridge and trees with 16 (64) of them differed in
WAPE by +0.8 (+0.4) % on visuelle2_550, +0.1 (+1.7) % on its last training season, +0.2 (+0.2) % on
the demo and +0.3 (+0.3) % on babies_r_us, with standard errors up to 0.8.
"""
MOST_ROWS = 10_000
"""Rows that directions are found on."""
CHUNK_ROWS = 4096
LEAST_VARIANCE = 1e-9
"""Share of an embedding's variance below which a direction is rounding."""
FARTHEST = 1e100
LONGEST = 1.001
"""Bound of a coordinate of a direction, and what rounding adds."""


class Numbers(NamedTuple):
    """Numbers in their own units.

    Why a filling: trees that never saw a missing cell would take one for a 0.

    Args:
        filling: `[dim]`: medians of the training rows.
        is_filled: `[dim]`: columns in which no training row lacked a number.
    """

    filling: Floats
    is_filled: NDArray[np.bool_]

    @classmethod
    def fitted(cls, values: NDArray[Any], *, n_absent: int) -> Self:
        """From the values `[n, dim]` of training rows that have them."""
        missing = np.isnan(values).any(axis=0) | (n_absent > 0) | (len(values) == 0)
        filling = np.zeros(values.shape[1])
        clipped = values[:, ~missing].clip(-FARTHEST, FARTHEST)
        filling[~missing] = np.median(clipped, axis=0) if clipped.size else 0.0
        return cls(filling, ~missing)

    @property
    def n_columns(self) -> int:
        """Columns that trees read."""
        return len(self.filling)

    def __call__(self, values: NDArray[Any]) -> Floats:
        """Columns `[n, n_columns]`, NaN where missing."""
        filled = np.where(np.isnan(values) & self.is_filled, self.filling, values)
        return filled.clip(-FARTHEST, FARTHEST)

    def absent(self) -> Floats:
        """Columns of a row that has none of them."""
        return np.where(self.is_filled, self.filling, np.nan)


class Codes(NamedTuple):
    """Codes of one category, as they are."""

    n_columns: int = 1

    def __call__(self, values: NDArray[Any]) -> Floats:
        """Codes `[n, 1]`."""
        return values.astype(np.float64)[:, None]

    def absent(self) -> Floats:
        """No code."""
        return np.full(1, np.nan)


class Directions(NamedTuple):
    """Principal directions of an embedding, the most telling first.

    Args:
        mean: `[dim]`, of the training rows.
        directions: `[dim, n_columns]`, of length 1 each.
        is_filled: `[1]`: whether no training row lacked it; a row without it is then a mean one.
    """

    mean: Floats
    directions: Floats
    is_filled: NDArray[np.bool_]

    @classmethod
    def fitted(cls, values: NDArray[Any], *, n_absent: int) -> Self:
        """From the vectors `[n, dim]` of training rows that have them."""
        some = np.linspace(0, len(values) - 1, min(len(values), MOST_ROWS)).round().astype(np.int64)
        known = values[some].astype(np.float64)
        mean = known.mean(axis=0) if len(known) else np.zeros(values.shape[1])
        away = known - mean
        if len(known) < values.shape[1]:
            _, sizes, rows = np.linalg.svd(away, full_matrices=False)
            variances, vectors = sizes**2, rows.T
        else:
            variances, vectors = np.linalg.eigh(away.T @ away)
            variances, vectors = variances[::-1], vectors[:, ::-1]
        kept = variances > max(LEAST_VARIANCE * float(variances.sum()), 1e-300)
        found = vectors[:, kept][:, :MOST_DIRECTIONS]
        largest = np.abs(found).argmax(axis=0)
        signs = np.sign(found[largest, np.arange(found.shape[1])])
        return cls(mean, found * signs, np.array([n_absent == 0 and len(values) > 0]))

    @property
    def n_columns(self) -> int:
        """Directions."""
        return int(self.directions.shape[1])

    def __call__(self, values: NDArray[Any]) -> Floats:
        """Places `[n, n_columns]` of vectors."""
        places = np.empty((len(values), self.n_columns))
        for rows in chunks(len(values), CHUNK_ROWS):
            places[rows] = (values[rows].astype(np.float64) - self.mean) @ self.directions
        return places

    def absent(self) -> Floats:
        """Columns of a row without it."""
        return np.full(self.n_columns, 0.0 if self.is_filled[0] else np.nan)


Reader = Numbers | Codes | Directions
READERS: dict[BlockKind, type[Reader]] = {"raw": Numbers, "category": Codes, "vectors": Directions}
"""Kinds of blocks that trees read, and how."""


@dataclass(frozen=True)
class TreeFeatures:
    """Turns a view into the table that trees read.

    Args:
        readers: By block, what becomes of it; columns stand in this order.
    """

    readers: Mapping[str, Reader]

    @classmethod
    def fitted(cls, view: View) -> Self:
        """Learned from training rows."""
        return cls({name: _reader(view, name) for name in view.of_kinds(*READERS)})

    @property
    def n_columns(self) -> int:
        """Columns of the table."""
        return sum(reader.n_columns for reader in self.readers.values())

    @property
    def categorical(self) -> list[int]:
        """Places of the columns that are codes."""
        kinds = [type(each) for each in self.readers.values() for _ in range(each.n_columns)]
        return [place for place, kind in enumerate(kinds) if kind is Codes]

    def table(self, view: View) -> Floats:
        """`[n, n_columns]`, float64; NaN where a block is absent or a cell missing."""
        table = np.empty((len(view), self.n_columns))
        start = 0
        for name, reader in self.readers.items():
            columns = slice(start, start := start + reader.n_columns)
            there = np.flatnonzero(view.present[name])
            table[:, columns] = reader.absent()
            table[there, columns] = reader(view.blocks[name].values[there])
        return table

    @property
    def config(self) -> list[list[str]]:
        """Name and kind of each block, JSON-serialisable."""
        kinds: dict[type[Reader], str] = {reader: kind for kind, reader in READERS.items()}
        return [[name, kinds[type(reader)]] for name, reader in self.readers.items()]

    def state(self) -> dict[str, Tensor]:
        """What was learned, by the places of the blocks."""
        return {
            f"features.{place}.{name}": torch.from_numpy(np.ascontiguousarray(value))
            for place, reader in enumerate(self.readers.values())
            for name, value in reader._asdict().items()
            if isinstance(value, np.ndarray)
        }

    @classmethod
    def of_state(cls, config: list[list[str]], state: State) -> Self:
        """The features of a configuration and a state that may come from a stranger.

        Raises:
            ValueError: If something is missing or does not fit.
        """
        return cls({name: _read(kind, place, state) for place, (name, kind) in enumerate(config)})


def _reader(view: View, name: str) -> Reader:
    block: Block = view.blocks[name]
    there = view.present[name]
    n_absent = int((~there).sum())
    if block.kind == "raw":
        return Numbers.fitted(block.values[there], n_absent=n_absent)
    if block.kind == "vectors":
        return Directions.fitted(block.values[there], n_absent=n_absent)
    return Codes()


def _read(kind: str, place: int, state: State) -> Reader:
    """What becomes of a block, from a state of which nothing is believed."""

    def numbers(name: str, dtype: torch.dtype, *, n_axes: int) -> NDArray[Any]:
        tensor = state.get(f"features.{place}.{name}")
        if not isinstance(tensor, Tensor) or tensor.dtype != dtype or tensor.ndim != n_axes:
            rule = f"a tensor of {n_axes} axes and {dtype}"
            raise ValueError(f"features.{place}.{name} must be {rule}, got another.")
        return tensor.numpy()

    if kind == "category":
        return Codes()
    is_filled = numbers("is_filled", torch.bool, n_axes=1)
    if kind == "raw":
        filling = numbers("filling", torch.float64, n_axes=1)
        fits = is_filled.shape == filling.shape
        return _fitting(Numbers(filling, is_filled), fits, place)
    mean = numbers("mean", torch.float64, n_axes=1)
    directions = numbers("directions", torch.float64, n_axes=2)
    fits = is_filled.shape == (1,) and len(mean) == len(directions)
    if np.abs(directions).max(initial=0.0) > LONGEST:
        raise ValueError(f"features.{place}.directions must be of length 1, got longer ones.")
    return _fitting(Directions(mean, directions, is_filled), fits, place)


def _fitting(found: Reader, fits: bool, place: int) -> Reader:
    if not fits:
        raise ValueError(f"features.{place} must be tensors of fitting shapes, got others.")
    return found

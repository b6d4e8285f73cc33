"""What members read of rows: named blocks of numbers, with what is there of each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from encoders.base import Encoder
from encoders.blocks import Block, BlockKind
from fusion.data.batch import ModelInputs

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class View:
    """`n` rows as members read them.

    A member names no modality: it takes the blocks whose kind it can read. Networks alone read
    `inputs`, whose encoders may train with them.

    Args:
        blocks: By name, such as `text` or `numeric.brand`; `n` rows each.
        present: Mask `[n]` of each block; what stands in the other rows, even NaN, says nothing.
        inputs: The same rows as a network reads them.
        encoders: By modality, what made the inputs.
    """

    blocks: Mapping[str, Block]
    present: Mapping[str, Mask]
    inputs: ModelInputs
    encoders: Mapping[str, Encoder]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.inputs)

    def of_kinds(self, *kinds: BlockKind) -> dict[str, Block]:
        """The blocks of some kinds, in the order of the view."""
        return {name: block for name, block in self.blocks.items() if block.kind in kinds}

    def filled(self, name: str) -> NDArray[Any]:
        """Values of a block, 0 in rows that lack it; not of terms, which are sparse."""
        block, there = self.blocks[name], self.present[name]
        return np.where(there if block.values.ndim == 1 else there[:, None], block.values, 0)

    def known(self, names: Iterable[str]) -> Mask:
        """Mask `[n]` of the rows that have at least one of some blocks."""
        masks = [self.present[name] for name in names]
        return np.any(masks, axis=0) if masks else np.zeros(len(self), dtype=bool)

    def take(self, rows: Rows) -> "View":
        """The view of some rows, in the given order."""
        return replace(
            self,
            blocks={name: block.take(rows) for name, block in self.blocks.items()},
            present={name: mask[rows] for name, mask in self.present.items()},
            inputs=self.inputs.take(rows),
        )


def view_of(encoders: Mapping[str, Encoder], inputs: ModelInputs) -> View:
    """The view of model inputs.

    Args:
        encoders: By modality, what made the inputs.
        inputs: Of all rows.
    """
    blocks: dict[str, Block] = {}
    present: dict[str, Mask] = {}
    for modality in sorted(encoders):
        there = inputs.present[modality].cpu().numpy()
        for block in _blocks_of(encoders[modality], inputs, modality):
            name = f"{modality}.{block.name}" if block.name else modality
            blocks[name], present[name] = block, there
    return View(blocks, present, inputs, encoders)


def _blocks_of(encoder: Encoder, inputs: ModelInputs, modality: str) -> list[Block]:
    found = list(inputs.terms.get(modality, ()))
    if modality in inputs.embeddings:
        vectors = inputs.embeddings[modality].float().cpu().numpy()
        return [Block("", "vectors", vectors), *found]
    if modality in inputs.tensors:
        with torch.no_grad():
            return [*encoder.feature_blocks(inputs.tensors[modality]), *found]
    return found  # it trains, and its values are read batch by batch

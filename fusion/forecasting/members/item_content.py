"""What is known of items beside their sales, as tensors from which batches are gathered."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fusion.forecasting.examples import Examples, Ints
from fusion.members.view import View

KINDS = ("vectors", "numbers", "category")
"""Kinds of blocks that networks read."""


@dataclass(frozen=True)
class ItemBlock:
    """A block of numbers of items, and its size.

    Args:
        name: Its name in the view.
        kind: One of `KINDS`.
        size: Columns; of a category its codes.
    """

    name: str
    kind: str
    size: int

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild it."""
        return asdict(self)


class ItemContent:
    """Values and presence of blocks by item; what the items of examples lack counts as absent.

    Args:
        examples: Their content is read; there may be none.
        blocks: What is read of it. One that the content has not is absent everywhere.

    Raises:
        ValueError: If a block is of another size than it was.
    """

    def __init__(self, examples: Examples, blocks: Sequence[ItemBlock]) -> None:
        content = examples.content
        there = {} if content is None else content.blocks
        self.blocks = [block for block in blocks if block.name in there]
        self.missing = [block for block in blocks if block.name not in there]
        self.rows = examples.content_rows
        self.values: dict[str, Tensor] = {}
        self.present: dict[str, Tensor] = {}
        for block in self.blocks:
            assert content is not None
            found = found_block(content, block.name)
            if found != block:
                raise ValueError(
                    f"{block.name} must be {block.kind} of size {block.size}, got {found.kind} of "
                    f"size {found.size}. Give items that are embedded as in training."
                )
            values = content.blocks[block.name].values
            kind = np.int64 if block.kind == "category" else np.float32
            self.values[block.name] = torch.from_numpy(np.ascontiguousarray(values, dtype=kind))
            self.present[block.name] = torch.from_numpy(content.present[block.name])

    def batch(self, series: Ints) -> dict[str, tuple[Tensor, Tensor]]:
        """Values and presence mask of each block, for the items of some series.

        Shape:
            `[n, size]` float32, or codes `[n]` of a category; masks `[n]`.
        """
        n = len(series)
        found: dict[str, tuple[Tensor, Tensor]] = {}
        if self.rows is not None:
            rows = torch.from_numpy(self.rows[series])
            for name, values in self.values.items():
                found[name] = values[rows], self.present[name][rows]
        for block in self.missing:
            is_category = block.kind == "category"
            values = torch.zeros(n, dtype=torch.long) if is_category else torch.zeros(n, block.size)
            found[block.name] = values, torch.zeros(n, dtype=torch.bool)
        return found

    def known(self, series: Ints) -> Tensor:
        """Mask `[n]` of the series of whose item any block is known."""
        known = torch.zeros(len(series), dtype=torch.bool)
        for _, there in self.batch(series).values():
            known |= there
        return known


def found_block(content: View, name: str) -> ItemBlock:
    """Kind and size of a block of a view."""
    block = content.blocks[name]
    return ItemBlock(name, block.kind, block.n_levels if block.kind == "category" else block.dim)


def readable_blocks(examples: Examples) -> list[ItemBlock]:
    """The blocks of the content that networks read, in the order of their names."""
    content = examples.content
    if content is None:
        return []
    of_kind: Mapping[str, Any] = content.of_kinds(*KINDS)  # type: ignore[arg-type]
    return [found_block(content, name) for name in sorted(of_kind)]

"""What a kernel member has learned: points of known rows, and alphas of each head."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from fusion.members.base import Floats, State
from fusion.members.kernel_blocks import READ, KernelBlock, Points, joined
from fusion.members.kernel_fit import Choice, scales_of_columns
from fusion.members.kernel_solver import DOUBLE_ROWS, Solution, kernel
from fusion.members.kernel_targets import KernelTarget
from fusion.members.taken import Taken
from fusion.members.view import Rows
from heads.base import Head

MOST_SPREAD = 2**28
"""Numbers of the points of all categories: 1 GiB; a column of 10,000 rows has some 30 million."""


@dataclass(frozen=True)
class HeadKernel:
    """The kernel of a head.

    Args:
        target: What it learned.
        scales: Of the blocks, `[n_blocks]`.
        alphas: `[n_points, n_scores]`; 0 for points that it did not learn from.
        intercept: `[n_scores]`.
    """

    target: KernelTarget
    scales: Floats = field(default_factory=lambda: np.zeros(0))
    alphas: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    intercept: Floats = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def of(cls, choice: Choice, found: Solution, points: Rows) -> Self:
        """What was solved, on the points of all heads."""
        alphas = np.zeros((len(points), found.alphas.shape[1]))
        alphas[np.isin(points, found.points)] = found.alphas
        return cls(choice.target, choice.kernel.scales, alphas, found.intercept)


class KernelState:
    """Blocks, points of known rows and kernels, as they are asked and saved.

    Args:
        blocks: What makes points.
        points: Of known rows, by block `[n_points, dim]`.
        kernels: By head.
        n_points: Known rows, said apart as there may be no block.
    """

    def __init__(
        self,
        blocks: Sequence[KernelBlock],
        points: Sequence[Points],
        kernels: Mapping[str, HeadKernel],
        *,
        n_points: int,
    ) -> None:
        self.blocks, self.points, self.kernels = list(blocks), list(points), dict(kernels)
        self.n_points = n_points
        self._asked: dict[str, tuple[Tensor, ...]] = {}

    def scores(self, name: str, head: Head, points: Tensor) -> Floats:
        """Scores `[n, n_scores]` of a head from points `[n, dim]` of all blocks side by side."""
        own = self.kernels[name]
        if name not in self._asked:
            dtype = torch.float64 if self.n_points <= DOUBLE_ROWS else torch.float32
            root = torch.from_numpy(scales_of_columns(self.blocks, own.scales)).to(dtype)
            known = torch.from_numpy(joined(self.points, self.n_points)) * root
            alphas = torch.from_numpy(own.alphas).to(dtype)
            self._asked[name] = (root, known, known.square().sum(dim=1), alphas)
        root, known, lengths, alphas = self._asked[name]
        similar = kernel(points * root, known, lengths=lengths)
        learned = (similar @ alphas).double().numpy() + own.intercept
        return own.target.scores(head, learned)

    @property
    def config(self) -> dict[str, Any]:
        """Sizes and names, JSON-serialisable: what `from_config` makes an empty state from."""
        return {
            "n_points": self.n_points,
            "blocks": [[block.name, block.kind, len(block.center)] for block in self.blocks],
            "targets": {name: own.target.config for name, own in self.kernels.items()},
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A state without its numbers, see `loaded`.

        Raises:
            ValueError: If it is none of `config`.
        """
        try:
            blocks = [
                KernelBlock(str(name), kind, np.zeros(int(dim)), 1.0)
                for name, kind, dim in config["blocks"]
            ]
            targets = {
                str(name): KernelTarget.from_config(one) for name, one in config["targets"].items()
            }
            n_points = int(config["n_points"])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(
                f"learned must tell n_points, blocks and targets of a kernel ({error})."
            ) from error
        if n_points < 0 or not {block.kind for block in blocks} <= set(READ):
            raise ValueError(f"learned must tell of blocks of the kinds {', '.join(READ)}.")
        kernels = {name: HeadKernel(target) for name, target in targets.items()}
        return cls(blocks, (), kernels, n_points=n_points)

    def tensors(self) -> State:
        """What was learned; categories by the place of the level, -1 where the block is absent."""
        found: State = {}
        for place, (block, points) in enumerate(zip(self.blocks, self.points, strict=True)):
            found[f"block.{place}.center"] = torch.from_numpy(block.center)
            found[f"block.{place}.std"] = torch.tensor(block.std, dtype=torch.float64)
            packed = block.levels(points) if block.kind == "category" else points
            found[f"block.{place}.points"] = torch.from_numpy(packed)
        for place, own in enumerate(self.kernels.values()):
            for name in ("scales", "alphas", "intercept"):
                found[f"head.{place}.{name}"] = torch.from_numpy(getattr(own, name))
        return found

    def loaded(self, state: State, *, heads: Mapping[str, Head]) -> Self:
        """The same with the numbers that `tensors` gave.

        Raises:
            ValueError: If a tensor is missing, left over, of another shape or not finite, or heads
                are others.
        """
        if list(heads) != list(self.kernels):
            raise ValueError(f"heads must be {list(self.kernels)}, got {list(heads)}.")
        n_spread = self.n_points * sum(len(b.center) for b in self.blocks if b.kind == "category")
        if n_spread > MOST_SPREAD:
            raise ValueError(f"points of levels must be {MOST_SPREAD:,} at most, got {n_spread:,}.")
        taken = Taken(state)
        blocks, points = [], []
        for place, empty in enumerate(self.blocks):
            center = taken.floats(f"block.{place}.center", len(empty.center))
            std = float(taken.floats(f"block.{place}.std"))
            if not std > 0.0:
                raise ValueError(f"block.{place}.std must be above 0, got {std}.")
            block = KernelBlock(empty.name, empty.kind, center, std)
            name = f"block.{place}.points"
            if block.kind == "category":
                levels = taken.whole(name, self.n_points, least=-1, most=block.dim - 1)
                points.append(block.points_of_levels(levels))
            else:
                points.append(taken.floats(name, self.n_points, block.dim).astype(np.float32))
            blocks.append(block)
        kernels = {}
        for place, (name, own) in enumerate(self.kernels.items()):
            n_scores = heads[name].n_scores
            kernels[name] = HeadKernel(
                own.target,
                taken.floats(f"head.{place}.scales", len(blocks)).clip(min=0.0),
                taken.floats(f"head.{place}.alphas", self.n_points, n_scores),
                taken.floats(f"head.{place}.intercept", n_scores),
            )
        taken.finish()
        return type(self)(blocks, points, kernels, n_points=self.n_points)

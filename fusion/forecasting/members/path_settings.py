"""What the training of networks of paths can be told."""

import math
from typing import NamedTuple

import torch
from pydantic import ConfigDict, Field

from fusion.choices.mistakes import RunSettings
from fusion.training.threads import side_by_side

HEAVY_BATCH = 512
"""Examples of a mini-batch from which on a step takes so long that threads pay."""
LEAST_EPOCHS, MOST_EPOCHS, LEAST_STEPS = 8, 60, 400


class Schedule(NamedTuple):
    """How a training goes: passes over the examples, mini-batches of each, step size, dropout."""

    epochs: int
    n_batches: int
    rate: float
    dropout: float


class PathSettings(RunSettings):
    """Settings of networks of paths; every field has a default that works.

    Raises:
        ValueError: If a field is out of its range; all faults are listed together.
    """

    model_config = ConfigDict(frozen=True)

    width: int = Field(default=256, ge=1, le=65_536, description="Numbers of each layer.")
    dropout: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="Share of values dropped; where absent from 0.5 (1,000 examples) down to 0.2 "
        "(100,000).",
    )
    epochs: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Passes over the examples; where absent 8, more where 400 steps need them.",
    )
    batch_size: int | None = Field(
        default=None,
        ge=1,
        lt=2**31,
        description="Examples in a mini-batch; where absent, a 64th of all, in 32..1024.",
    )
    learning_rate: float | None = Field(
        default=None,
        gt=0,
        description="Peak step size of AdamW; 0.004 x sqrt(batch_size / 1024) where absent.",
    )
    weight_decay: float = Field(default=1e-2, ge=0, le=100, description="Shrinkage of AdamW.")
    masked_share: float = Field(
        default=0.15,
        ge=0,
        le=1,
        description="So many examples, as a share of all, are learned from once more with only "
        "their last 0 to 4 periods in sight.",
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Threads of all networks, which are trained so many at once; where absent all "
        "that torch has, one for each network, more where mini-batches have 512 examples or more.",
    )

    def shared_out(self, n: int, *, n_networks: int) -> tuple[int, int]:
        """How many networks are trained at once, and how many threads (>= 1) each computes with.

        Why one thread for small mini-batches: their steps take milliseconds, and beside a busy
        process two threads wait for each other, see `fusion.training.threads`.

        Args:
            n: Examples that are drawn in an epoch.
            n_networks: Number of networks.
        """
        is_heavy = n >= HEAVY_BATCH * self.schedule(n).n_batches
        chosen = self.threads or (torch.get_num_threads() if is_heavy else None)
        return side_by_side(chosen, n_networks=n_networks)

    def schedule(self, n: int) -> Schedule:
        """What is chosen, and the rest suited to a number of examples."""
        batch_size = self.batch_size or min(max(n // 64, 32), 1024)
        n_batches = max(1, round(n / batch_size))
        epochs = self.epochs or min(max(LEAST_EPOCHS, -(-LEAST_STEPS // n_batches)), MOST_EPOCHS)
        rate = self.learning_rate or 4e-3 * math.sqrt(batch_size / 1024)
        dropout = min(max(0.5 - 0.15 * math.log10(max(n, 1) / 1000), 0.2), 0.5)
        if self.dropout is not None:
            dropout = self.dropout
        return Schedule(epochs, n_batches, rate, dropout)

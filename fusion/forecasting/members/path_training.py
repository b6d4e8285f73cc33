"""How networks of paths are trained: mini-batches of examples, AdamW, one cycle of step sizes."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from pydantic import ConfigDict, Field
from torch import Tensor

from encoders.base import Encoder
from fusion.choices.mistakes import RunSettings
from fusion.data.batch import chunks
from fusion.forecasting.examples import KNOWN_FROM, Examples, Ints
from fusion.forecasting.members.base import PathTraining
from fusion.forecasting.members.item_content import ItemContent
from fusion.forecasting.members.path_network import PathBatch, PathNetwork
from fusion.training.adamw import AdamW
from fusion.training.chance import Chance
from heads.sales_path import SalesPathHead

CHUNK_EXAMPLES = 4096
"""Examples that are read or answered at once."""
HELD_BYTES = 256 * 2**20
"""Ready embeddings of all examples are held up to so many bytes; more are made batch by batch."""
MOST_RELATIVE = 10.0
"""Relative targets above count as this one: single large orders would drown the others."""
LEAST_EPOCHS, MOST_EPOCHS, LEAST_STEPS = 8, 60, 400
WARM_UP = 0.3
FIRST_RATE, LAST_RATE = 1 / 25, 1e-5
"""Step sizes at the begin and at the end, as shares of the peak."""


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
        default=None, ge=1, le=1024, description="Threads; where absent, all that torch has."
    )

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


def with_masked(
    examples: Examples, training: PathTraining, *, share: float, seed: int
) -> tuple[Examples, PathTraining]:
    """The examples, and some of them once more as if each item had just come.

    Why: one model then serves items of no history, a few periods and many, also where few items are
    young. The shortened ones have another level: their targets and weights are those of it.

    Args:
        examples: What was known.
        training: Of these examples.
        share: How many are shortened, as a share of all.
        seed: Of which, and to how much.
    """
    random = np.random.default_rng(seed)
    long = np.flatnonzero(examples.windows.lengths >= KNOWN_FROM)
    drawn = random.permutation(long)[: round(share * len(examples))]
    most = random.integers(0, KNOWN_FROM, len(drawn))
    short = examples.take(drawn).recent(most)
    scale = examples.take(drawn).levels() / short.levels()
    rows = np.concatenate([np.arange(len(examples)), drawn])
    left = np.concatenate([examples.windows.lengths, most])
    factor = np.concatenate([np.ones(len(examples)), scale])
    return examples.take(rows).recent(left), PathTraining(
        training.targets[rows] * factor[:, None], training.weight[rows] / factor
    )


class PathReader:
    """Makes batches of examples; embeddings of encoders that do not train are made once.

    Args:
        examples: What is read.
        encoders: Series encoders, by name.
        content: Of the items.
        holds: Whether ready embeddings of all examples are kept, up to `HELD_BYTES`.
    """

    def __init__(
        self,
        examples: Examples,
        encoders: Mapping[str, Encoder],
        content: ItemContent,
        *,
        holds: bool,
    ) -> None:
        self.examples = examples
        self.content = content
        self.trained = {name: one for name, one in encoders.items() if one.is_trainable}
        self.ready = {name: one for name, one in encoders.items() if not one.is_trainable}
        dim = sum(one.embedding_dim for one in self.ready.values())
        self._held: dict[str, Tensor] = {}
        if holds and 4 * dim * len(examples) <= HELD_BYTES:
            self._held = self._embedded(np.arange(len(examples)))

    def batch(self, rows: Ints) -> PathBatch:
        """What a network reads of some examples."""
        windows = self.examples.windows.take(rows)
        places = torch.from_numpy(rows)
        held = {name: vectors[places] for name, vectors in self._held.items()}
        return PathBatch(
            held or self._embedded(rows),
            {name: one.preprocess(windows) for name, one in self.trained.items()},
            self.content.batch(windows.series),
        )

    @torch.no_grad()
    def _embedded(self, rows: Ints) -> dict[str, Tensor]:
        """Embeddings `[n, embedding_dim]` of the encoders that do not train, float32."""
        found = {
            name: np.empty((len(rows), one.embedding_dim), dtype=np.float32)
            for name, one in self.ready.items()
        }
        for some in chunks(len(rows), CHUNK_EXAMPLES):
            windows = self.examples.windows.take(rows[some])
            for name, one in self.ready.items():
                found[name][some] = one(one.preprocess(windows)).float().numpy()
        return {name: torch.from_numpy(vectors) for name, vectors in found.items()}


@dataclass(frozen=True)
class PathData:
    """What networks learn from.

    Args:
        reader: Of the examples.
        head: Of the paths.
        targets: `[n, horizon + 1]`, float32, NaN where a step is not known.
        weight: `[n]`, float32.
    """

    reader: PathReader
    head: SalesPathHead
    targets: Tensor
    weight: Tensor

    def loss(self, network: PathNetwork, rows: Ints) -> Tensor:
        """Mean loss of some examples by their weights, over all steps that are known."""
        places = torch.from_numpy(rows)
        target, weight = self.targets[places], self.weight[places]
        raw = self.head.ordered(network(self.reader.batch(rows)))
        losses = self.head.losses(raw, target).mean(dim=(1, 3))  # [batch, horizon + 1]
        n_known = target.isfinite().sum().clamp(min=1)
        return (losses * weight[:, None]).sum() / n_known


def path_data(
    examples: Examples,
    training: PathTraining,
    *,
    head: SalesPathHead,
    encoders: Mapping[str, Encoder],
    content: ItemContent,
) -> PathData:
    """What networks learn from: the examples that count, and of which any step is known."""
    counts = (training.weight > 0) & np.isfinite(training.targets).any(axis=1)
    rows = np.flatnonzero(counts)
    targets = np.minimum(training.targets[rows], MOST_RELATIVE)
    weight = training.weight[rows]
    return PathData(
        PathReader(examples.take(rows), encoders, content, holds=True),
        head,
        torch.from_numpy(targets.astype(np.float32)),
        torch.from_numpy((weight / (weight.mean() if len(weight) else 1.0)).astype(np.float32)),
    )


class PathNetworkTraining:
    """The training of one network, on the CPU, over a fixed number of epochs.

    Why no early stopping: it would hold out the latest periods, which tell most of those to come.
    Source: Smith and Topin (2019), super-convergence, for the one cycle; *differs:* by half
    cosines, as PyTorch's `OneCycleLR`, and without a cycle of the momentum.

    Args:
        network: It is trained in place, and left in eval mode.
        data: What it learns from.
        settings: How.
        seed: Of order and dropout.
    """

    def __init__(
        self, network: PathNetwork, data: PathData, *, settings: PathSettings, seed: int
    ) -> None:
        self.network = network
        self.data = data
        self.settings = settings
        self.chance = Chance(network, seed=seed, device=torch.device("cpu"))

    @torch.enable_grad()
    def run(self, advance: Callable[[int], None]) -> None:
        """Trains the network.

        Args:
            advance: Called with 1 after each epoch, and with 0 before each step.

        Raises:
            FloatingPointError: If a loss is not finite.
        """
        n = len(self.data.weight)
        epochs, n_batches, rate, _ = self.settings.schedule(n)
        optimizer = AdamW(
            self.network.parameters(),
            weight_decay=self.settings.weight_decay,
            max_gradient=math.inf,
        )
        n_steps, step = epochs * n_batches, 0
        self.network.train()
        with self.chance.given_to_layers():
            for _ in range(epochs):
                order = self.chance.numpy.permutation(n)
                for rows in np.array_split(order, n_batches) if n else []:
                    advance(0)
                    with self.chance.forward():
                        loss = self.data.loss(self.network, rows)
                    _check(float(loss.detach()), step + 1)
                    loss.backward()
                    optimizer.step(rate * one_cycle(step, n_steps))
                    step += 1
                advance(1)
        self.network.eval()


def _check(loss: float, step: int) -> None:
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"loss of a forecast must be finite, got {loss} in step {step}. Use a smaller "
            "learning_rate."
        )


def one_cycle(step: int, n_steps: int) -> float:
    """Step size as a share of its peak, in (0, 1]: up by half a cosine, then down by another.

    Example:
        >>> [round(one_cycle(step, 11), 2) for step in (0, 3, 10)]
        [0.04, 1.0, 0.0]
    """
    peak = max(1.0, WARM_UP * (n_steps - 1))
    if step < peak:
        return _between(FIRST_RATE, 1.0, step / peak)
    return _between(1.0, LAST_RATE, (step - peak) / max(1.0, n_steps - 1 - peak))


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))

"""How networks of paths are trained: mini-batches of examples, AdamW, one cycle of step sizes."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from encoders.base import Encoder
from fusion.data.batch import chunks
from fusion.forecasting.examples import KNOWN_FROM, Examples, Floats, Ints
from fusion.forecasting.members.base import PathTraining
from fusion.forecasting.members.item_content import ItemContent
from fusion.forecasting.members.path_network import PathBatch, PathNetwork
from fusion.forecasting.members.path_settings import PathSettings
from fusion.training.adamw import AdamW
from fusion.training.chance import Chance
from heads.demand import LearnsBounds
from heads.sales_path import SalesPathHead

CHUNK_EXAMPLES = 4096
"""Examples that are read or answered at once."""
HELD_BYTES = 256 * 2**20
"""Ready embeddings of all examples are held up to so many bytes; more are made batch by batch."""
MOST_RELATIVE = 10.0
"""Relative targets above count as this one: single large orders would drown the others."""
WARM_UP = 0.3
FIRST_RATE, LAST_RATE = 1 / 25, 1e-5
"""Step sizes at the begin and at the end, as shares of the peak."""


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
    own, scale = training.take(rows), factor[:, None]
    at_least = None if own.at_least is None else own.at_least * scale
    return examples.take(rows).recent(left), PathTraining(
        own.targets * scale, own.weight / factor, at_least
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
        weight: `[n]`, float32: how much each counts where it is drawn.
        chance: `[n]`, in (0, 1]: how likely each is drawn in an epoch.
        at_least: Lower bounds `[n, horizon + 1]`, float32, NaN where there is none; None where the
            head cannot learn from them, or there are none.
    """

    reader: PathReader
    head: SalesPathHead
    targets: Tensor
    weight: Tensor
    chance: Floats
    at_least: Tensor | None = None

    @property
    def n_drawn(self) -> int:
        """Examples that are drawn in an epoch, on average."""
        return int(self.chance.sum().round())

    def loss(self, network: PathNetwork, rows: Ints) -> Tensor:
        """Mean loss of some examples by their weights, over all steps that are known."""
        places = torch.from_numpy(rows)
        target, weight = self.targets[places], self.weight[places]
        raw = self.head.ordered(network(self.reader.batch(rows)))
        losses, is_told = self.head.losses(raw, target), target.isfinite()
        if self.at_least is not None and isinstance(self.head, LearnsBounds):
            at_least = self.at_least[places]
            losses = losses + self.head.bound_losses(raw, at_least)
            is_told = is_told | at_least.isfinite()
        by_entry = losses.mean(dim=(1, 3))  # [batch, horizon + 1]
        return (by_entry * weight[:, None]).sum() / is_told.sum().clamp(min=1)


def path_data(
    examples: Examples,
    training: PathTraining,
    *,
    head: SalesPathHead,
    encoders: Mapping[str, Encoder],
    content: ItemContent,
) -> PathData:
    """What networks learn from: the examples that count, and of which any step is told.

    Old examples count less than late ones. They are drawn less often and count more when they are,
    so that an epoch costs less and its expected loss is the same: on online_retail errors were as
    small in two thirds of the time. *Source:* importance sampling, as Katharopoulos and Fleuret
    (2018); *differs:* chances are known before.
    """
    is_told = np.isfinite(training.targets).any(axis=1)
    at_least = training.at_least if isinstance(head, LearnsBounds) else None
    if at_least is not None:
        is_told |= np.isfinite(at_least).any(axis=1)
    rows = np.flatnonzero((training.weight > 0) & is_told)
    examples, training = examples.take(rows), training.take(rows)
    recent = training.weight / examples.levels()  # what a weight is beside the level
    chance = np.sqrt(recent / recent.max(initial=0.0))
    weight = training.weight / chance
    targets = np.minimum(training.targets, MOST_RELATIVE).astype(np.float32)
    return PathData(
        PathReader(examples, encoders, content, holds=True),
        head,
        torch.from_numpy(targets),
        torch.from_numpy((weight / (weight.mean() if len(weight) else 1.0)).astype(np.float32)),
        chance,
        None if at_least is None else _bounds(at_least[rows]),
    )


def _bounds(at_least: Floats) -> Tensor:
    return torch.from_numpy(np.minimum(at_least, MOST_RELATIVE).astype(np.float32))


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
        epochs, n_batches, rate, _ = self.settings.schedule(self.data.n_drawn)
        optimizer = AdamW(
            self.network.parameters(),
            weight_decay=self.settings.weight_decay,
            max_gradient=math.inf,
        )
        n_steps, step = epochs * n_batches, 0
        self.network.train()
        with self.chance.given_to_layers():
            for _ in range(epochs):
                for rows in self._batches(n_batches):
                    advance(0)
                    with self.chance.forward():
                        loss = self.data.loss(self.network, rows)
                    _check(float(loss.detach()), step + 1)
                    loss.backward()
                    optimizer.step(rate * one_cycle(step, n_steps))
                    step += 1
                advance(1)
        self.network.eval()

    def _batches(self, n_batches: int) -> list[Ints]:
        """The examples of an epoch, drawn anew and in random order, in at most so many batches."""
        draw, chance = self.chance.numpy, self.data.chance
        drawn = draw.permutation(np.flatnonzero(draw.random(len(chance)) < chance))
        return [rows for rows in np.array_split(drawn, n_batches) if len(rows)]


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

"""One network: mini-batches, AdamW, warm-up and decay, early stopping, best weights kept."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fusion.data.batch import ModelInputs
from fusion.network import FusionNetwork, Raw
from fusion.training.adamw import AdamW
from fusion.training.augment import Mixup, with_noise
from fusion.training.chance import Chance
from fusion.training.logs import summary_writer
from fusion.training.loss import BalancedLoss, rows_of
from fusion.training.settings import TrainingSettings

Rows = NDArray[np.int64]
EVALUATION_ROWS = 4096
"""Rows that are judged at once."""
ADVICE = "Use a smaller learning_rate or weight_decay."


@dataclass
class TrainingHistory:
    """What happened: losses by epoch (1.0 = the best constant answer) and the epoch kept."""

    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    best_epoch: int = 0


@dataclass(frozen=True)
class TrainingData:
    """What networks learn from.

    Args:
        inputs: Of all rows.
        encoded: Encoded targets `[n, *target_shape]` of each head, NaN where there is none.
        weight: `[n]`, float32, how much each row counts; None where all count alike.
    """

    inputs: ModelInputs
    encoded: dict[str, Tensor]
    weight: Tensor | None

    def batch(self, rows: Rows, device: torch.device) -> dict[str, Any]:
        """Keyword arguments of `TrainedPart.forward` for some rows."""
        moved: dict[str, Any] = _moved(self.inputs.batch(rows), device)
        return moved

    def known(self, rows: Rows, device: torch.device) -> tuple[dict[str, Tensor], Tensor | None]:
        """Encoded targets and weights of some rows."""
        weight = None if self.weight is None else self.weight[torch.as_tensor(rows)].to(device)
        targets: dict[str, Tensor] = _moved(rows_of(self.encoded, rows), device)
        return targets, weight


class NetworkTraining:
    """The training of one network, on the first GPU where there is one.

    Args:
        network: It is trained in place, and left in eval mode with the weights of its best epoch.
        data: What it learns from.
        rows: Positions of the training rows and of the validation rows; at least one of each.
        settings: How.
    """

    def __init__(
        self,
        network: FusionNetwork,
        data: TrainingData,
        *,
        rows: tuple[Rows, Rows],
        settings: TrainingSettings,
    ) -> None:
        self.network = network
        self.data = data
        self.train_rows, self.validation_rows = rows
        self.settings = settings.suited_to(len(self.train_rows))
        self.module = network.trained_part()
        self.loss = BalancedLoss(network, rows_of(data.encoded, self.train_rows))
        self.labels = {name for name, head in network.heads.items() if head.reads_labels}
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.chance = Chance(self.module, seed=self.settings.seed, device=self.device)
        self.history = TrainingHistory()
        self.weights: dict[str, Tensor] = {}

    @torch.enable_grad()
    def run(self, advance: Callable[[int], None]) -> TrainingHistory:
        """Trains until the validation loss has not fallen for long enough.

        Args:
            advance: Called with 1 after each epoch, and with 0 before each step; what it raises
                ends the training.

        Raises:
            FloatingPointError: If a loss is not finite.
        """
        folder = self.settings.tensorboard
        writer = None if folder is None else summary_writer(folder)
        self.module.to(self.device)
        self.optimizer = AdamW(
            self.module.parameters(),
            weight_decay=self.settings.weight_decay,
            max_gradient=self.settings.max_gradient,
        )
        try:
            with self.chance.given_to_layers():
                for epoch in range(self.settings.epochs):
                    self._epoch(epoch, advance, writer)
                    advance(1)
                    if epoch + 1 - self.history.best_epoch >= self.settings.patience:
                        break
            self.module.load_delta_state_dict(self.weights)
        finally:
            if writer is not None:
                writer.close()
            self.module.cpu()
            self.network.eval()
        return self.history

    def _epoch(self, epoch: int, advance: Callable[[int], None], writer: Any) -> None:
        """All training rows once in a new order, then a look at the validation rows."""
        self.module.train()
        order = self.chance.numpy.permutation(self.train_rows)
        size = self.settings.batch_size or len(order)
        n_steps = -(-len(order) // size)
        losses, rates = [], []
        for place in range(n_steps):
            advance(0)
            step = epoch * n_steps + place
            rates.append(self._rate(step, n_steps * self.settings.epochs))
            losses.append(self._step(order[place * size : (place + 1) * size], rates[-1]))
        steps = torch.stack(losses).tolist()  # one wait for the device an epoch
        for place, value in enumerate(steps):
            _check(value, "training loss", f"step {epoch * n_steps + place + 1}")
        judged = self._judged()
        _check(judged, "validation loss", f"epoch {epoch + 1}")
        self.history.train_loss.append(sum(steps) / n_steps)
        self.history.validation_loss.append(judged)
        if judged <= min(self.history.validation_loss[:-1], default=math.inf):
            self._keep(epoch + 1)
        if writer is not None:
            for place, (value, rate) in enumerate(zip(steps, rates, strict=True)):
                writer.add_scalar("train/loss", value, epoch * n_steps + place + 1)
                writer.add_scalar("train/learning_rate", rate, epoch * n_steps + place + 1)
            writer.add_scalar("eval/loss", judged, (epoch + 1) * n_steps)

    def _step(self, rows: Rows, rate: float) -> Tensor:
        """One step of the optimiser; the loss before it."""
        batch = self.data.batch(rows, self.device)
        targets, weight = self.data.known(rows, self.device)
        if self.settings.noise:
            encoders, strength = self.module.encoders, self.settings.noise
            batch["inputs"] = with_noise(
                batch["inputs"], encoders, strength=strength, random=self.chance.numpy
            )
        mix = None
        if self.settings.mixup:
            strength = self.settings.mixup
            mix = Mixup.drawn(len(rows), strength=strength, random=self.chance.numpy)
        with self.chance.forward():
            raw = self.module(**batch, change=mix)

        def loss_of(some: Any) -> Tensor:
            found: Tensor = self.loss(raw, some, weight)
            return found

        loss = loss_of(targets) if mix is None else mix.loss(loss_of, targets, self.labels)
        loss.backward()
        self.optimizer.step(rate)
        return loss.detach()

    @torch.inference_mode()
    def _judged(self) -> float:
        """Loss of the validation rows."""
        self.module.eval()
        rows = self.validation_rows
        found: list[Raw] = [
            self.module(**self.data.batch(some, self.device))
            for some in np.array_split(rows, -(-len(rows) // EVALUATION_ROWS))
        ]
        raw = {name: torch.cat([each[name] for each in found]) for name in found[0]}
        targets, weight = self.data.known(rows, self.device)
        return float(self.loss(raw, targets, weight))

    def _keep(self, epoch: int) -> None:
        self.history.best_epoch = epoch
        self.weights = {k: v.clone() for k, v in self.module.delta_state_dict().items()}

    def _rate(self, step: int, n_steps: int) -> float:
        """Step size: a linear warm-up, then half a cosine down to zero.

        Source: Loshchilov and Hutter (2017), SGDR, equation 5, without restarts.
        """
        peak, n_warm = self.settings.learning_rate or 0.0, int(self.settings.warmup * n_steps)
        if step < n_warm:
            return peak * step / n_warm
        return peak * 0.5 * (1.0 + math.cos(math.pi * (step - n_warm) / max(1, n_steps - n_warm)))


def _moved(values: Any, device: torch.device) -> Any:
    """Tensors in nested dicts, on a device."""
    if isinstance(values, dict):
        return {name: _moved(value, device) for name, value in values.items()}
    return values.to(device)


def _check(loss: float, what: str, where: str) -> None:
    if not math.isfinite(loss):
        raise FloatingPointError(f"{what} must be finite, got {loss} in {where}. {ADVICE}")

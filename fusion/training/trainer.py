"""transformers' Trainer on model inputs: rows in, balanced loss out."""

import math
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from fusion.data.batch import ModelInputs
from fusion.network import Raw, TrainedPart
from fusion.system.processes import whole
from fusion.training.augment import Mixup, with_noise
from fusion.training.loss import BalancedLoss, known_mask

EVALUATION_ROWS = 4096
"""Rows that are judged at once where embeddings are ready."""


class RowDataset(Dataset[int]):
    """Positions of rows; the collator cuts the tensors, once for a whole mini-batch."""

    def __init__(self, rows: NDArray[np.int64]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def __getitem__(self, index: int) -> int:
        """Position of one row."""
        return int(self.rows[index])


class FusionTrainer(transformers.Trainer):
    """A Trainer whose mini-batches are cut out of `ModelInputs`.

    Args:
        module: What is trained.
        validation_rows: Positions of the rows that early stopping looks at.
        inputs: Model inputs of all rows.
        targets: Encoded targets of all rows for each head, NaN where there is none.
        balanced_loss: The loss.
        noise: See `TrainingSettings`.
        mixup: See `TrainingSettings`.
        arguments: What transformers' Trainer takes.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        validation_rows: NDArray[np.int64],
        inputs: ModelInputs,
        targets: Mapping[str, Tensor],
        balanced_loss: BalancedLoss,
        noise: float = 0.0,
        mixup: float = 0.0,
        **arguments: Any,
    ) -> None:
        super().__init__(model=module, data_collator=self._collate, **arguments)
        self.module = module
        self.validation_rows = validation_rows
        self.inputs = inputs
        self.targets = targets
        self.balanced_loss = balanced_loss
        self.noise = noise
        self.mixup = mixup
        self.evaluation_rows = EVALUATION_ROWS

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], *arguments: Any, **options: Any
    ) -> Tensor:
        """Balanced loss of one mini-batch."""
        targets = inputs.pop("targets")
        if model.training and self.noise:
            encoders = self.module.get_submodule("encoders")
            inputs["inputs"] = with_noise(
                inputs["inputs"], cast(nn.ModuleDict, encoders), strength=self.noise
            )
        if model.training and self.mixup:
            mix = Mixup.drawn(len(next(iter(targets.values()))), strength=self.mixup)
            raw = self.raw(model, {**inputs, "change": mix})
            return mix.loss(lambda some: self.balanced_loss(raw, some), targets, self._labels())
        loss: Tensor = self.balanced_loss(self.raw(model, inputs), targets)
        return loss

    def _labels(self) -> set[str]:
        """Heads whose targets are positions of labels."""
        return {name for name, head in self.balanced_loss.heads.items() if head.reads_labels}

    def raw(self, model: nn.Module, inputs: dict[str, Any]) -> Raw:
        """Raw outputs of every head for one mini-batch, float32."""
        return cast(Raw, model(**inputs))

    @torch.no_grad()
    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        """Mean balanced loss over the validation rows, as `eval_loss`."""
        self.module.eval()
        rows = self.validation_rows
        total, shares = 0.0, self._known_shares(rows)
        for start in range(0, len(rows), self.evaluation_rows):
            chunk = rows[start : start + self.evaluation_rows]
            batch = self._prepare_inputs(self._collate(chunk))
            targets = batch.pop("targets")
            loss = self.balanced_loss(self.raw(self.module, batch), targets, shares=shares)
            total += float(loss) * len(chunk)
        self.module.train()
        metrics = {"eval_loss": total / len(rows)}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def _collate(self, rows: Any) -> dict[str, Any]:
        chosen = np.asarray(rows, dtype=np.int64)
        return {**self.inputs.batch(chosen), "targets": self._targets_of(chosen)}

    def _known_shares(self, rows: NDArray[np.int64]) -> dict[str, float]:
        """Share of some rows that has the target of each head, in [0, 1]."""
        targets = self._targets_of(rows)
        return {name: float(known_mask(target).double().mean()) for name, target in targets.items()}

    def _targets_of(self, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        index = torch.as_tensor(rows)
        return {name: target[index] for name, target in self.targets.items()}


class BestWeights(transformers.TrainerCallback):
    """Keeps the weights of the epoch with the lowest validation loss, and stops when it is past.

    Args:
        patience: Epochs without a better loss before stopping.
        advance: Called with 1 after each epoch.
        advice: What to do where a loss is not finite.
    """

    facts: tuple[str, ...] = ("train_losses", "step_losses", "validation_losses", "best_epoch")
    """Names of what it knows besides weights."""

    def __init__(
        self,
        *,
        patience: int,
        advance: Callable[[int], None],
        advice: str = "Use a smaller learning_rate or weight_decay.",
    ) -> None:
        self.patience = patience
        self.advance = advance
        self.advice = advice
        self.train_losses: list[float] = []
        self.step_losses: list[float] = []
        self.validation_losses: list[float] = []
        self.best_epoch = 0
        self.weights: dict[str, Tensor] = {}

    def on_log(self, args: Any, state: Any, control: Any, **context: Any) -> None:
        """Notes the loss of a step.

        Raises:
            FloatingPointError: If it is not finite.
        """
        if "loss" not in context["logs"]:
            return
        loss = float(context["logs"]["loss"])
        self._check(loss, "training loss", f"step {state.global_step}")
        self.step_losses.append(loss)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **context: Any) -> None:
        """Notes the mean training loss of an epoch."""
        self.train_losses.append(sum(self.step_losses) / max(len(self.step_losses), 1))
        self.step_losses = []

    def on_evaluate(self, args: Any, state: Any, control: Any, **context: Any) -> None:
        """Compares, keeps, counts and perhaps stops.

        Raises:
            FloatingPointError: If the loss is not finite.
        """
        loss = float(context["metrics"]["eval_loss"])
        self._check(loss, "validation loss", f"epoch {len(self.validation_losses) + 1}")
        n_before = len(self.validation_losses)
        self.validation_losses.append(loss)
        self.advance(1)
        if self.validation_losses.index(min(self.validation_losses)) == n_before:
            self.best_epoch = len(self.validation_losses)
            self.weights = whole(context["model"].delta_state_dict())
        if self.is_past:
            control.should_training_stop = True

    @property
    def is_past(self) -> bool:
        """True where too many epochs have brought nothing better."""
        return len(self.validation_losses) - self.best_epoch >= self.patience

    def restore(self, module: nn.Module) -> None:
        """Puts the kept weights back."""
        cast(TrainedPart, module).load_delta_state_dict(self.weights)

    def _check(self, loss: float, what: str, where: str) -> None:
        if not math.isfinite(loss):
            raise FloatingPointError(f"{what} must be finite, got {loss} in {where}. {self.advice}")

"""transformers' Trainer on model inputs: rows in, balanced loss out."""

import math
from collections.abc import Callable, Mapping, Sequence
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
from fusion.training.loss import BalancedLoss, rows_of


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
        evaluation_rows: Rows that are judged at once.
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
        evaluation_rows: int,
        **arguments: Any,
    ) -> None:
        super().__init__(model=module, data_collator=self._collate, **arguments)
        self.module = module
        self.validation_rows = validation_rows
        self.inputs = inputs
        self.targets = targets
        self.balanced_loss = balanced_loss
        self.evaluation_rows = evaluation_rows

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], *arguments: Any, **options: Any
    ) -> Tensor:
        """Balanced loss of one mini-batch."""
        targets = inputs.pop("targets")
        loss: Tensor = self.balanced_loss(self.raw(model, inputs), targets)
        return loss

    def raw(self, model: nn.Module, inputs: dict[str, Any]) -> Raw:
        """Raw outputs of every head for one mini-batch, float32."""
        return cast(Raw, model(**inputs))

    @torch.no_grad()
    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        """Mean balanced loss over the validation rows, as `eval_loss`."""
        self.module.eval()
        rows = self.validation_rows
        found: list[Raw] = []
        targets: list[dict[str, Tensor]] = []
        for start in range(0, len(rows), self.evaluation_rows):
            some = rows[start : start + self.evaluation_rows]
            batch: dict[str, Any] = self._prepare_inputs(self._collate(some))
            targets.append(batch.pop("targets"))
            found.append(self.raw(self.module, batch))
        loss = self.balanced_loss(_joined(found), _joined(targets))
        self.module.train()
        metrics = {"eval_loss": float(loss)}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def _collate(self, rows: Any) -> dict[str, Any]:
        chosen = np.asarray(rows, dtype=np.int64)
        return {**self.inputs.batch(chosen), "targets": self._targets_of(chosen)}

    def _targets_of(self, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        return rows_of(self.targets, rows)


def _joined(chunks: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors of all rows by name, of those of some rows at a time."""
    return {name: torch.cat([chunk[name] for chunk in chunks]) for name in chunks[0]}


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

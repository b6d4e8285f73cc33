"""transformers' Trainer on numbered batches: every step can be begun anew with the same outcome."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from fusion.pretraining.batches import Batches, seed_of
from fusion.pretraining.losses import Losses
from fusion.pretraining.objective import Batch, Objective
from fusion.tuning.checkpoints import commit


class PretrainingTrainer(transformers.Trainer):
    """A Trainer whose rows are whole batches, and whose chance follows from the step alone.

    Args:
        objective: What is trained.
        training: Batches of the training rows, of all epochs.
        validation: Batches of the held-out rows, of one epoch.
        losses: The losses so far; they are kept up to date.
        arguments: What transformers' Trainer takes.
    """

    def __init__(
        self,
        objective: Objective,
        *,
        training: Batches,
        validation: Batches,
        losses: Losses,
        **arguments: Any,
    ) -> None:
        super().__init__(
            model=objective,
            train_dataset=training,
            eval_dataset=validation,
            data_collator=_only,
            **arguments,
        )
        self.objective: Objective = objective
        self.validation = validation
        self.losses = losses

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        """Matrices and kernels; scales, shifts and single numbers are not pulled to zero."""
        return [name for name, weight in model.named_parameters() if weight.ndim > 1]

    def training_step(self, *arguments: Any, **options: Any) -> Tensor:
        """One step, whose dropout has a seed of its own; its loss is noted."""
        torch.manual_seed(seed_of(self.args.seed, self.state.global_step))
        loss = super().training_step(*arguments, **options)
        self.losses.add(float(loss))
        return loss

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], *_: Any, **options: Any
    ) -> Tensor:
        """Loss of one batch.

        Raises:
            FloatingPointError: If it is not finite.
        """
        loss: Tensor = model(inputs)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss must be finite, got {loss.item()} after {self.state.global_step} steps. "
                "Use a smaller learning_rate or weight_decay, and another output folder."
            )
        return loss

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Weights of encoders and heads; the file format takes no channels-last memory."""
        state = self.objective.state_dict()
        self._save(output_dir, {name: tensor.contiguous() for name, tensor in state.items()})

    @torch.no_grad()
    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        """Ends an epoch: mean loss over the held-out rows, with the same chance every time."""
        self.objective.eval()
        total = 0.0
        for number, rows in enumerate(self.validation.rows_of(0)):
            batch = self._prepare_inputs({**self.validation[number]})
            total += float(self.compute_loss(self.objective, batch)) * len(rows)
        self.losses.close_epoch(total / len(self.validation.rows))
        metrics = {"eval_loss": self.losses.validation[-1]}
        self.log({"loss": self.losses.training[-1], **metrics})
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics


class StepByStep(transformers.TrainerCallback):
    """Counts epochs as people do, shows each step, and makes complete checkpoints count.

    Args:
        per_epoch: Steps of an epoch.
        losses: The losses so far.
        advance: Called with 1 after each step.
    """

    def __init__(self, *, per_epoch: int, losses: Losses, advance: Callable[[int], None]) -> None:
        self.per_epoch = per_epoch
        self.losses = losses
        self.advance = advance

    def on_step_end(self, args: Any, state: Any, control: Any, **context: Any) -> None:
        """Tells logs and progress bar where the run is; to the Trainer, all is one epoch."""
        state.epoch = state.global_step / self.per_epoch
        self.advance(1)

    def on_save(self, args: Any, state: Any, control: Any, **context: Any) -> None:
        """Writes the receipt of what the Trainer has just saved."""
        commit(Path(args.output_dir) / f"checkpoint-{state.global_step}", self.losses)


def _only(batches: list[Batch]) -> Batch:
    """The one batch of a list: there is nothing to collate."""
    (batch,) = batches
    return batch

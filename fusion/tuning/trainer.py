"""transformers' Trainer for encoders: row order, step sizes, augmentation, states to go on from."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from torch import nn
from torch.utils.checkpoint import checkpoint

from encoders.dtype import Precision
from fusion.data.batch import ModelInputs
from fusion.network import Raw
from fusion.progress import Work
from fusion.system.processes import processes
from fusion.tuning.checkpoints import Checkpoint, commit
from fusion.tuning.fusion_trainer import BestWeights, FusionTrainer
from fusion.tuning.guards import check_whole_weights, lower_rate
from fusion.tuning.optimiser import parameter_groups, schedules
from fusion.tuning.order import RowOrder
from fusion.tuning.settings import TuningSettings
from fusion.tuning.states import Batches, Progress

BEST = "best.safetensors"


class TuningTrainer(FusionTrainer):
    """A `FusionTrainer` whose encoders learn too.

    Args:
        settings: How.
        order: In which order rows are seen.
        depth_of: See `fusion.tuning.optimiser.depths`.
        precision: What is computed in; weights, gradients and losses are float32.
        arguments: What `FusionTrainer` takes.
    """

    def __init__(
        self,
        *,
        settings: TuningSettings,
        order: RowOrder,
        depth_of: Mapping[int, int],
        precision: Precision,
        **arguments: Any,
    ) -> None:
        super().__init__(evaluation_rows=settings.batch_size, **arguments)
        check_whole_weights(self.accelerator.state)
        self.settings = settings
        self.order = order
        self.depth_of = depth_of
        self.precision = precision
        self.data_collator = self._collate_changed

    def raw(self, model: nn.Module, inputs: dict[str, Any]) -> Raw:
        """Raw outputs of every head for one mini-batch, float32 whatever is computed in.

        Why not the Trainer's own `bf16`: under FSDP it rounds weights but not what meets them.
        """
        low = self.precision == "bfloat16"
        with torch.autocast(self.args.device.type, dtype=torch.bfloat16, enabled=low):
            raw = super().raw(model, inputs)
        return {name: tensor.float() for name, tensor in raw.items()}

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW with a step size for each depth."""
        if self.optimizer is None:
            groups = parameter_groups(model or self.module, self.depth_of, self.settings)
            self.optimizer = torch.optim.AdamW(groups, lr=self.settings.learning_rate, fused=True)
        return self.optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """Warm-up and cosine, by depth where layers wake one after the other."""
        if self.lr_scheduler is None:
            optimizer = optimizer or self.optimizer
            assert optimizer is not None  # transformers makes it first
            factors = schedules(optimizer, n_steps=num_training_steps, settings=self.settings)
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factors)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Convolutions keep their channels last in memory, which the file format does not know."""
        state = self.module.state_dict() if state_dict is None else state_dict
        super()._save(output_dir, {name: tensor.contiguous() for name, tensor in state.items()})

    def _get_train_sampler(self, train_dataset: Any = None) -> RowOrder:
        return self.order

    def _collate_changed(self, rows: Sequence[int]) -> dict[str, Any]:
        """A mini-batch whose texts and photos are changed, by seed, epoch and rows alone."""
        chosen = np.asarray(rows, dtype=np.int64)
        seeds = np.random.SeedSequence([self.settings.seed, self.order.epoch, *chosen.tolist()])
        inputs = with_changed_texts(self.inputs, chosen, settings=self.settings, seeds=seeds)
        batch = {**inputs.batch(np.arange(len(chosen))), "targets": self._targets_of(chosen)}
        generator = torch.Generator().manual_seed(int(seeds.generate_state(2)[1]))
        for tensors in batch["inputs"].values():
            if "pixels" in tensors:
                tensors["pixels"] = self.settings.photos(tensors["pixels"], generator=generator)
        return batch


def with_changed_texts(
    inputs: ModelInputs, rows: Any, *, settings: TuningSettings, seeds: np.random.SeedSequence
) -> ModelInputs:
    """Inputs of some rows, their texts changed as the settings say."""
    few = inputs.take(rows)
    if settings.text.is_off:
        return few
    random = np.random.default_rng(seeds)
    return replace(
        few,
        values={
            modality: [
                settings.text(value, random=random) if isinstance(value, str) else value
                for value in values
            ]
            for modality, values in few.values.items()
        },
    )


class TuningProgress(BestWeights):
    """Keeps the best weights and the losses, also in every state that is saved.

    The state after the last step of an epoch is saved when the epoch is judged, not before: a run
    that goes on from it would not come by the judgement again.

    Args:
        settings: How the model is tuned.
        order: In which order rows are seen; it is told which epoch begins.
        saves: True where states are saved.
        work: Is told of finished steps.
    """

    facts = (*BestWeights.facts, "first_loss")

    def __init__(
        self, settings: TuningSettings, *, order: RowOrder, saves: bool, work: Work
    ) -> None:
        super().__init__(
            patience=settings.patience,
            advance=lambda count: None,
            advice=lower_rate(settings),
        )
        self.batches = Batches(settings.batch_size, settings.accumulation)
        self.order = order
        self.saves = saves
        self.first_loss = 0.0
        self.work = work

    def on_log(self, args: Any, state: Any, control: Any, **context: Any) -> None:
        """Notes the loss of a step, and which was the first."""
        super().on_log(args, state, control, **context)
        if state.global_step == 1 and "loss" in context["logs"]:
            self.first_loss = float(context["logs"]["loss"])

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **context: Any) -> None:
        """Tells the order which epoch it is, also in the middle of one that goes on."""
        self.order.begin(state.global_step // self.order.n_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **context: Any) -> None:
        """Moves the bar; an epoch's last state waits for its end."""
        self.work(1)
        if state.global_step % self.order.n_steps == 0:
            control.should_save = False

    def on_epoch_end(self, args: Any, state: Any, control: Any, **context: Any) -> None:
        """Notes the epoch's loss and has the state saved, which happens after the evaluation."""
        super().on_epoch_end(args, state, control, **context)
        control.should_save = self.saves

    def on_save(self, args: Any, state: Any, control: Any, **context: Any) -> None:
        """Adds the best weights to a checkpoint and makes it count, with the losses so far."""
        processes().wait_for_everyone()  # each process adds files of its own
        if not args.should_save:
            return
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if self.weights:
            content = save({k: v.contiguous() for k, v in self.weights.items()})
            (folder / BEST).write_bytes(content)
        notes = {name: getattr(self, name) for name in self.facts}
        commit(folder, Progress(**notes, batches=self.batches))

    def go_on_from(self, found: Checkpoint[Progress]) -> None:
        """Takes losses and best weights back from a checkpoint."""
        for name in self.facts:
            setattr(self, name, getattr(found.notes, name))
        if (found.folder / BEST).is_file():
            self.weights = load((found.folder / BEST).read_bytes())
        self.work.known(found.step)


@contextmanager
def activations_recomputed(blocks: Sequence[nn.Module]) -> Iterator[None]:
    """Activations of these blocks are computed again in the backward pass instead of being kept.

    Source: Chen et al. (2016), Training Deep Nets with Sublinear Memory Cost.
    """
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward

"""The losses of a run, epoch by epoch, also of one that is stopped in the middle of an epoch."""

from dataclasses import dataclass, field

from pydantic import with_config

from fusion.system.documents import EXACT, Count, Finite


@with_config(EXACT)
@dataclass
class Losses:
    """Mean losses of the epochs that are over, and the sum of the one that is not.

    Args:
        training: Mean loss of each epoch's batches, while the weights changed.
        validation: Mean loss of the held-out rows after each epoch.
        running: Sum of the losses of the batches since.
        n_running: Their number.
    """

    training: list[Finite] = field(default_factory=list)
    validation: list[Finite] = field(default_factory=list)
    running: Finite = 0.0
    n_running: Count = 0

    def add(self, loss: float) -> None:
        """Notes the loss of one training batch."""
        self.running += loss
        self.n_running += 1

    def close_epoch(self, validation: float) -> None:
        """Notes that an epoch is over."""
        self.training.append(self.running / self.n_running)
        self.validation.append(validation)
        self.running, self.n_running = 0.0, 0

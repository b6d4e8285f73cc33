"""What a training run can be told."""

import math
from pathlib import Path

from pydantic import ConfigDict, Field

from fusion.choices.mistakes import RunSettings


class TrainingSettings(RunSettings):
    """Settings of one training run; every field has a default that works.

    Raises:
        ValueError: If a field is out of its range; all faults are listed together.

    Example:
        >>> settings = TrainingSettings().suited_to(1000)
        >>> settings.batch_size, settings.learning_rate
        (62, 0.002)
    """

    model_config = ConfigDict(frozen=True)

    folds: int = Field(
        default=4,
        ge=1,
        description="Parts of the rows; what did not learn from one answers it, and stops by it.",
    )
    epochs: int = Field(default=80, ge=1, description="Passes over the training rows, at most.")
    batch_size: int | None = Field(
        default=None,
        ge=1,
        lt=2**31,
        description="Rows in one mini-batch; where absent, a 16th of the rows, in 32..256.",
    )
    learning_rate: float | None = Field(
        default=None,
        gt=0,
        description="Peak step size of AdamW; 0.004 x sqrt(batch_size / 256) where absent.",
    )
    weight_decay: float = Field(
        default=1e-2,
        ge=0,
        le=100,  # each step multiplies weights by 1 - learning rate x this, which must not be < 0
        description="L2 shrinkage of AdamW.",
    )
    warmup: float = Field(default=0.05, ge=0, lt=1, description="Share of steps that warm up.")
    patience: int = Field(
        default=12, ge=1, description="Epochs without a better validation loss before stopping."
    )
    noise: float = Field(
        default=0.0,
        ge=0,
        description="Numbers are moved by so many of their deviations while training.",
    )
    mixup: float = Field(
        default=0.0,
        ge=0,
        description="Embeddings and targets of two rows are mixed while training; 0.2 is usual.",
    )
    max_gradient: float = Field(default=1.0, gt=0, description="Gradient norm is clipped to this.")
    threads: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Threads of networks, which are trained so many at once, of other members and "
        "of the methods they are measured against; where absent, all for networks and 1 else.",
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="Seed of weights, order, dropout.")
    tensorboard: Path | None = Field(
        default=None, description="Folder for TensorBoard logs; none are written where absent."
    )

    def suited_to(self, n_rows: int) -> "TrainingSettings":
        """The same with batch size and learning rate chosen for a number of training rows.

        Why: a few hundred rows need small mini-batches to be seen often enough; smaller batches
        need smaller steps (Krizhevsky 2014, section 5, the square-root rule).
        """
        batch_size = self.batch_size or min(max(n_rows // 16, 32), 256)
        rate = self.learning_rate or round(4e-3 * math.sqrt(batch_size / 256), 4)
        return self.model_copy(update={"batch_size": batch_size, "learning_rate": rate})

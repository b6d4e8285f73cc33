"""What a training run can be told."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class TrainingSettings(BaseModel):
    """Settings of one training run; every field has a default that works.

    Raises:
        ValueError: If a field is out of its range; all faults are listed together.

    Example:
        >>> TrainingSettings(epochs=5).batch_size
        256
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(default=80, ge=1, description="Passes over the training rows, at most.")
    batch_size: int = Field(default=256, ge=1, description="Rows in one mini-batch.")
    learning_rate: float = Field(default=4e-3, gt=0, description="Peak step size of AdamW.")
    weight_decay: float = Field(default=1e-2, ge=0, description="L2 shrinkage of AdamW.")
    warmup: float = Field(default=0.05, ge=0, lt=1, description="Share of steps that warm up.")
    patience: int = Field(
        default=16, ge=1, description="Epochs without a better validation loss before stopping."
    )
    max_gradient: float = Field(default=1.0, gt=0, description="Gradient norm is clipped to this.")
    seed: int = Field(default=0, ge=0, lt=2**31, description="Seed of weights, order, dropout.")
    tensorboard: Path | None = Field(
        default=None, description="Folder for TensorBoard logs; none are written where absent."
    )

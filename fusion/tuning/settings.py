"""What fine-tuning can be told."""

from pathlib import Path
from typing import Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from encoders.adapter import Adapter
from encoders.dtype import resolve_dtype
from encoders.image.augmentation import GENTLE, PhotoAugmentation
from encoders.spelling import unknown_name
from encoders.text.augmentation import TextAugmentation
from fusion.choices.mistakes import RunSettings
from fusion.modalities import MODALITIES

Mode = Literal["none", "lora", "last_layers", "full", "gradual"]


class TuningSettings(RunSettings):
    """How pretrained encoders are tuned on the target before their embeddings are kept.

    Raises:
        ValueError: If a field is out of its range; all faults are listed together.

    Example:
        >>> TuningSettings(mode="last_layers").adapter
        Adapter(kind='layers', layers=2, rank=8, is_trainable=True)
    """

    model_config = ConfigDict(frozen=True)

    mode: Mode = Field(
        default="last_layers",
        description="none: frozen; last_layers: the last layers; full: all, embeddings too; "
        "gradual: the last layer first, then one more at a time; lora: low-rank matrices beside "
        "the weights of the last layers (extra lora).",
    )
    modalities: tuple[str, ...] | None = Field(
        default=None, description="Which modalities are tuned; all whose encoders can be, if None."
    )
    layers: int = Field(
        default=2, ge=1, description="Last layers (of a ResNet: stages) that are reached."
    )
    rank: int = Field(default=8, ge=1, description="Rank of the matrices of lora.")
    folds: int = Field(
        default=4,
        ge=1,
        description="Parts of the rows: the embedding of a row that the head learns from comes "
        "from encoders tuned on the other parts. 1: the head learns from rows that the encoders "
        "were tuned on, and the report says so.",
    )
    epochs: int = Field(default=3, ge=1, description="Passes over the rows, at most.")
    patience: int = Field(
        default=2, ge=1, description="Epochs without a better validation loss before stopping."
    )
    batch_size: int = Field(default=32, ge=1, description="Rows in one step of one process.")
    accumulation: int = Field(
        default=1, ge=1, description="Batches whose gradients are summed before a step."
    )
    learning_rate: float = Field(
        default=3e-4, gt=0, description="Peak step size of the last layer of an encoder."
    )
    layer_decay: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="Each layer takes so much smaller steps than the one after it.",
    )
    head_learning_rate: float = Field(
        default=1e-3, gt=0, description="Peak step size of fusion and heads while tuning."
    )
    weight_decay: float = Field(
        default=1e-2,
        ge=0,
        le=100,  # each step multiplies weights by 1 - learning rate x this, which must not be < 0
        description="L2 shrinkage of AdamW.",
    )
    warmup: float = Field(default=0.06, ge=0, lt=1, description="Share of steps that warm up.")
    max_gradient: float = Field(default=1.0, gt=0, description="Gradient norm is clipped to this.")
    dropout: float | None = Field(
        default=None, ge=0, lt=1, description="Of the encoders' layers; the checkpoint's if absent."
    )
    checkpointing: bool = Field(
        default=False, description="Compute activations twice to hold fewer of them."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="Of the computation; auto is bfloat16 where the processor has it.",
    )
    balance: bool = Field(
        default=False,
        description="Draw each class, or each of ten equal ranges of a number, equally often.",
    )
    text: TextAugmentation = Field(
        default=TextAugmentation(), description="Changes of texts while tuning."
    )
    photos: PhotoAugmentation = Field(default=GENTLE, description="Changes of photos while tuning.")
    workers: int = Field(
        default=0, ge=0, description="Processes that read ahead; worth it with a GPU and photos."
    )
    save_steps: int = Field(
        default=100, ge=1, description="Steps between two states that a killed run goes on from."
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="Seed of order, weights, dropout.")
    tensorboard: Path | None = Field(
        default=None, description="Folder for TensorBoard logs; none are written where absent."
    )

    @field_validator("modalities")
    @classmethod
    def _are_known(cls, modalities: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if unknown := [name for name in modalities or () if name not in MODALITIES]:
            raise ValueError(
                "\n".join(unknown_name("a modality", name, MODALITIES) for name in unknown)
            )
        return modalities

    @field_validator("precision")
    @classmethod
    def _can_be_computed(cls, precision: str) -> str:
        resolve_dtype(precision, name="precision")
        return precision

    @model_validator(mode="after")
    def _something_to_tune(self) -> Self:
        if self.mode != "none" and self.modalities == ():
            raise ValueError("modalities must name one or more, got none. Or mode='none'.")
        return self

    @property
    def adapter(self) -> Adapter:
        """What these settings let encoders change.

        Raises:
            ValueError: If the mode is none.
        """
        if self.mode == "none":
            raise ValueError("mode must not be 'none' to tune: nothing would change.")
        layers = None if self.mode == "full" else self.layers
        return Adapter("lora" if self.mode == "lora" else "layers", layers, self.rank)

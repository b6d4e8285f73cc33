"""What a pretraining run can be told."""

from pathlib import Path
from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from fusion.choices.mistakes import RunSettings

ObjectiveName = Literal["contrastive", "mlm", "self_supervised"]
OBJECTIVE_MODALITIES: dict[str, tuple[str, ...]] = {
    "contrastive": ("text", "image"),
    "mlm": ("text",),
    "self_supervised": ("image",),
}
"""What each objective learns from; an item takes part if it has all of it."""
_OWN_FIELDS = {
    "contrastive": {"loss", "temperature", "text_layers", "image_layers", "image_size"},
    "mlm": {"mask_share", "text_layers"},
    "self_supervised": {"image_layers", "image_size"},
}
_LEARNING_RATES = {"contrastive": 1e-4, "mlm": 1e-4, "self_supervised": 1e-3}
_TEMPERATURES = {"clip": 0.07, "siglip": 0.1}


class PretrainingSettings(RunSettings):
    """Settings of one pretraining run; every field but the objective has a default that works.

    Raises:
        ValueError: If a field is out of its range or belongs to another objective; all faults are
            listed together.

    Example:
        >>> PretrainingSettings(objective="contrastive").suited().learning_rate
        0.0001
    """

    model_config = ConfigDict(frozen=True)

    objective: ObjectiveName = Field(
        description="contrastive: photos and texts of the same items; mlm: texts; "
        "self_supervised: photos."
    )
    loss: Literal["clip", "siglip"] = Field(
        default="clip",
        description="Of contrastive: softmax over the batch, or a sigmoid for each pair.",
    )
    text_layers: int | None = Field(
        default=None, ge=0, description="Last layers of the text encoder that train; none: all."
    )
    image_layers: int | None = Field(
        default=None, ge=0, description="Last stages of the photo encoder that train; none: all."
    )
    image_size: int | None = Field(
        default=None,
        ge=32,
        description="Side of the photos in pixels, now and later; none: that of the weights.",
    )
    epochs: int = Field(default=10, ge=1, description="Passes over the training rows.")
    batch_size: int = Field(default=64, ge=1, description="Rows in one mini-batch, at most.")
    learning_rate: float | None = Field(
        default=None,
        gt=0,
        description="Peak step size of AdamW; none: 0.001 for self_supervised, else 0.0001.",
    )
    weight_decay: float = Field(
        default=1e-2,
        ge=0,
        le=100,  # each step multiplies weights by 1 - learning rate x this, which must not be < 0
        description="L2 shrinkage of AdamW.",
    )
    warmup: float = Field(default=0.1, ge=0, lt=1, description="Share of steps that warm up.")
    max_gradient: float = Field(default=1.0, gt=0, description="Gradient norm is clipped to this.")
    temperature: float | None = Field(
        default=None,
        ge=0.01,
        description="Of contrastive, where its learning begins; none: 0.07 for clip, else 0.1.",
    )
    mask_share: float = Field(
        default=0.15, gt=0, lt=1, description="Of mlm: share of the tokens that are guessed."
    )
    validation: float = Field(
        default=0.1, gt=0, lt=1, description="Share of the rows that only measure the loss."
    )
    save_steps: int = Field(default=200, ge=1, description="Steps that a kill can cost, at most.")
    seed: int = Field(default=0, ge=0, lt=2**31, description="Seed of everything random.")
    tensorboard: Path | None = Field(
        default=None, description="Folder for TensorBoard logs; none are written where absent."
    )

    @property
    def modalities(self) -> tuple[str, ...]:
        """What the objective learns from."""
        return OBJECTIVE_MODALITIES[self.objective]

    @property
    def layers(self) -> dict[str, int | None]:
        """Last layers that train of each encoder; None is all of them."""
        both = {"text": self.text_layers, "image": self.image_layers}
        return {modality: both[modality] for modality in self.modalities}

    def suited(self) -> Self:
        """The same with the learning rate and temperature that suit the objective."""
        rate = self.learning_rate or _LEARNING_RATES[self.objective]
        filled = {"learning_rate": rate}
        if self.objective == "contrastive":
            filled["temperature"] = self.temperature or _TEMPERATURES[self.loss]
        return self.model_copy(update=filled)

    @model_validator(mode="after")
    def _fields_of_the_objective(self) -> Self:
        fields = type(self).model_fields
        foreign = sorted(
            name
            for name in set().union(*_OWN_FIELDS.values()) - _OWN_FIELDS[self.objective]
            if getattr(self, name) != fields[name].default
        )
        if foreign:
            raise ValueError(
                f"{', '.join(foreign)} must be left out with objective {self.objective!r}."
            )
        if all(n_layers == 0 for n_layers in self.layers.values()):
            names = " or ".join(f"{modality}_layers" for modality in self.modalities)
            raise ValueError(f"{names} must be at least 1, got 0: nothing would be learned.")
        return self

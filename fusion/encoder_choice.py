"""Which encoders a user chose, checked by their names: usual ones are known without torch."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from encoders.names import BACKENDS, DECODERS, KNOWN, RESNETS
from fusion.errors import unknown_name
from fusion.mistakes import Mistakes

if TYPE_CHECKING:
    from encoders.base import Encoder


@dataclass(frozen=True)
class EncoderChoice:
    """Which encoders read text and photos.

    Args:
        text: `minilm`, `tfidf`, a hub id or folder of a BERT-family checkpoint, or an encoder.
        image: `resnet18` .. `resnet152`, `colour_texture`, or an encoder.
        weights: Weights of a ResNet: `clothing18`, `imagenet`, a torchvision name, a safetensors
            file, or None for none.
        decoder: `exact`, or `fast`: large JPEGs are decoded at a fraction of their size.
        backend: What runs a text checkpoint: `torch`, or `onnx` or `openvino` for int8 on the CPU.

    Raises:
        ConfigError: With every name that is unknown or is that of an encoder of another modality.
    """

    text: "str | Encoder" = "minilm"
    image: "str | Encoder" = "resnet18"
    weights: str | Path | None = "clothing18"
    decoder: str = "exact"
    backend: str = "torch"

    def __post_init__(self) -> None:
        if isinstance(self.text, Path):
            object.__setattr__(self, "text", str(self.text))
        mistakes = Mistakes()
        mistakes.add(_text_mistakes(self.text))
        mistakes.add(_image_mistakes(self.image))
        for name, value, valid in (
            ("decoder", self.decoder, DECODERS),
            ("backend", self.backend, BACKENDS),
        ):
            if value not in valid:
                mistakes.add([unknown_name(name, value, valid)])
        if not isinstance(self.weights, str | Path | None):
            mistakes.add([f"image_weights must be a name, a file or None, got {self.weights!r}."])
        if self.backend in BACKENDS[1:] and not is_checkpoint(self.text):
            got = self.text if isinstance(self.text, str) else type(self.text).__name__
            mistakes.add(
                [
                    f"text must be minilm, a hub id or a folder with backend {self.backend!r}, got "
                    f"{got}. Use backend='torch'."
                ]
            )
        mistakes.refuse()


def is_checkpoint(choice: object) -> bool:
    """True for what is, or looks like, a checkpoint: `minilm`, a folder or a hub id."""
    return isinstance(choice, str) and (
        choice == "minilm" or "/" in choice or Path(choice).is_dir()
    )


def _text_mistakes(choice: object) -> list[str]:
    if is_checkpoint(choice) or (isinstance(choice, str) and choice in KNOWN["text"]):
        return []
    if not isinstance(choice, str) and (found := _built_mistakes("text", choice)) is not None:
        return found
    if choice in _registered("text"):
        return []
    hub = ["a hub id such as google-bert/bert-base-uncased", "a folder"]
    return [unknown_name("text_encoder", choice, ["minilm", *_registered("text"), *hub])]


def _image_mistakes(choice: object) -> list[str]:
    if isinstance(choice, str) and choice in (*RESNETS, *KNOWN["image"]):
        return []
    if not isinstance(choice, str) and (found := _built_mistakes("image", choice)) is not None:
        return found
    valid = [*RESNETS, *_registered("image")]
    return [] if choice in valid else [unknown_name("image_encoder", choice, valid)]


def _built_mistakes(modality: str, choice: object) -> list[str] | None:
    """What is wrong with a built encoder; None where it is none."""
    from encoders import Encoder  # torch, which whoever built one has imported

    if not isinstance(choice, Encoder):
        return None
    if choice.modality == modality:
        return []
    got = f"{type(choice).__name__}, which reads {choice.modality}"
    return [f"{modality}_encoder must be an encoder that reads {modality}, got {got}."]


def _registered(modality: str) -> list[str]:
    """Encoders of a modality that are chosen by their names in `ENCODERS`.

    `bert` and `resnet` are chosen by the name of their weights.
    """
    if "encoders.registry" not in sys.modules:  # then nobody has added any
        return list(KNOWN[modality])
    from encoders import ENCODERS

    names = (name for name, kind in ENCODERS.items() if kind.modality == modality)
    return [name for name in names if name not in ("bert", "resnet")]

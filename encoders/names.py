"""What is known of encoders without importing them: to check a choice needs no torch.

An encoder needs an entry only if it is the default of a modality, is chosen by other names than its
own, or has options of a few values. What is not here, its class says once it is chosen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
"""Architectures of photo networks."""
PHOTO_DECODERS = ("exact", "fast")
"""How photos are decoded."""
BACKENDS = ("torch", "onnx", "openvino")
"""What runs a text network."""
PLACES = ("checkpoint", "weights")
"""Options that say where weights lie; an encoder of one's own calls them so too."""


@dataclass(frozen=True)
class Known:
    """What can be chosen of one entry of `ENCODERS`.

    Args:
        kind: What it reads: `text`, `image`, `table`.
        named_by: The option that the chosen name stands for, where it is not chosen by its own
            name: `resnet50` is the `architecture` of `resnet`.
        names: Names that are chosen in its place.
        reads_checkpoints: Any folder or hub id can be chosen too.
        learns: It is fitted on the training rows.
        options: Options that a user may give -> their valid values; None: the encoder says.
    """

    kind: str
    named_by: str = ""
    names: tuple[str, ...] = ()
    reads_checkpoints: bool = False
    learns: bool = False
    options: Mapping[str, tuple[str, ...] | None] | None = field(default_factory=dict)


KNOWN: dict[str, Known] = {
    "bert": Known(
        "text",
        named_by="checkpoint",
        names=("minilm",),
        reads_checkpoints=True,
        options={
            "pooling": None,
            "max_length": None,
            "long_text": None,
            "dtype": None,
            "revision": None,
            "backend": BACKENDS,
        },
    ),
    "resnet": Known(
        "image",
        named_by="architecture",
        names=RESNETS,
        options={
            "weights": None,
            "weights_sha256": None,
            "dtype": None,
            "decoder": PHOTO_DECODERS,
            "preprocessing": None,
        },
    ),
    "efficientnet_lite0": Known(
        "image",
        options={
            "weights": ("imagenet",),
            "dtype": None,
            "decoder": PHOTO_DECODERS,
            "preprocessing": None,
        },
    ),
    "tfidf": Known("text", learns=True, options={"embedding_dim": None, "min_count": None}),
    "colour_texture": Known("image"),
    "numeric": Known(
        "table", learns=True, options={"category_dim": None, "n_bins": None, "min_count": None}
    ),
}
"""Entries of `ENCODERS` of which more is known than what kind they read."""

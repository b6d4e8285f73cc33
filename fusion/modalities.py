"""Stand-in until m1's table lands."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Modality:
    """One modality."""

    name: str
    kind: str
    roles: tuple[str, ...]
    default_encoder: str


MODALITIES = {
    "text": Modality("text", "text", ("text",), "minilm"),
    "image": Modality("image", "image", ("image",), "resnet18"),
    "row": Modality("row", "text", ("row",), "tfidf"),
    "numeric": Modality("numeric", "table", ("numeric", "categorical", "dates"), "numeric"),
    "history": Modality("history", "table", ("history",), "numeric"),
}

"""Precision of a store: embeddings of one encoder are not mixed, and not made twice."""

from pathlib import Path

from encoders.base import Encoder
from encoders.dtype import (
    Precision,
    TwoPrecisions,
    in_precision,
    precision_of,
    processor_has_bfloat16,
)
from fusion.progress import say_once
from fusion.store.description import holds_embeddings


def as_kept(encoder: Encoder, store: Path | None) -> Encoder:
    """The encoder in the format that a store holds its embeddings in; without any, as it is.

    Why: which format is the quicker one differs from processor to processor; a store that moves,
    or that several machines share, is worth more than that.

    Args:
        encoder: One whose format nobody asked for.
        store: Folder of the store.
    """
    mine = precision_of(encoder)
    if store is None or mine is None or not isinstance(encoder, TwoPrecisions):
        return encoder
    other: Precision = "float32" if mine == "bfloat16" else "bfloat16"
    if not holds_embeddings(store / encoder.fingerprint_in(other)):
        return encoder
    if other == "bfloat16" and not processor_has_bfloat16():
        say_once(
            f"The store {store} holds {encoder.modality} embeddings in bfloat16, which this "
            "processor lacks: it computes in float32, and keeps those embeddings beside them. They "
            "differ in the third digit."
        )
        return encoder
    mine_too = holds_embeddings(store / encoder.fingerprint)
    return encoder if mine_too else in_precision(encoder, other)

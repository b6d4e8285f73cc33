"""Embedding store: frozen encoders run once for each distinct content."""

from fusion.store.embed import Embedded, StoreReport, embed_values
from fusion.store.keys import content_key, keyed_values
from fusion.store.merge import merge_stores
from fusion.store.precision import as_kept
from fusion.store.segments import SegmentStore

__all__ = [
    "Embedded",
    "SegmentStore",
    "StoreReport",
    "as_kept",
    "content_key",
    "embed_values",
    "keyed_values",
    "merge_stores",
]

"""Embedding store: frozen encoders run once for each distinct content."""

from typing import TYPE_CHECKING

from fusion.first_use import on_first_use

if TYPE_CHECKING:
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

__getattr__ = on_first_use(
    __name__,
    {
        "Embedded": "embed",
        "StoreReport": "embed",
        "embed_values": "embed",
        "content_key": "keys",
        "keyed_values": "keys",
        "merge_stores": "merge",
        "as_kept": "precision",
        "SegmentStore": "segments",
    },
)

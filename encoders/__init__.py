"""Raw values of one modality in, embeddings out; `registry.py` shows every encoder on one screen.

Names are imported when they are first used: what reads a photo's size or a job's state uses files
of this room that need no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from encoders.base import Encoder
    from encoders.check import check_encoder
    from encoders.image.colour_texture import ColourTextureEncoder
    from encoders.image.efficientnet_lite0 import EfficientNetLite0Encoder
    from encoders.image.resnet import ResNetEncoder
    from encoders.registry import ENCODERS
    from encoders.table.numeric import NumericEncoder
    from encoders.text.bert import BertEncoder
    from encoders.text.tfidf import TfidfEncoder

__all__ = [
    "ENCODERS",
    "BertEncoder",
    "ColourTextureEncoder",
    "EfficientNetLite0Encoder",
    "Encoder",
    "NumericEncoder",
    "ResNetEncoder",
    "TfidfEncoder",
    "check_encoder",
]


def __getattr__(name: str) -> Any:
    """A public name, imported now."""
    if name not in __all__:
        raise AttributeError(f"module 'encoders' has no attribute {name!r}")
    place = "check" if name == "check_encoder" else "registry"
    return getattr(import_module(f"encoders.{place}"), name)

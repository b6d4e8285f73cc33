"""Every encoder on one screen.

Another encoder is one file, one line here and one test file; `check_encoder` tests its laws.
"""

from encoders.base import Encoder
from encoders.bert import BertEncoder
from encoders.colour_texture import ColourTextureEncoder
from encoders.numeric import NumericEncoder
from encoders.resnet import ResNetEncoder
from encoders.tfidf import TfidfEncoder

ENCODERS: dict[str, type[Encoder]] = {
    "bert": BertEncoder,
    "resnet": ResNetEncoder,
    "tfidf": TfidfEncoder,
    "colour_texture": ColourTextureEncoder,
    "numeric": NumericEncoder,
}

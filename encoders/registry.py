"""Every encoder on one screen.

Another encoder is one file, one line here and one test file; `check_encoder` tests its laws.
"""

from encoders.base import Encoder
from encoders.image.colour_texture import ColourTextureEncoder
from encoders.image.efficientnet_lite0 import EfficientNetLite0Encoder
from encoders.image.resnet import ResNetEncoder
from encoders.series.lag_features import LagFeaturesEncoder
from encoders.series.lstm import LSTMEncoder
from encoders.series.temporal_convolution import TemporalConvolutionEncoder
from encoders.series.transformer import SeriesTransformerEncoder
from encoders.table.numeric import NumericEncoder
from encoders.text.bert import BertEncoder
from encoders.text.tfidf import TfidfEncoder

ENCODERS: dict[str, type[Encoder]] = {
    "bert": BertEncoder,
    "resnet": ResNetEncoder,
    "efficientnet_lite0": EfficientNetLite0Encoder,
    "tfidf": TfidfEncoder,
    "colour_texture": ColourTextureEncoder,
    "numeric": NumericEncoder,
    "lag_features": LagFeaturesEncoder,
    "lstm": LSTMEncoder,
    "temporal_convolution": TemporalConvolutionEncoder,
    "series_transformer": SeriesTransformerEncoder,
}

"""Decoders: fused vectors in, the raw outputs of a head out. How a network answers a question.

Another decoder is one file, one line here and one test file; `check_decoder` tests its laws.
"""

from heads.decoders.base import ClosedForm, Decoder
from heads.decoders.check import check_decoder
from heads.decoders.least_squares import LeastSquaresDecoder
from heads.decoders.linear import LinearDecoder

DECODERS: dict[str, type[Decoder]] = {
    "linear": LinearDecoder,
    "least_squares": LeastSquaresDecoder,
}
"""Every decoder by its registry name."""

__all__ = [
    "DECODERS",
    "ClosedForm",
    "Decoder",
    "LeastSquaresDecoder",
    "LinearDecoder",
    "check_decoder",
]

"""Decoders: fused vectors in, the raw outputs of a head out. How a network answers a question.

Another decoder is one file, one line here and one test file; `check_decoder` tests its laws.
"""

from heads.decoders.base import ClosedForm, Decoder, Memory
from heads.decoders.check import check_decoder
from heads.decoders.least_squares import LeastSquaresDecoder
from heads.decoders.linear import LinearDecoder
from heads.decoders.seq2seq import Seq2SeqDecoder
from heads.decoders.transformer import TransformerDecoder

DECODERS: dict[str, type[Decoder]] = {
    "linear": LinearDecoder,
    "least_squares": LeastSquaresDecoder,
    "seq2seq": Seq2SeqDecoder,
    "transformer": TransformerDecoder,
}
"""Every decoder by its registry name."""

__all__ = [
    "DECODERS",
    "ClosedForm",
    "Decoder",
    "LeastSquaresDecoder",
    "LinearDecoder",
    "Memory",
    "Seq2SeqDecoder",
    "TransformerDecoder",
    "check_decoder",
]

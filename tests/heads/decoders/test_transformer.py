import pytest

from heads import SalesPathHead
from heads.decoders import TransformerDecoder


def test_a_hidden_dim_that_heads_cannot_share_is_refused():
    with pytest.raises(ValueError, match=r"must be a multiple of n_heads \(4\), got 30. Give 28"):
        TransformerDecoder(4, SalesPathHead.tiny(), hidden_dim=30)

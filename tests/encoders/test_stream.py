import pytest

from encoders import BertEncoder
from encoders.adapter import Adapter
from encoders.stream import encode_each


@pytest.fixture
def training():
    """An encoder that trains along with a model."""
    encoder = BertEncoder.tiny()
    encoder.adapt(Adapter(layers=1))
    return encoder.train()


def modes(encoder):
    return [module.training for module in encoder.modules()]


def test_an_encoder_that_trains_is_as_it_was_after_it_has_embedded(training):
    before = modes(training)
    encode_each(training, ["a red coat"])
    assert any(before) and modes(training) == before


def test_an_encoder_that_trains_is_as_it_was_after_an_error(training, monkeypatch):
    before = modes(training)

    def short(values):
        raise MemoryError

    monkeypatch.setattr(training, "collate", short)
    with pytest.raises(MemoryError):
        encode_each(training, ["a red coat"])
    assert any(before) and modes(training) == before

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from encoders import BertEncoder, Encoder, ResNetEncoder, TfidfEncoder, check_encoder
from encoders.adapter import Adapter

TEXTS = ["a red dress", "shoes", "a long blue coat"]
PHOTOS = [Image.new("RGB", (60, 40), colour) for colour in ("red", "blue", "green")]
MAKERS = [(BertEncoder.tiny, TEXTS), (ResNetEncoder.tiny, PHOTOS)]
ADAPTERS = [
    Adapter("layers", 1),
    Adapter("layers"),
    Adapter("lora", 1, rank=2),
    Adapter("lora"),
]
every_encoder = pytest.mark.parametrize(("make", "values"), MAKERS, ids=["bert", "resnet"])
every_adapter = pytest.mark.parametrize("adapter", ADAPTERS, ids=str)


def adapted(make: Callable[[], Encoder], adapter: Adapter) -> Encoder:
    torch.manual_seed(0)
    encoder = make()
    encoder.adapt(adapter)
    return encoder


def shift(encoder: Encoder) -> None:
    """Changes what the adapter reaches a little, as tuning would."""
    with torch.no_grad():
        for weight in encoder.parameters():
            if weight.requires_grad:
                weight += 1e-4


@every_encoder
@every_adapter
def test_an_adapted_encoder_keeps_the_laws(
    make: Callable[[], Encoder], values: Any, adapter: Adapter
) -> None:
    encoder = adapted(make, adapter)
    check_encoder(encoder, values)
    shift(encoder)
    check_encoder(encoder.frozen_copy(), values)


@every_encoder
@every_adapter
def test_an_adapter_that_has_not_trained_changes_nothing(
    make: Callable[[], Encoder], values: Any, adapter: Adapter
) -> None:
    torch.manual_seed(0)
    plain = make()
    tuned = adapted(make, adapter)
    # a frozen encoder takes sums in another order
    np.testing.assert_allclose(plain.encode(values), tuned.encode(values), atol=1e-5)


@every_encoder
@every_adapter
def test_settling_freezes_a_copy_and_keeps_what_was_tuned(
    make: Callable[[], Encoder], values: Any, adapter: Adapter
) -> None:
    encoder = adapted(make, adapter)
    untouched = encoder.frozen_copy()
    shift(encoder)
    frozen_copy = encoder.frozen_copy()
    assert encoder.is_trainable and not frozen_copy.is_trainable
    # a frozen BERT is computed without padding and a frozen ResNet without BatchNorm
    np.testing.assert_allclose(frozen_copy.encode(values), encoder.encode(values), atol=1e-5)
    assert not np.array_equal(frozen_copy.encode(values), untouched.encode(values))
    assert frozen_copy.fingerprint != untouched.fingerprint


def test_only_the_tuned_weights_of_a_named_checkpoint_travel() -> None:
    encoder = adapted(BertEncoder.tiny, Adapter("lora", 1, rank=2))
    shift(encoder)
    mine = encoder.delta_state_dict()
    assert mine and all("lora_" in name for name in mine)
    assert sum(map(torch.numel, mine.values())) < 0.1 * sum(
        map(torch.numel, encoder.state_dict().values())
    )
    rebuilt = BertEncoder(**encoder.config)
    rebuilt.load_state_dict({**rebuilt.state_dict(), **mine})
    np.testing.assert_array_equal(rebuilt.encode(TEXTS), encoder.encode(TEXTS))
    assert rebuilt.fingerprint == encoder.fingerprint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "prefix"}, "kind must be one of layers, lora, got 'prefix'"),
        ({"layers": 0}, "layers must be at least 1, or None for all, got 0"),
        ({"rank": 0}, "rank must be from 1 to 1024, got 0"),
    ],
)
def test_an_adapter_that_cannot_be_followed_is_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Adapter(**options)


def test_more_layers_than_there_are_are_refused() -> None:
    with pytest.raises(ValueError, match="layers must be from 1 to 2, got 3"):
        adapted(BertEncoder.tiny, Adapter(layers=3))


def test_a_second_adapter_is_refused() -> None:
    encoder = adapted(BertEncoder.tiny, Adapter(layers=1))
    with pytest.raises(ValueError, match="adapter must be None to get another one"):
        encoder.adapt(Adapter(layers=2))


def test_an_encoder_without_layers_cannot_be_tuned() -> None:
    with pytest.raises(ValueError, match="TfidfEncoder cannot be tuned"):
        TfidfEncoder.tiny().adapt(Adapter())


def test_lora_without_peft_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=re.escape('pip install "product-fusion[lora]"')):
        BertEncoder.tiny().adapt(Adapter("lora"))


@pytest.mark.usefixtures("bfloat16")
def test_weights_that_were_rounded_are_refused() -> None:
    encoder = BertEncoder(**{**BertEncoder.tiny().config, "dtype": "bfloat16"})
    with pytest.raises(ValueError, match="dtype must be float32 to be adapted"):
        encoder.adapt(Adapter(layers=1))

"""Every encoder in the registry keeps the laws of `Encoder`."""

import io
import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from encoders import ENCODERS, TfidfEncoder, check_encoder
from encoders.base import Tensors, length_prefixed_hash
from encoders.blocks import Block


def png(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (40 + seed, 50, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def samples(modality: str) -> Any:
    if modality == "image":
        return [png(seed) for seed in range(4)]
    if modality == "text":
        return ["red dress", "a long blue coat with buttons", "scarf", "连衣裙 👗 فستان"]
    if modality != "table":
        return samples_of_own(modality)
    return pd.DataFrame(
        {
            "price": [1.0, 1e9, np.nan, -4.0],
            "brand": ["a", None, "never seen", "b"],
            "launch": pd.to_datetime(["2024-02-29", None, "1999-12-31", "2026-01-01"]),
        }
    )


def samples_of_own(kind: str) -> Any:
    """Values of a kind that one modality alone has, as a test of its encoder lists them."""
    tests = sorted((Path(__file__).parent / kind).glob("test_*.py"))
    found = [listed for test in tests if (listed := runpy.run_path(str(test)).get("SAMPLES"))]
    assert found, (
        f"tests/encoders/{kind}/test_*.py must list values of the kind {kind}, as its reader gives "
        "them. Add SAMPLES = [...] to one of them, four values that differ."
    )
    return found[0]


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_encoder_keeps_every_law(name: str) -> None:
    encoder = ENCODERS[name].tiny()
    check_encoder(encoder, samples(encoder.modality))


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_cacheable_encoder_names_its_parts_by_content(name: str) -> None:
    encoder = ENCODERS[name].tiny()
    if not encoder.cacheable:
        pytest.skip("embeddings of this encoder are not stored")
    values = samples(encoder.modality)
    contents = [encoder.content(part) for value in values for part in encoder.parts(value)]
    assert len(set(contents)) == len(values)
    assert contents == [encoder.content(p) for value in values for p in encoder.parts(value)]


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_batches_hold_every_position_once(name: str) -> None:
    encoder = ENCODERS[name].tiny()
    if encoder.modality in ("table", "series"):
        pytest.skip("rows of a table and windows of series are not encoded in parts")
    parts = [part for value in samples(encoder.modality) for part in encoder.parts(value)] * 30
    values = [part.value for part in encoder.read(parts)]
    positions = [position for batch in encoder.batches(values) for position in batch]
    assert sorted(positions) == list(range(len(parts)))


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_tiny_encoders_are_equal(name: str) -> None:
    torch.manual_seed(0)
    first = ENCODERS[name].tiny()
    torch.manual_seed(0)
    assert ENCODERS[name].tiny().fingerprint == first.fingerprint


class Neighbourly(TfidfEncoder):
    """Breaks a law: a row depends on its neighbours."""

    def directions(self, terms: Sequence[Block]) -> NDArray[np.float32]:
        embeddings = super().directions(terms)
        return embeddings - embeddings.mean(axis=0) if len(embeddings) else embeddings


class Detached(TfidfEncoder):
    """Breaks a law: no gradient reaches a weight."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.gain = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, tensors: Tensors) -> torch.Tensor:
        return super().forward(tensors) * self.gain.detach() + self.bias


class Forgetful(TfidfEncoder):
    """Breaks a law: the fingerprint ignores the weights."""

    @property
    def fingerprint(self) -> str:
        return length_prefixed_hash([b"forgetful"])


class Noisy(TfidfEncoder):
    """Breaks a law: frozen, yet different in training mode."""

    def forward(self, tensors: Tensors) -> torch.Tensor:
        return super().forward(tensors) + float(self.training)


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (Neighbourly, "neighbours"),
        (Detached, "gradient must reach gain"),
        (Forgetful, "other weights"),
        (Noisy, "evaluation mode"),
    ],
)
def test_check_names_the_broken_law(broken: type[TfidfEncoder], law: str) -> None:
    with pytest.raises(AssertionError, match=law):
        check_encoder(broken.tiny(), samples("text"))


def test_a_kind_without_samples_says_where_to_list_them() -> None:
    with pytest.raises(AssertionError, match=r"Add SAMPLES = \[...\] to one of them"):
        samples("smell")

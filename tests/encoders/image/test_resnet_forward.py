"""A frozen ResNet folded into its convolutions: torchvision's numbers, the same bits everywhere."""

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from encoders.adapter import Adapter
from encoders.image.resnet import ResNetEncoder
from encoders.image.resnet_forward import can_fold, is_plain_resnet

ARCHITECTURES = ("resnet18", "resnet50")
SMALL = {"resize": 36, "crop": 32}


@pytest.fixture
def threads() -> Iterator[Any]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def photos(n: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (n, 6, 8, 3), dtype=np.uint8)
    return [Image.fromarray(one).resize((64, 48), Image.Resampling.BICUBIC) for one in coarse]


def untrained(architecture: str, dtype: str, **options: Any) -> ResNetEncoder:
    """Random weights, and statistics of BatchNorm that are none of a fresh network."""
    torch.manual_seed(0)
    encoder = ResNetEncoder(architecture, weights=None, dtype=dtype, preprocessing=SMALL, **options)
    for module in encoder.network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features) / 20
            module.running_var = torch.rand(module.num_features) + 0.5
            module.weight.data.uniform_(0.5, 1.0)
            module.bias.data.normal_(0.0, 0.05)
    return encoder


def plain(encoder: ResNetEncoder, values: list[Image.Image]) -> torch.Tensor:
    """The embeddings of torchvision's own pass in float32."""
    with torch.no_grad():
        pixels = encoder.preprocess(values)["pixels"]
        return torch.as_tensor(encoder.network(encoder.normalised(pixels)))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_folded_embeddings_are_near_torchvisions_float32(architecture: str, precision: str) -> None:
    encoder = untrained(architecture, precision)
    found, wanted = torch.from_numpy(encoder.encode(photos(9))), plain(encoder, photos(9))
    assert encoder.shares_windows == can_fold(getattr(torch, precision))
    if precision == "float32":
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    assert nn.functional.cosine_similarity(found, wanted).min() > 0.999
    apart = nn.functional.cosine_similarity(found - wanted.mean(0), wanted - wanted.mean(0))
    assert apart.min() > 0.95  # what tells the photos apart


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_photo_has_the_same_bits_in_any_company(
    architecture: str, precision: str, threads: Any
) -> None:
    encoder = untrained(architecture, precision)
    if not encoder.shares_windows:
        pytest.skip("this processor emulates bfloat16 and computes the plain network")
    n_photos = 70 if architecture == "resnet18" else 21  # more than one window, or a part of one
    values = photos(n_photos)
    threads(2)
    together = encoder.encode(values)
    for first, n in ((0, 1), (n_photos - 1, 1), (3, 2), (5, 3), (1, 9)):
        rows = slice(first, first + n)
        np.testing.assert_array_equal(encoder.encode(values[rows]), together[rows])
    threads(1)
    np.testing.assert_array_equal(encoder.encode(values[:6]), together[:6])


def test_weights_that_change_are_followed(precision: str) -> None:
    encoder, other = untrained("resnet18", precision), untrained("resnet18", precision)
    first = encoder.encode(photos(2))
    encoder.network.layer4[0].bn1.running_mean.add_(0.5)
    changed = encoder.encode(photos(2))
    assert not np.array_equal(changed, first)
    encoder.load_state_dict(other.state_dict())
    np.testing.assert_array_equal(encoder.encode(photos(2)), first)


def test_copies_and_pickles_compute_with_weights_of_their_own(precision: str) -> None:
    encoder = untrained("resnet18", precision)
    first = encoder.encode(photos(2))
    again = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(again.encode(photos(2)), first)
    copied = copy.deepcopy(encoder)
    copied.network.conv1.weight.mul_(2.0)
    assert not np.array_equal(copied.encode(photos(2)), first)
    np.testing.assert_array_equal(encoder.encode(photos(2)), first)


def test_a_pass_leaves_weights_names_and_fingerprint_alone(precision: str) -> None:
    encoder = untrained("resnet18", precision)
    state = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    fingerprint = encoder.fingerprint
    encoder.encode(photos(1))
    assert list(encoder.state_dict()) == list(state)
    assert all(torch.equal(encoder.state_dict()[name], tensor) for name, tensor in state.items())
    assert encoder.fingerprint == fingerprint
    assert not encoder(encoder.preprocess(photos(1))).is_inference()


def test_a_network_that_trains_or_has_parts_put_around_it_is_not_folded() -> None:
    encoder = untrained("resnet18", "float32", adapter={"layers": 1})
    assert not encoder.shares_windows
    encoder.train()(encoder.preprocess(photos(2))).sum().backward()
    assert encoder.network.layer4[0].conv1.weight.grad is not None
    frozen_copy = encoder.frozen_copy()
    assert frozen_copy.shares_windows == can_fold(torch.float32)
    np.testing.assert_allclose(
        frozen_copy.encode(photos(3)), plain(frozen_copy, photos(3)).numpy(), atol=1e-4
    )


def test_the_plain_network_computes_where_the_processor_lacks_the_convolutions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder = untrained("resnet18", "float32")
    monkeypatch.setattr("encoders.image.resnet.can_fold", lambda dtype: False)
    found = encoder.encode(photos(4))
    np.testing.assert_allclose(found, plain(encoder, photos(4)).numpy(), atol=1e-6)


def test_low_rank_matrices_are_computed_as_they_are() -> None:
    pytest.importorskip("peft")
    encoder = untrained("resnet18", "float32", adapter=Adapter(kind="lora", layers=1, rank=2))
    assert not is_plain_resnet(encoder.network)
    frozen_copy = encoder.frozen_copy()
    np.testing.assert_allclose(
        frozen_copy.encode(photos(2)), plain(frozen_copy, photos(2)).numpy(), atol=1e-5
    )


def test_a_head_learns_on_a_folded_encoder(precision: str) -> None:
    encoder = untrained("resnet18", precision).train()
    head = nn.Linear(encoder.embedding_dim, 1)
    head(encoder(encoder.preprocess(photos(5)))).sum().backward()
    assert head.weight.grad is not None

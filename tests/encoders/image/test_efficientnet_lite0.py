"""EfficientNet-Lite0: its network against a plain one, and where its weights come from."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from encoders.image import efficientnet_lite0_weights as found
from encoders.image.efficientnet_lite0 import EfficientNetLite0Encoder
from encoders.image.efficientnet_lite0_network import STAGES, EfficientNetLite0, folded_state

with_package = pytest.mark.skipif(
    importlib.util.find_spec(found.PACKAGE) is None, reason="the extra lite0 is not installed"
)


def plain_features(weights: Mapping[str, Tensor], pixels: Tensor) -> Tensor:
    """The network layer by layer, as it was published: SAME padding, BatchNorm, ReLU6."""

    def convolved(inputs: Tensor, name: str, norm: str, stride: int = 1) -> Tensor:
        weight = weights[f"{name}.weight"]
        kernel, size = weight.shape[-1], inputs.shape[-1]
        pad = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        padded = functional.pad(inputs, [pad // 2, pad - pad // 2] * 2)
        groups = inputs.shape[1] // weight.shape[1]
        hidden = functional.conv2d(padded, weight, stride=stride, groups=groups)
        named = (weights[f"{norm}.{n}"] for n in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(hidden, *named, eps=1e-3)

    hidden = functional.relu6(convolved(pixels, "_conv_stem", "_bn0", 2))
    place = 0
    for stage in STAGES:
        for repeat in range(stage.n_blocks):
            name, inputs = f"_blocks.{place}.", hidden
            if stage.expansion > 1:
                hidden = functional.relu6(convolved(hidden, f"{name}_expand_conv", f"{name}_bn0"))
            stride = 1 if repeat else stage.stride
            hidden = convolved(hidden, f"{name}_depthwise_conv", f"{name}_bn1", stride)
            hidden = convolved(functional.relu6(hidden), f"{name}_project_conv", f"{name}_bn2")
            hidden = hidden + inputs if hidden.shape == inputs.shape else hidden
            place += 1
    return functional.relu6(convolved(hidden, "_conv_head", "_bn1")).mean((2, 3))


def drawn_weights() -> dict[str, Tensor]:
    """Random weights under the published names, whose features stay between 0 and 6."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    state: dict[str, Tensor] = {}

    def add(name: str, norm: str, *shape: int) -> None:
        state[f"{name}.weight"] = draw(*shape) / np.sqrt(np.prod(shape[1:]))
        for part, values in (("weight", 1.0), ("running_var", 1.0), ("bias", 0.0)):
            state[f"{norm}.{part}"] = values + draw(shape[0]).abs() / 4
        state[f"{norm}.running_mean"] = draw(shape[0]) / 4

    add("_conv_stem", "_bn0", 32, 3, 3, 3)
    dim, place = 32, 0
    for stage in STAGES:
        for _ in range(stage.n_blocks):
            name, wide = f"_blocks.{place}.", dim * stage.expansion
            if stage.expansion > 1:
                add(f"{name}_expand_conv", f"{name}_bn0", wide, dim, 1, 1)
            add(f"{name}_depthwise_conv", f"{name}_bn1", wide, 1, stage.kernel, stage.kernel)
            add(f"{name}_project_conv", f"{name}_bn2", stage.dim, wide, 1, 1)
            dim, place = stage.dim, place + 1
    add("_conv_head", "_bn1", 1280, dim, 1, 1)
    return state


@pytest.mark.parametrize("side", [32, 45])
def test_features_are_those_of_the_published_network_layer_by_layer(side: int) -> None:
    weights = drawn_weights()
    network = EfficientNetLite0().eval()
    network.load_state_dict(folded_state(weights))
    pixels = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    expected = plain_features(weights, pixels)
    with torch.no_grad():
        features = network(pixels)
    assert features.shape == (2, 1280) and expected.std() > 1e-3
    torch.testing.assert_close(features, expected, atol=1e-4, rtol=1e-4)


def test_pixels_are_those_that_the_weights_were_trained_on() -> None:
    encoder = EfficientNetLite0Encoder(weights=None, dtype="float32")
    raw = torch.arange(256.0).view(1, 1, 1, 256).expand(1, 3, 1, 256)
    shown = raw * encoder.scale + encoder.shift
    torch.testing.assert_close(shown, (raw - 127) / 128)
    assert (encoder.preprocessing.resize, encoder.preprocessing.crop) == (256, 224)


def test_without_its_package_one_sentence_says_what_to_install(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    expected = r'not installed. Run: pip install "product-fusion\[lite0\]"$'
    with pytest.raises(ImportError, match=expected):
        EfficientNetLite0Encoder()


def test_a_package_with_another_file_is_refused(monkeypatch, tmp_path: Path) -> None:
    place = tmp_path / found.PACKAGE / "models"
    place.mkdir(parents=True)
    (place.parent / "__init__.py").write_text("raise SystemExit('this code must not run')")
    (place / found.PTH).write_bytes(b"another file")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"SHA-256 of .*pth of efficientnet_lite0 must be 57934"):
        EfficientNetLite0Encoder()


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(ValueError, match="imagenet"):
        EfficientNetLite0Encoder(weights="imagnet")
    with pytest.raises(ValueError, match="'fast'"):
        EfficientNetLite0Encoder(weights=None, decoder="fasst")


@with_package
def test_weights_are_converted_once_and_a_damaged_copy_is_made_anew(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    photo = Image.linear_gradient("L").convert("RGB")
    encoder = EfficientNetLite0Encoder(dtype="float32")
    vector = encoder.encode([photo])
    pixels = encoder.preprocess([photo])["pixels"].float()
    expected = plain_features(found.efficientnet_lite0_weights(), (pixels - 127) / 128)
    np.testing.assert_allclose(vector, expected.numpy(), atol=1e-4)
    assert encoder.origin == {"name": "ImageNet", "weights_sha256": found.PTH_SHA256}

    (copy,) = (tmp_path / "checkpoints").iterdir()
    with monkeypatch.context() as without_package:
        without_package.setattr(importlib.util, "find_spec", lambda name: None)
        again = EfficientNetLite0Encoder(dtype="float32")
    assert again.fingerprint == encoder.fingerprint
    content = bytearray(copy.read_bytes())
    content[-1] ^= 1
    copy.write_bytes(content)
    np.testing.assert_array_equal(EfficientNetLite0Encoder(dtype="float32").encode([photo]), vector)
    assert copy.read_bytes() != content

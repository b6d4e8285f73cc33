import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file

from encoders.image.resnet import ResNetEncoder
from encoders.image.resnet_weights import Weights, convert_torchvision_weights

SMALL = {"resize": 36, "crop": 32}


def small(**options: Any) -> ResNetEncoder:
    defaults: dict[str, Any] = {"weights": None, "dtype": "float32", "preprocessing": SMALL}
    return ResNetEncoder(**{**defaults, **options})


def test_a_weight_file_brings_its_own_preprocessing(weight_file: Path, tmp_path: Path) -> None:
    how = small(weights=weight_file, preprocessing=None).preprocessing
    assert (how.resize, how.crop, how.mean, how.source) == (36, 32, (0.5, 0.5, 0.5), "weights")
    bare = tmp_path / "bare.safetensors"
    save_file(load_file(weight_file), bare)
    how = small(weights=bare, preprocessing=None).preprocessing
    assert (how.resize, how.crop, how.source) == (256, 224, "assumed")


def test_weights_that_suit_the_architecture_are_taken_by_default(monkeypatch) -> None:
    assert ResNetEncoder().weights == "clothing18"
    asked = []
    monkeypatch.setattr(
        "encoders.image.resnet.find_weights", lambda name, **_: asked.append(name) or Weights()
    )
    ResNetEncoder("resnet34")
    assert asked == ["imagenet"]


def test_half_precision_files_are_computed_in_float32(weight_file: Path) -> None:
    encoder = small(weights=weight_file)
    assert all(p.dtype == torch.float32 for p in encoder.parameters())
    expected = load_file(weight_file)["conv1.weight"].float()
    assert torch.equal(encoder.network.conv1.weight, expected)


def test_weights_that_do_not_fit_are_told_in_one_message(weight_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="architecture must be that of the weights, resnet18"):
        small(architecture="resnet34", weights=weight_file)
    state = load_file(weight_file)
    state["extra.weight"] = state.pop("conv1.weight")
    state["bn1.bias"] = torch.zeros(3)
    broken = tmp_path / "broken.safetensors"
    save_file(state, broken)
    with pytest.raises(ValueError) as caught:
        small(weights=broken)
    for told in (
        "1 missing (conv1.weight)",
        "1 unexpected (extra.weight)",
        "1 of another shape (bn1.bias)",
    ):
        assert told in str(caught.value)


def test_a_file_of_another_hash_or_format_is_refused(weight_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="weights_sha256 must be"):
        small(weights=weight_file, weights_sha256="0" * 64)
    with pytest.raises(ValueError, match="must be an existing"):
        small(weights=tmp_path / "gone.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"\x80\x04 no tensors")
    with pytest.raises(ValueError, match="must be a safetensors file"):
        small(weights=tmp_path / "bad.safetensors")


def test_published_weights_are_read_from_the_cache_after_one_conversion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ValueError, match=r"resnet18-f37072fd.*convert_torchvision_weights"):
        small(weights="imagenet")
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    state = torchvision.models.resnet18(weights=None).state_dict()
    save_file(state, folder / "resnet18-f37072fd.safetensors")
    encoder = small(weights="imagenet", preprocessing=None)
    assert encoder.config["weights"] == "IMAGENET1K_V1"
    assert encoder.config["preprocessing"]["source"] == "weights"
    assert (encoder.preprocessing.resize, encoder.preprocessing.crop) == (256, 224)


def test_conversion_checks_the_hash_in_the_name(tmp_path: Path) -> None:
    state = torchvision.models.resnet18(weights=None).state_dict()
    torch.save(state, tmp_path / "file.pth")
    sha256 = hashlib.sha256((tmp_path / "file.pth").read_bytes()).hexdigest()
    good = (tmp_path / "file.pth").rename(tmp_path / f"resnet18-{sha256[:8]}.pth")
    converted = convert_torchvision_weights(good)
    assert torch.equal(load_file(converted)["fc.weight"], state["fc.weight"])
    again = convert_torchvision_weights(good, safetensors=tmp_path / "again.safetensors")
    assert again.read_bytes() == converted.read_bytes()
    bad = good.rename(tmp_path / "resnet18-00000000.pth")
    with pytest.raises(ValueError, match="must match the hash in its name"):
        convert_torchvision_weights(bad)

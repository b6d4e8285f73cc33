"""The weights that come along say what they are, load strictly and see what is in a photo."""

import importlib.util
import json
import os
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from torchvision.models import ResNet, resnet18

FOLDER = Path(__file__).parents[3] / "encoders" / "image" / "weights"
WEIGHTS = FOLDER / "clothing18.safetensors"
SCRIPT = FOLDER / "train_clothing18.py"
METADATA = {
    "format",
    "architecture",
    "classes",
    "preprocessing",
    "origin",
    "licence",
    "metrics",
    "epochs",
    "seed",
    "torch",
}


@cache
def metadata() -> dict[str, str]:
    with safe_open(WEIGHTS, framework="pt") as file:
        return dict(file.metadata())


@cache
def classifier() -> ResNet:
    model = resnet18(num_classes=17)
    tensors = load_file(WEIGHTS)
    floats = {n: t.float() if t.is_floating_point() else t for n, t in tensors.items()}
    model.load_state_dict(floats, strict=True)
    return model.eval()


@torch.inference_mode()
def features(pixels: Tensor) -> Tensor:
    """Unit vectors of the layer before the classifier, for pixels of 0 to 1."""
    how = json.loads(metadata()["preprocessing"])
    mean, std = (torch.tensor(how[name]).view(3, 1, 1) for name in ("mean", "std"))
    body = torch.nn.Sequential(*list(classifier().children())[:-1], torch.nn.Flatten())
    return torch.nn.functional.normalize(body((pixels - mean) / std))


def drawn(kind: str, colour: tuple[float, float, float]) -> Tensor:
    """A pair of trousers or a round hat in one colour on a pale ground."""
    side = json.loads(metadata()["preprocessing"])["crop"]
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, side),) * 2, indexing="ij")
    waist = (x.abs() < 0.45) & (y.abs() < 0.85)
    legs = waist & ~((x.abs() < 0.12) & (y > -0.35))
    brim = (x / 0.9) ** 2 + ((y - 0.3) / 0.2) ** 2 < 1
    crown = (x / 0.45) ** 2 + (y / 0.5) ** 2 < 1
    inside = legs if kind == "trousers" else brim | crown
    ground = torch.full((3, side, side), 0.85)
    return torch.where(inside, torch.tensor(colour).view(3, 1, 1), ground)


def training_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_clothing18", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_file_is_small_enough_to_come_along() -> None:
    assert WEIGHTS.stat().st_size < 25_000_000


def test_metadata_says_what_the_weights_are() -> None:
    assert METADATA <= set(metadata())
    assert metadata()["architecture"] == "resnet18"
    assert "CC0" in metadata()["licence"] and "CC0" in metadata()["origin"]
    classes = json.loads(metadata()["classes"])
    assert len(set(classes)) == 17 and classes == sorted(classes)


def test_preprocessing_is_complete() -> None:
    how = json.loads(metadata()["preprocessing"])
    assert set(how) == {"resize", "crop", "mean", "std", "interpolation", "antialias"}
    assert 32 <= how["crop"] <= how["resize"]
    assert len(how["mean"]) == len(how["std"]) == 3 and min(how["std"]) > 0
    assert how["interpolation"] == "bilinear" and how["antialias"] is True


def test_weights_load_strictly_into_torchvisions_resnet18() -> None:
    stored = load_file(WEIGHTS)
    expected = resnet18(num_classes=17).state_dict()
    assert {n: t.shape for n, t in stored.items()} == {n: t.shape for n, t in expected.items()}
    assert all(t.dtype == torch.float16 for t in stored.values() if t.is_floating_point())
    assert all(torch.isfinite(value).all() for value in classifier().state_dict().values())


def test_stated_accuracy_beats_chance_colours_and_an_untrained_network() -> None:
    stated = json.loads(metadata()["metrics"])
    assert stated["accuracy"] > stated["largest_class_share"]
    assert stated["accuracy"] > stated["colour_histogram_accuracy"]
    assert stated["knn5_accuracy"] > stated["knn5_untrained_accuracy"]


def test_features_follow_the_shape_more_than_the_colour() -> None:
    blue, red = (0.15, 0.2, 0.45), (0.45, 0.15, 0.2)
    pictures = [drawn("trousers", blue), drawn("trousers", red)]
    pictures += [drawn("hat", blue), drawn("hat", red)]
    alike = features(torch.stack(pictures)) @ features(torch.stack(pictures)).T
    assert alike[0, 1] > alike[0, 2] and alike[2, 3] > alike[2, 0]
    assert alike[0, 2] < 0.99


def test_a_missing_data_folder_is_named_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["train", "--data", str(tmp_path), "--out", "never-written"])
    with pytest.raises(SystemExit, match="2"):
        training_script().main()
    said = capsys.readouterr().err
    assert f"--data must be a folder with images.csv and images/, got {tmp_path}" in said


@pytest.mark.slow
def test_stated_numbers_are_measured_again_on_the_held_out_people() -> None:
    if "FUSION_SHARED_DATA" not in os.environ:
        pytest.skip("FUSION_SHARED_DATA must name the folder that holds clothing/")
    script = training_script()
    photos = script.read_photos(Path(os.environ["FUSION_SHARED_DATA"]) / "clothing")
    stated = json.loads(metadata()["metrics"])
    assert (len(photos.train), len(photos.test)) == (stated["n_train"], stated["n_test"])
    measured = script.measure(classifier(), photos, int(metadata()["seed"]))
    assert measured["accuracy"] == pytest.approx(stated["accuracy"], abs=0.003)
    assert measured["knn5_accuracy"] == pytest.approx(stated["knn5_accuracy"], abs=0.01)

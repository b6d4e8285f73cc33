import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn
from torchvision.transforms import InterpolationMode
from torchvision.transforms._presets import ImageClassification

from encoders.adapter import Adapter
from encoders.image.photo import PhotoError, load_photo
from encoders.image.photo_pixels import Preprocessing, resize_and_crop
from encoders.image.resnet import ResNetEncoder

SMALL = {"resize": 36, "crop": 32}


def photo(seed: int, *, width: int = 64, height: int = 48) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def small(**options: Any) -> ResNetEncoder:
    defaults: dict[str, Any] = {"weights": None, "dtype": "float32", "preprocessing": SMALL}
    return ResNetEncoder(**{**defaults, **options})


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.fixture(scope="module")
def encoder() -> ResNetEncoder:
    torch.manual_seed(0)
    return ResNetEncoder.tiny()


@pytest.mark.parametrize("size", [(800, 600), (601, 333), (333, 601), (256, 256), (40, 90)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_the_crop_is_that_of_torchvisions_presets(
    size: tuple[int, int], interpolation: str
) -> None:
    image = photo(0, width=size[0], height=size[1])
    mode = InterpolationMode(interpolation)
    preset = ImageClassification(
        crop_size=64, resize_size=73, mean=(0, 0, 0), std=(1, 1, 1), interpolation=mode
    )
    ours = resize_and_crop(load_photo(image), Preprocessing(73, 64, interpolation=interpolation))
    theirs = preset(image).permute(1, 2, 0).numpy() * 255
    difference = np.abs(ours - theirs)
    assert difference.mean() < 0.5
    assert difference.max() <= 6  # torchvision stretches the long side by less than a pixel


def test_a_strip_of_one_pixel_costs_no_more_than_a_square() -> None:
    pixels = resize_and_crop(load_photo(Image.new("RGB", (1, 50_000), "white")), Preprocessing())
    assert pixels.shape == (224, 224, 3)
    assert pixels.min() == 255


def test_embeddings_are_those_of_the_plain_torchvision_network(encoder: ResNetEncoder) -> None:
    plain = torchvision.models.resnet18(weights=None)
    plain.fc = nn.Identity()
    plain.load_state_dict(encoder.network.state_dict())
    plain.eval()
    how = Preprocessing(**SMALL)
    rows = [torch.tensor(resize_and_crop(load_photo(photo(i)), how)) for i in range(4)]
    pixels = torch.stack(rows).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in (how.mean, how.std))
    with torch.no_grad():
        expected = plain((pixels - mean) / std).numpy()
    got = encoder.encode([photo(i) for i in range(4)])
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_a_row_alone_equals_the_row_among_64(encoder: ResNetEncoder) -> None:
    photos = [photo(i) for i in range(64)]
    together = encoder(encoder.preprocess(photos))
    for row in (0, 31, 63):
        alone = encoder(encoder.preprocess([photos[row]]))
        assert (alone[0] - together[row]).abs().max() <= 1e-5


@pytest.mark.usefixtures("bfloat16")
def test_bfloat16_stays_close_to_float32_and_independent_of_the_batch(
    encoder: ResNetEncoder,
) -> None:
    low = small(dtype="bfloat16")
    low.load_state_dict(encoder.state_dict())
    photos = [photo(i) for i in range(16)]
    full, half = encoder.encode(photos), low.encode(photos)
    assert half.dtype == np.float32
    assert cosine(full, half).min() >= 0.999
    assert cosine(low.encode(photos[3:4]), half[3:4]).min() >= 0.9999


def test_several_photos_are_averaged_and_absent_ones_left_out(encoder: ResNetEncoder) -> None:
    a, b = photo(1), photo(2)
    single = encoder.encode([a, b])
    tensors = encoder.preprocess([[a, None, b], None, (a,), []])
    assert tensors["pixels"].shape == (3, 3, 32, 32)
    assert tensors["pixels"].dtype == torch.uint8
    assert tensors["counts"].tolist() == [2, 0, 1, 0]
    for output in (encoder(tensors).numpy(), encoder.encode([[a, None, b], None, (a,), []])):
        np.testing.assert_allclose(output[0], single.mean(0), atol=1e-5)
        np.testing.assert_allclose(output[2], single[0], atol=1e-5)
        assert not output[[1, 3]].any()
    assert encoder(encoder.preprocess([None, None])).shape == (2, 512)
    assert encoder(encoder.preprocess([])).shape == (0, 512)


def test_bytes_path_and_picture_of_one_photo_agree(encoder: ResNetEncoder, tmp_path: Path) -> None:
    content = jpeg(photo(3))
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with Image.open(path) as image:
        image.load()
    rows = encoder.encode([content, path, image])
    np.testing.assert_allclose(rows[1:], rows[:1].repeat(2, axis=0), atol=1e-5)
    assert encoder.content(content) == encoder.content(path) == content
    assert encoder.content(image) != content
    wide, high = Image.new("RGB", (4, 2)), Image.new("RGB", (2, 4))
    assert encoder.content(wide) != encoder.content(high)


def test_a_bad_photo_raises_and_is_never_replaced(encoder: ResNetEncoder) -> None:
    with pytest.raises(PhotoError) as caught:
        encoder.preprocess([photo(0), jpeg(photo(1))[:300], photo(2)])
    assert caught.value.code in ("truncated", "corrupt")
    with pytest.raises(PhotoError):
        encoder.encode([[photo(0), b""]])


def test_the_configuration_rebuilds_the_encoder(weight_file: Path) -> None:
    first = small(weights=weight_file, preprocessing=None)
    config = json.loads(json.dumps(first.config))
    second = ResNetEncoder(**config)
    assert second.config == first.config
    assert second.fingerprint == first.fingerprint
    np.testing.assert_array_equal(first.encode([photo(0)]), second.encode([photo(0)]))


def test_random_weights_travel_and_files_stay(encoder: ResNetEncoder, weight_file: Path) -> None:
    assert encoder.origin is None
    other = ResNetEncoder.tiny()
    assert other.fingerprint != encoder.fingerprint
    other.load_state_dict(encoder.state_dict())
    assert other.fingerprint == encoder.fingerprint
    sha256 = hashlib.sha256(weight_file.read_bytes()).hexdigest()
    mine = small(weights=weight_file, weights_sha256=sha256)
    assert mine.origin == {"name": "mine.safetensors", "weights_sha256": sha256}


@pytest.mark.usefixtures("bfloat16")
def test_everything_that_changes_pixels_changes_the_fingerprint(weight_file: Path) -> None:
    variants = [{}, {"decoder": "fast"}, {"dtype": "bfloat16"}, {"preprocessing": None}]
    prints = [small(weights=weight_file, **options).fingerprint for options in variants]
    assert len(set(prints)) == len(variants)


def test_typing_errors_name_the_nearest(encoder: ResNetEncoder) -> None:
    for options, nearest in (
        ({"architecture": "resnet-50"}, "'resnet50'"),
        ({"weights": "IMAGENET1K"}, "'IMAGENET1K_V1'"),
        ({"decoder": "quick"}, "exact, fast"),
        ({"dtype": "float16"}, "bfloat16"),
        ({"preprocessing": {"croop": 3}}, "'crop'"),
        ({"preprocessing": {"resize": 8, "crop": 9}}, "at most resize"),
        ({"preprocessing": {"antialias": False}}, "must be True"),
        ({"adapter": {"layers": 5}}, "from 1 to 4"),
    ):
        with pytest.raises(ValueError, match=nearest):
            small(**options)


def test_a_frozen_encoder_never_trains() -> None:
    encoder = small().train()
    assert not encoder.is_trainable
    assert not any(module.training for module in encoder.modules())
    assert not encoder(encoder.preprocess([photo(0)])).requires_grad


def test_the_last_stages_learn_and_nothing_else() -> None:
    encoder = small(adapter={"layers": 1}).train()
    statistics = encoder.network.layer4[0].bn1.running_mean.clone()
    encoder(encoder.preprocess([photo(0), photo(1)])).sum().backward()
    learning = {n for n, p in encoder.named_parameters() if p.grad is not None}
    assert learning == {n for n, _ in encoder.named_parameters() if ".layer4." in n}
    assert encoder.is_trainable and encoder.training and not encoder.network.training
    assert torch.equal(encoder.network.layer4[0].bn1.running_mean, statistics)
    assert ResNetEncoder(**encoder.config).is_trainable


def test_tuned_weights_travel_and_the_weight_file_is_named(weight_file: Path) -> None:
    encoder = small(weights=weight_file)
    before = encoder.fingerprint
    assert encoder.delta_state_dict() == {}
    encoder.adapt(Adapter(layers=2))
    assert encoder.origin == small(weights=weight_file).origin
    assert all(".layer3." in name or ".layer4." in name for name in encoder.delta_state_dict())
    assert encoder.fingerprint != before


def test_fast_decoding_changes_little_and_leaves_small_photos_alone() -> None:
    torch.manual_seed(0)
    exact = small()
    fast = small(decoder="fast")
    fast.load_state_dict(exact.state_dict())
    large, little = jpeg(photo(5, width=640, height=480)), jpeg(photo(6, width=60, height=50))
    a, b = exact.encode([large, little]), fast.encode([large, little])
    assert not np.array_equal(a[0], b[0])
    assert cosine(a, b).min() > 0.99
    np.testing.assert_array_equal(a[1], b[1])


@pytest.mark.parametrize(("architecture", "dim"), [("resnet34", 512), ("resnet50", 2048)])
def test_the_embedding_is_the_layer_before_the_classifier(architecture: str, dim: int) -> None:
    encoder = small(architecture=architecture)
    output = encoder.encode([photo(0)])
    assert output.shape == (1, dim) == (1, encoder.embedding_dim)
    assert output.min() >= 0


def test_auto_is_what_the_processor_has(precision: str) -> None:
    assert small(dtype="auto").config["dtype"] == precision

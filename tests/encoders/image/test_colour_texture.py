import io

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab

from encoders.image.colour_texture import ColourTextureEncoder, edge_directions
from encoders.image.photo import PhotoError

HSV, LAB, MOMENTS, LBP, GLCM, EDGES = np.split(np.arange(84), [24, 48, 57, 67, 75])


def noise(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (128, 128, 3), dtype=np.uint8))


def stripes(*, vertical: bool) -> Image.Image:
    ramp = (np.arange(128) // 8 % 2 * 255).astype(np.uint8)
    grey = np.tile(ramp, (128, 1))
    return Image.fromarray(grey if vertical else grey.T.copy()).convert("RGB")


def encode(*images: object) -> np.ndarray:
    return ColourTextureEncoder().encode(list(images))


def test_every_share_is_in_range_and_sums_to_one() -> None:
    rows = encode(noise(0), stripes(vertical=True))
    assert rows.dtype == np.float32
    for group, n_channels in ((HSV, 3), (LAB, 3), (LBP, 1), (EDGES, 1)):
        np.testing.assert_allclose(rows[:, group].sum(axis=1), n_channels, rtol=1e-5)
        assert rows[:, group].min() >= 0
    assert np.abs(rows[:, GLCM]).max() <= 1


def test_a_red_photo_lies_in_the_red_bins_with_the_moments_of_red() -> None:
    row = encode(Image.new("RGB", (50, 90), (255, 0, 0)))[0]
    assert row[HSV].reshape(-1)[[0, 17, 23]].tolist() == [1, 1, 1]
    red = rgb2lab(np.array([[[255, 0, 0]]], dtype=np.uint8)).ravel() / 100
    np.testing.assert_allclose(row[MOMENTS], [*red, 0, 0, 0, 0, 0, 0], atol=1e-6)
    assert not row[EDGES].any()


def test_colour_features_ignore_places_and_edge_features_see_directions() -> None:
    upright, lying = encode(stripes(vertical=True), stripes(vertical=False))
    np.testing.assert_allclose(upright[HSV], lying[HSV])
    assert upright[EDGES].argmax() == 0
    assert lying[EDGES].argmax() == 4


def test_noise_has_more_contrast_and_less_correlation_than_a_gradient() -> None:
    ramp = Image.fromarray(np.tile(np.arange(0, 256, 2, dtype=np.uint8), (128, 1))).convert("RGB")
    rough, smooth = encode(noise(0), ramp)
    assert rough[GLCM[0]] > 10 * smooth[GLCM[0]]
    assert abs(rough[GLCM[6]]) < 0.1 < 0.9 < smooth[GLCM[6]]


def test_an_edge_of_45_degrees_falls_into_its_bin() -> None:
    y, x = np.mgrid[:64, :64]
    shares = edge_directions((x + y).astype(np.uint8))
    assert shares[2] == pytest.approx(1)


def test_embeddings_are_the_same_each_time_and_do_not_depend_on_neighbours() -> None:
    photos = [noise(i) for i in range(6)]
    together = encode(*photos)
    np.testing.assert_array_equal(together, encode(*photos))
    np.testing.assert_array_equal(together[3:4], encode(photos[3]))


def test_several_photos_are_averaged_and_absent_ones_are_zero() -> None:
    a, b = noise(1), stripes(vertical=True)
    rows = encode([a, None, b], None, [])
    np.testing.assert_allclose(rows[0], encode(a, b).mean(axis=0), rtol=1e-5)
    assert not rows[1:].any()
    encoder = ColourTextureEncoder.tiny()
    output = encoder(encoder.preprocess([[a, None, b], None]))
    np.testing.assert_allclose(output.numpy(), rows[:2], rtol=1e-5)


def test_a_bad_photo_raises() -> None:
    with pytest.raises(PhotoError):
        encode(noise(0), b"<html>")


def test_content_is_the_file_and_the_configuration_is_empty() -> None:
    buffer = io.BytesIO()
    noise(0).save(buffer, "PNG")
    encoder = ColourTextureEncoder()
    assert encoder.content(buffer.getvalue()) == buffer.getvalue()
    assert encoder.config == {}
    assert encoder.fingerprint == ColourTextureEncoder().fingerprint
    assert not encoder.is_trainable

import random
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch
from torch import Tensor

from encoders.image.augmentation import GENTLE, STRONG, PhotoAugmentation

EVERYTHING = PhotoAugmentation(crop=0.3, flip=0.5, colour=0.4, erasing=0.5)
EACH = [
    PhotoAugmentation(crop=0.3),
    PhotoAugmentation(flip=0.5),
    PhotoAugmentation(colour=0.4),
    PhotoAugmentation(erasing=0.5),
    EVERYTHING,
]


def noise(n: int = 8, *, height: int = 24, width: int = 32) -> Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (n, 3, height, width), dtype=np.uint8))


def one_colour(n: int, *, colour: tuple[int, int, int], side: int = 20) -> Tensor:
    return torch.tensor(colour, dtype=torch.uint8).view(1, 3, 1, 1).repeat(n, 1, side, side)


def augmented(augment: PhotoAugmentation, pixels: Tensor, *, seed: int = 0) -> Tensor:
    return augment(pixels, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("augment", EACH)
@pytest.mark.parametrize("n", [0, 1, 5])
@pytest.mark.parametrize(("height", "width"), [(24, 32), (1, 1), (1, 7)])
def test_shape_and_dtype_stay(augment: PhotoAugmentation, n: int, height: int, width: int) -> None:
    changed = augmented(augment, noise(n, height=height, width=width))
    assert changed.shape == (n, 3, height, width)
    assert changed.dtype == torch.uint8


@pytest.mark.parametrize("augment", EACH)
def test_the_layout_in_memory_stays_and_changes_no_pixel(augment: PhotoAugmentation) -> None:
    plain = noise()
    last = torch.from_numpy(plain.permute(0, 2, 3, 1).numpy().copy()).permute(0, 3, 1, 2)
    first, second = augmented(augment, plain), augmented(augment, last)
    assert first.is_contiguous()
    assert second.is_contiguous(memory_format=torch.channels_last)
    # Means add up in another order, which may turn a rounding.
    assert (first.int() - second.int()).abs().max() <= 1


@pytest.mark.parametrize("augment", EACH)
def test_the_state_of_the_generator_decides_the_result(augment: PhotoAugmentation) -> None:
    assert torch.equal(augmented(augment, noise()), augmented(augment, noise()))
    assert not torch.equal(augmented(augment, noise()), augmented(augment, noise(), seed=1))
    generator = torch.Generator().manual_seed(0)
    first, second = (augment(noise(), generator=generator) for _ in range(2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("augment", EACH)
def test_photos_of_a_batch_are_changed_differently(augment: PhotoAugmentation) -> None:
    changed = augmented(augment, noise(1).repeat(16, 1, 1, 1))
    assert len(torch.unique(changed, dim=0)) > 1


def test_global_chance_is_neither_read_nor_changed() -> None:
    def state() -> tuple[object, ...]:
        return random.getstate(), torch.get_rng_state().tolist(), str(np.random.get_state())  # noqa: NPY002

    before = state()
    augmented(EVERYTHING, noise())
    assert state() == before


@pytest.mark.parametrize("augment", EACH)
def test_the_given_photos_stay_as_they_are(augment: PhotoAugmentation) -> None:
    pixels = noise()
    augmented(augment, pixels)
    assert torch.equal(pixels, noise())


def test_the_same_tensor_comes_back_where_everything_is_off() -> None:
    pixels, off = noise(), PhotoAugmentation()
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert off.is_off
    assert off(pixels, generator=generator) is pixels
    assert torch.equal(generator.get_state(), before)


def test_a_certain_flip_is_the_exact_mirror_image() -> None:
    assert torch.equal(augmented(PhotoAugmentation(flip=1.0), noise()), noise().flip(-1))


def test_about_the_given_share_of_photos_is_mirrored_and_the_others_stay() -> None:
    pixels = noise(1, height=3, width=5).repeat(1_000, 1, 1, 1)
    changed = augmented(PhotoAugmentation(flip=0.3), pixels)
    mirrored = (changed == pixels.flip(-1)).flatten(1).all(1)
    assert mirrored.sum().item() == pytest.approx(300, abs=45)
    assert torch.equal(changed[~mirrored], pixels[~mirrored])


def test_crops_are_mirrored_as_well() -> None:
    ramp = (torch.arange(64) * 4).to(torch.uint8).expand(200, 3, 64, 64)
    changed = augmented(PhotoAugmentation(crop=0.5, flip=0.3), ramp).int()
    falls = changed[:, 0, 0, -1] < changed[:, 0, 0, 0]
    assert falls.sum().item() == pytest.approx(60, abs=20)


@pytest.mark.parametrize("augment", [*(EACH[k] for k in (0, 1, 3)), PhotoAugmentation(0.3, 0.5)])
def test_without_colour_a_photo_of_one_colour_stays(augment: PhotoAugmentation) -> None:
    pixels = one_colour(50, colour=(255, 128, 3))
    assert torch.equal(augmented(augment, pixels), pixels)


@pytest.mark.parametrize("least", [0.05, 0.25, 0.7, 0.95])
def test_a_crop_keeps_its_share_of_the_area_in_about_the_same_shape(least: float) -> None:
    ramp = torch.arange(256, dtype=torch.uint8)
    across, down = torch.broadcast_tensors(ramp[None, :], ramp[:, None])
    photo = torch.stack([across, down, across]).expand(100, 3, 256, 256)
    flat = augmented(PhotoAugmentation(crop=least), photo).flatten(2).int()
    width, height, _ = ((flat.amax(2) - flat.amin(2) + 1) / 256).unbind(1)
    tolerance = 0.02
    assert (width * height).min() >= least - tolerance
    assert (width * height).max() <= 1
    assert (width * height).max() >= 1 - 0.1 * (1 - least) - tolerance
    assert (width / height).max() <= 4 / 3 + 0.1
    assert (width / height).min() >= 3 / 4 - 0.1


def test_a_crop_of_nearly_all_shows_nearly_the_same() -> None:
    down, across = torch.meshgrid(torch.arange(40), torch.arange(80), indexing="ij")
    photo = torch.stack([across, down, across + down]).to(torch.uint8).expand(50, -1, -1, -1)
    changed = augmented(PhotoAugmentation(crop=0.95), photo)
    assert (changed.int() - photo.int()).abs().max() <= 5


def test_crops_come_from_everywhere_in_a_photo() -> None:
    ramp = torch.arange(64, dtype=torch.uint8)
    photo = ramp.expand(300, 3, 64, 64)
    for pixels in (photo, photo.transpose(2, 3)):
        changed = augmented(PhotoAugmentation(crop=0.1), pixels)
        assert changed.amin() <= 1 and changed.amax() >= 62
        middle = changed.float().mean((1, 2, 3))  # of the ramp: where in the photo a crop lies
        assert middle.min() < 20 and middle.max() > 43


def test_grey_photos_stay_grey_and_vary_in_brightness_by_the_strength() -> None:
    changed = augmented(PhotoAugmentation(colour=0.4), one_colour(500, colour=(100, 100, 100)))
    assert torch.equal(changed.amin(1), changed.amax(1))
    assert 60 <= changed.amin() <= 63 and 137 <= changed.amax() <= 140


def test_colours_keep_the_order_of_their_channels() -> None:
    changed = augmented(PhotoAugmentation(colour=1.0), one_colour(200, colour=(90, 60, 30)))
    red, green, blue = changed.unbind(1)
    assert (red >= green).all() and (green >= blue).all()
    saturation = (red - blue).float() / red.clamp(min=1)
    assert saturation.amax() > 0.9 and saturation.amin() < 0.1


def test_contrast_carries_the_colours_along() -> None:
    pixels = one_colour(300, colour=(80, 64, 48))
    changed = augmented(PhotoAugmentation(colour=0.5), pixels).float()
    red, green, blue = changed.unbind(1)
    factor = (red - blue) / (0.299 * red + 0.587 * green + 0.114 * blue) / (32 / 66.96)
    assert 1.8 < factor.amax() <= 1.5**2 + 0.1 and 0.5**2 - 0.1 <= factor.amin() < 0.45


def test_contrast_varies_around_the_mean() -> None:
    pixels = one_colour(200, colour=(100, 100, 100))
    pixels[..., ::2] = 140
    changed = augmented(PhotoAugmentation(colour=0.5), pixels).float()
    contrast = (changed.amax((1, 2, 3)) - changed.amin((1, 2, 3))) / changed.mean((1, 2, 3))
    assert contrast.amin() == pytest.approx(0.5 * 40 / 120, abs=0.03)
    assert contrast.amax() == pytest.approx(1.5 * 40 / 120, abs=0.03)


def test_a_rectangle_of_2_to_20_percent_gets_the_mean_colour() -> None:
    pixels = noise(200, height=100, width=80)
    changed = augmented(PhotoAugmentation(erasing=1.0), pixels)
    mean = pixels.float().mean((2, 3)).round()[:, :, None, None]
    touched = (changed != pixels).any(1)
    assert (changed == torch.where(touched[:, None], mean, pixels)).all()
    rows, columns = touched.any(2).sum(1), touched.any(1).sum(1)
    share = rows * columns / (100 * 80)
    rounding = (rows / 100 + columns / 80) / 80
    assert (share <= 0.2 + rounding).all() and (share >= 0.02 - rounding).all()
    filled = touched.sum((1, 2)) / (rows * columns)
    assert filled.min() > 0.98  # few pixels had the mean colour before


def test_rectangles_lie_everywhere() -> None:
    touched = augmented(PhotoAugmentation(erasing=1.0), noise(300)) != noise(300)
    places = touched.any(1).any(0)
    assert places.any(0).all() and places.any(1).all() and places[2:-2, 2:-2].all()


def test_about_the_given_share_of_photos_is_covered_in_part() -> None:
    pixels = noise(1_000, height=16, width=16)
    changed = augmented(PhotoAugmentation(erasing=0.3), pixels)
    covered = (changed != pixels).flatten(1).any(1).sum().item()
    assert covered == pytest.approx(300, abs=45)


def test_gentle_changes_no_colour_and_strong_does() -> None:
    pixels = one_colour(10, colour=(200, 30, 90))
    assert torch.equal(augmented(GENTLE, pixels), pixels)
    assert not torch.equal(augmented(STRONG, pixels), pixels)
    assert PhotoAugmentation(crop=0.7, flip=0.5) == GENTLE
    assert PhotoAugmentation(crop=0.25, flip=0.5, colour=0.4) == STRONG


@pytest.mark.parametrize("augment", EACH)
def test_mixed_precision_around_it_changes_nothing(augment: PhotoAugmentation) -> None:
    expected = augmented(augment, noise())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(augmented(augment, noise()), expected)


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        ({"crop": 0}, ["crop must be a number in (0, 1], got 0"]),
        ({"crop": 1.5}, ["crop must be a number in (0, 1], got 1.5"]),
        ({"flip": True}, ["flip must be a number in [0, 1], got True"]),
        ({"colour": -0.1}, ["colour must be a number in [0, 1], got -0.1"]),
        ({"erasing": float("nan")}, ["erasing must be a number in [0, 1], got nan"]),
        ({"erasing": None}, ["erasing must be a number in [0, 1], got None"]),
        (
            {"crop": "0.5", "flip": 2},
            [
                "crop must be a number in (0, 1], got '0.5'",
                "flip must be a number in [0, 1], got 2",
            ],
        ),
    ],
)
def test_all_bad_options_are_refused_in_one_message(
    options: dict[str, float], rules: list[str]
) -> None:
    with pytest.raises(ValueError) as caught:
        PhotoAugmentation(**options)
    assert str(caught.value) == "; ".join(rules) + ". Leave it out to switch it off."


@pytest.mark.parametrize("augment", [PhotoAugmentation(), GENTLE])
@pytest.mark.parametrize(
    "pixels",
    [noise().float(), noise()[0], noise().permute(0, 2, 3, 1), noise()[:, :1]],
    ids=["scaled", "one photo", "channels last", "grey"],
)
def test_other_pixels_are_refused_even_when_off(augment: PhotoAugmentation, pixels: Tensor) -> None:
    with pytest.raises(ValueError, match=r"^pixels must be uint8 \[n, 3, height, width\], got "):
        augmented(augment, pixels)


def test_options_are_numbers_that_cannot_be_changed() -> None:
    assert repr(PhotoAugmentation(flip=1)) == (
        "PhotoAugmentation(crop=1.0, flip=1.0, colour=0.0, erasing=0.0)"
    )
    with pytest.raises(FrozenInstanceError):
        GENTLE.colour = 1.0  # type: ignore[misc]

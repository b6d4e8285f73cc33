"""Random changes of photos while a model trains, so that it does not learn them by heart."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from encoders.augment_texts import check_shares

MAX_STRETCH = 4 / 3
"""A crop is at most this much wider or higher than the photo's own shape."""
ERASED = (0.02, 0.2)
"""Share of the area of an erased rectangle."""
MAX_ERASED_STRETCH = 1 / 0.3
LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class PhotoAugmentation:
    """Gives photos back cropped, mirrored, recoloured or covered in part, differently each time.

    Why: a photo encoder that is fine-tuned on few products learns their photos by heart; one that
    never sees the same pixels twice has to learn what they show. Only for training, never for
    predictions.
    Source: crop: Szegedy et al. (2015), section 6; colour: Krizhevsky et al. (2012); erasing: Zhong
    et al. (2020), section 3. *differs:* a crop never has less than its share of the area, and
    an erased rectangle gets the photo's mean colour.

    Shape:
        uint8 `[n, 3, height, width]` -> the same, channels last in memory if they were so before.

    Args:
        crop: Least share of the area that is kept, in (0, 1], 1 is off; the part is stretched by
            3/4 to 4/3 and enlarged to the photo's size. Safe from about 0.5; below, a crop may
            show no product at all. It changes the product where its size in the photo says
            something (an earring and a plate fill the same crop).
        flip: Chance, in [0, 1], of a mirror image, left and right swapped. Safe for most products;
            it changes those with printed text, a logo or a one-sided design, and left from right
            shoe.
        colour: Strength, in [0, 1], of changes of brightness, contrast and saturation: each is
            multiplied by 1 - strength to 1 + strength; hues stay, and 1 may give a black photo.
            Safe up to about 0.1, as light differs between photos anyway; more makes navy black,
            which changes the product wherever colour is part of what sells: off by default.
        erasing: Chance, in [0, 1], that a rectangle of 2 to 20 % of the area is covered with the
            photo's mean colour. Safe where products fill their photos; it changes those that a
            small part decides about, as it may hide a logo, a clasp or a label.

    Raises:
        ValueError: If an option is outside its range; all of them in one message.

    Example:
        >>> augment = PhotoAugmentation(flip=1.0)
        >>> photo = torch.arange(3, dtype=torch.uint8).expand(1, 3, 1, 3)
        >>> augment(photo, generator=torch.Generator())[0, 0]
        tensor([[2, 1, 0]], dtype=torch.uint8)
    """

    crop: float = 1.0
    flip: float = 0.0
    colour: float = 0.0
    erasing: float = 0.0

    def __post_init__(self) -> None:
        """Refuse options outside their range."""
        check_shares(self, crop="(0, 1]", flip="[0, 1]", colour="[0, 1]", erasing="[0, 1]")

    @property
    def is_off(self) -> bool:
        """True where every photo stays as it is."""
        return self == PhotoAugmentation()

    @torch.no_grad()
    def __call__(self, pixels: Tensor, *, generator: torch.Generator) -> Tensor:
        """The photos, each changed by its own draws; the same tensor where everything is off.

        Args:
            pixels: Photos, on any device.
            generator: Where chance comes from, on any device: its state decides the result.

        Raises:
            ValueError: If the pixels are not uint8 `[n, 3, height, width]`.
        """
        _check_pixels(pixels)
        if self.is_off or pixels.numel() == 0:
            return pixels
        changed = pixels.float()
        if self.crop < 1.0:
            changed = _cropped(changed, self.crop, self.flip, generator)
        elif self.flip:
            changed = _mirrored(changed, self.flip, generator)
        if self.colour:
            changed = _recoloured(changed, self.colour, generator)
        if self.erasing:
            changed = _erased(changed, self.erasing, generator)
        last = pixels.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if last else torch.contiguous_format
        return changed.round().to(torch.uint8).contiguous(memory_format=layout)


GENTLE = PhotoAugmentation(crop=0.7, flip=0.5)
"""What fine-tuning uses unless told otherwise: nothing that changes a product's colour."""
STRONG = PhotoAugmentation(crop=0.25, flip=0.5, colour=0.4)
"""For self-supervision, whose two views of one photo have to differ to teach anything."""


def _check_pixels(pixels: Tensor) -> None:
    if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[1] != 3:
        raise ValueError(
            f"pixels must be uint8 [n, 3, height, width], got {pixels.dtype} "
            f"{list(pixels.shape)}. Augment them before they are scaled."
        )


def _draws(count: int, pixels: Tensor, generator: torch.Generator) -> list[Tensor]:
    """`count` tensors `[n]` of numbers in [0, 1): one of each for a photo."""
    size = (count, len(pixels))
    drawn = torch.rand(size, generator=generator, device=generator.device).to(pixels.device)
    return list(drawn.unbind())


def _box(area: Tensor, stretch: Tensor) -> tuple[Tensor, Tensor]:
    """Width and height of a box of that share of the area, as shares of the photo's."""
    return (area * stretch).sqrt(), (area / stretch).sqrt()


def _centres(n_pixels: int, pixels: Tensor) -> Tensor:
    """Where the centres of a row of pixels lie, from -1 to 1."""
    return (2 * torch.arange(n_pixels, device=pixels.device) + 1) / n_pixels - 1


def _cropped(pixels: Tensor, least: float, flip: float, generator: torch.Generator) -> Tensor:
    share, stretch, across, down, mirror = _draws(5, pixels, generator)
    area = least + (1 - least) * share
    # A stretch beyond the area would leave the photo, and cutting it off would lose area.
    stretch = ((2 * stretch - 1) * (-area.log()).clamp(max=math.log(MAX_STRETCH))).exp()
    width, height = _box(area, stretch)
    sign = torch.where(mirror < flip, -1.0, 1.0)
    x = torch.outer(width * sign, _centres(pixels.shape[3], pixels))
    y = torch.outer(height, _centres(pixels.shape[2], pixels))
    x += ((2 * across - 1) * (1 - width))[:, None]
    y += ((2 * down - 1) * (1 - height))[:, None]
    grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), dim=-1)
    return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def _mirrored(pixels: Tensor, flip: float, generator: torch.Generator) -> Tensor:
    (mirror,) = _draws(1, pixels, generator)
    return torch.where((mirror < flip).view(-1, 1, 1, 1), pixels.flip(-1), pixels)


def _recoloured(pixels: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    brightness, contrast, saturation = (
        (1 + strength * (2 * draw - 1)).view(-1, 1, 1, 1) for draw in _draws(3, pixels, generator)
    )
    grey = (pixels * pixels.new_tensor(LUMA).view(3, 1, 1)).sum(1, keepdim=True)
    middle = grey.mean((2, 3), keepdim=True)
    # All three at once: grey carries contrast, and what differs from grey saturation as well.
    colours = (pixels - grey) * (saturation * contrast)
    return ((middle + (grey - middle) * contrast + colours) * brightness).clamp(0, 255)


def _erased(pixels: Tensor, chance: float, generator: torch.Generator) -> Tensor:
    happens, area, stretch, across, down = _draws(5, pixels, generator)
    area = ERASED[0] + (ERASED[1] - ERASED[0]) * area
    width, height = _box(area, ((2 * stretch - 1) * math.log(MAX_ERASED_STRETCH)).exp())
    in_x = _inside(_centres(pixels.shape[3], pixels), width, across)
    in_y = _inside(_centres(pixels.shape[2], pixels), height, down)
    hidden = in_y[:, :, None] & in_x[:, None, :] & (happens < chance)[:, None, None]
    return torch.where(hidden[:, None], pixels.mean((2, 3), keepdim=True), pixels)


def _inside(centres: Tensor, length: Tensor, place: Tensor) -> Tensor:
    """`[n, pixels]`, True between the ends of a stretch that lies within -1 to 1."""
    middle = (2 * place - 1) * (1 - length)
    return (centres - middle[:, None]).abs() < length[:, None]

"""How photos are changed while a model trains: crops, mirrors, colours, covered parts."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from encoders.image.augmentation import PhotoAugmentation

MAX_STRETCH = 4 / 3
"""A crop is at most this much wider or higher than the photo's own shape."""
ERASED = (0.02, 0.2)
"""Share of the area of an erased rectangle."""
MAX_ERASED_STRETCH = 1 / 0.3
LUMA = (0.299, 0.587, 0.114)


@torch.no_grad()
def changed_photos(
    pixels: Tensor, augmentation: PhotoAugmentation, *, generator: torch.Generator
) -> Tensor:
    """What an augmentation makes of photos, see `PhotoAugmentation`.

    Raises:
        ValueError: If the pixels are not uint8 `[n, 3, height, width]`.
    """
    _check_pixels(pixels)
    if augmentation.is_off or pixels.numel() == 0:
        return pixels
    changed = pixels.float()
    if augmentation.crop < 1.0:
        changed = _cropped(changed, augmentation.crop, augmentation.flip, generator)
    elif augmentation.flip:
        changed = _mirrored(changed, augmentation.flip, generator)
    if augmentation.colour:
        changed = _recoloured(changed, augmentation.colour, generator)
    if augmentation.erasing:
        changed = _erased(changed, augmentation.erasing, generator)
    last = pixels.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    return changed.round().to(torch.uint8).contiguous(memory_format=layout)


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

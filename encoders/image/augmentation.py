"""Random changes of photos while a model trains, so that it does not learn them by heart."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from encoders.text.augmentation import check_shares

if TYPE_CHECKING:
    import torch
    from torch import Tensor


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
        >>> import torch
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

    def __call__(self, pixels: "Tensor", *, generator: "torch.Generator") -> "Tensor":
        """The photos, each changed by its own draws; the same tensor where everything is off.

        Args:
            pixels: Photos, on any device.
            generator: Where chance comes from, on any device: its state decides the result.

        Raises:
            ValueError: If the pixels are not uint8 `[n, 3, height, width]`.
        """
        from encoders.image.photo_changes import changed_photos  # torch

        return changed_photos(pixels, self, generator=generator)


GENTLE = PhotoAugmentation(crop=0.7, flip=0.5)
"""What fine-tuning uses unless told otherwise: nothing that changes a product's colour."""
STRONG = PhotoAugmentation(crop=0.25, flip=0.5, colour=0.4)
"""For self-supervision, whose two views of one photo have to differ to teach anything."""

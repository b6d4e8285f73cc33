"""The one canonical way from a photo's bytes to RGB pixels; what is odd is said, never hidden."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from encoders.image.photo_file import PhotoError, read_photo, sniff
from encoders.image.photo_limits import CountedReader, check_header
from encoders.image.photo_sizes import check_pixels, too_many_pixels
from encoders.image.tiff_directory import check_directory

__all__ = ["Photo", "PhotoError", "PhotoSource", "load_photo", "read_photo"]

STRIP_PIXELS = 1_000_000
ORIENTATION_TAG = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

SIDEWAYS = (5, 6, 7, 8)
FROM_THE_END = (3, 4, 7, 8)
"""Orientations whose first upright row is the last row or column."""

MORE_SUFFIXES = {"JPEG": (".jpg", ".jpe", ".jfif"), "TIFF": (".tif",)}

PhotoSource = bytes | Path | Image.Image
Convert = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True)
class Photo:
    """One decoded photo: RGB, 8 bits a channel, upright, in one piece or made small.

    Why: a second large copy, turned or converted, would double the memory. So pixels stay as the
    decoder gave them until they are asked for, and are turned and converted some rows at a time.

    Attributes:
        stored: As decoded: in any mode, maybe lying on its side.
        orientation: EXIF's number for how it lies; 0 and 1: upright.
        convert: A piece of it -> its pixels in `mode`.
        mode: "RGB" or "L".
        warnings: What was odd about the file, in short codes: "rotated_by_exif",
            "exif_unreadable", "rescaled_from_16_bit", "rescaled_from_32_bit",
            "transparency_over_white", "converted_from_cmyk", "first_frame_of_several",
            "suffix_is_not_FORMAT".
    """

    stored: Image.Image
    orientation: int
    convert: Convert
    mode: Literal["RGB", "L"] = "RGB"
    warnings: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, upright."""
        width, height = self.stored.size
        return (height, width) if self.orientation in SIDEWAYS else (width, height)

    @property
    def image(self) -> Image.Image:
        """All pixels as a new picture: 4 bytes each besides those that were decoded."""
        whole = Image.new(self.mode, self.size)
        for top, strip in self.strips():
            whole.paste(strip, (0, top))
        return whole

    @property
    def grey(self) -> "Photo":
        """The same in grey: weighted as for television (ITU-R BT.601)."""
        return replace(self, convert=lambda piece: self.convert(piece).convert("L"), mode="L")

    def resized(
        self,
        size: tuple[int, int],
        method: Image.Resampling,
        *,
        box: tuple[float, float, float, float] | None = None,
    ) -> Image.Image:
        """What `image.resize(size, method, box)` gives, to the bit, without the large picture.

        Why: Pillow resizes rows first and then columns, rounding between; so rows can be resized
        strip by strip.

        Args:
            size: Width and height of the result.
            method: Pillow's resampling filter.
            box: Left, top, right and bottom of the part that is shown; None: all.
        """
        width, height = self.size
        left, top, right, bottom = box or (0, 0, width, height)
        if self.convert is same and self.orientation not in UPRIGHT:
            return self.stored.resize(size, method, (left, top, right, bottom))
        narrow = Image.new(self.mode, (size[0], height))
        for at, strip in self.strips():
            part = strip.resize((size[0], strip.height), method, (left, 0, right, strip.height))
            narrow.paste(part, (0, at))
        return narrow.resize(size, method, (0, top, size[0], bottom))

    def strips(self) -> Iterator[tuple[int, Image.Image]]:
        """First row and pixels of one strip after the other, upright and converted."""
        width, height = self.size
        n_rows = max(1, STRIP_PIXELS // width)
        for top in range(0, height, n_rows):
            bottom = min(top + n_rows, height)
            piece = self.stored.crop(self._stored_box(top, bottom))
            piece.info = self.stored.info
            strip = self.convert(piece)
            turn = UPRIGHT.get(self.orientation)
            yield top, strip if turn is None else strip.transpose(turn)

    def _stored_box(self, top: int, bottom: int) -> tuple[int, int, int, int]:
        """Where the upright rows `top` to `bottom` lie in what was decoded."""
        width, height = self.stored.size
        first, last = (top, bottom)
        if self.orientation in FROM_THE_END:
            length = self.size[1]
            first, last = length - bottom, length - top
        return (first, 0, last, height) if self.orientation in SIDEWAYS else (0, first, width, last)


def load_photo(source: PhotoSource, *, min_side: int | None = None) -> Photo:
    """Decode one photo to upright 8-bit RGB, by one rule for every format.

    Why: decoders disagree silently about 16-bit, rotated, transparent and animated files. Here:
    JPEG, PNG, GIF, WebP, BMP and TIFF by their first bytes; EXIF rotation applied; 16-bit grey
    divided by 257; 32-bit integers and floats scaled from `min(0, lowest)` .. `max(0, highest)`
    to 0 .. 255; transparency laid over white; CMYK converted; the first frame of several. Colour
    profiles are not applied. Damage that a decoder does not notice is found by checksums only.

    Args:
        source: The file's bytes, its path (links are followed), or a decoded picture.
        min_side: A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as long as both sides keep
            this many pixels: several times as fast, slightly different pixels. None: full size.

    Raises:
        PhotoError: If the photo cannot be used; nothing is put in its place.

    Example:
        >>> load_photo(Image.new("CMYK", (4, 3))).warnings
        ('converted_from_cmyk',)
    """
    if isinstance(source, Image.Image):
        check_pixels(source.size)
        return decode(source, min_side=None)
    content = read_photo(source)
    format_name = sniff(content)
    check_header(content, format_name=format_name)
    suffixes = ("", f".{format_name.lower()}", *MORE_SUFFIXES.get(format_name, ()))
    odd = []
    if isinstance(source, Path) and source.suffix.lower() not in suffixes:
        odd.append(f"suffix_is_not_{format_name.lower()}")
    with open_header(content, format_name=format_name) as image:
        photo = decode(image, min_side=min_side)
    return replace(photo, warnings=(*odd, *photo.warnings))


def open_header(content: bytes, *, format_name: str) -> Image.Image:
    """Open a picture without decoding it, and check its size."""
    try:
        image = Image.open(CountedReader(content), formats=[format_name])
    except PhotoError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_many_pixels("far more") from error
    except Exception as error:  # Pillow's readers raise nearly every type on broken headers.
        raise broken(error) from error
    check_pixels(image.size)
    return image


def broken(error: Exception) -> PhotoError:
    """The error for a file that begins like a picture and cannot be decoded."""
    reason = str(error) or type(error).__name__
    if isinstance(error, UnidentifiedImageError):  # its text holds an address of memory
        reason = "its header is damaged"
    short = any(word in reason.lower() for word in ("truncated", "unexpected end", "too short"))
    message = f"a photo must be complete, got one that fails to decode: {reason}. Fetch it again."
    return PhotoError("truncated" if short else "corrupt", message)


def decode(image: Image.Image, *, min_side: int | None) -> Photo:
    """Upright 8-bit RGB of an opened picture."""
    try:
        return upright_rgb(image, min_side=min_side)
    except (PhotoError, MemoryError):  # a machine that is too small says nothing of the photo
        raise
    except Exception as error:  # Mutated files make Pillow raise nearly every type.
        raise broken(error) from error


def upright_rgb(image: Image.Image, *, min_side: int | None) -> Photo:
    """Pixels, frames, rotation and mode, in this order."""
    odd = []
    if min_side is not None and image.format == "JPEG":
        image.draft(None, (min_side, min_side))
    # A TIFF turns itself while it loads; a PNG knows its EXIF only after.
    orientation = orientation_of(image) if image.format == "TIFF" else 0
    if getattr(image, "is_animated", False):  # a GIF finds out by moving on, so before it loads
        odd.append("first_frame_of_several")
    image.load()
    if image.format != "TIFF":
        orientation = orientation_of(image)
    if orientation is None:
        odd.append("exif_unreadable")
    elif orientation in UPRIGHT:
        odd.append("rotated_by_exif")
    if orientation is None or image.format == "TIFF":
        orientation = 0
    convert, warning = conversion_of(image)
    return Photo(image, orientation, convert, warnings=(*odd, *warning))


def orientation_of(image: Image.Image) -> int | None:
    """EXIF orientation, 0 if none is stated, None if the EXIF block cannot be read."""
    try:
        block = image.info.get("exif")
        if block is None and "Raw profile type exif" in image.info:  # as hexadecimal text
            block = bytes.fromhex("".join(image.info["Raw profile type exif"].split("\n")[3:]))
        check_directory(re.sub(b"^(Exif\0\0){1,2}", b"", block or b""))
        exif = image.getexif()
        # Pillow reads nothing from some broken blocks without a word.
        return int(exif.get(ORIENTATION_TAG, 0)) if exif or not image.info.get("exif") else None
    except Exception:  # As above; the pixels are good all the same.
        return None


def conversion_of(image: Image.Image) -> tuple[Convert, tuple[str, ...]]:
    """From a picture's mode to 8-bit RGB, piece by piece, and what has to be done for it."""
    if image.mode.startswith("I;16"):
        return from_sixteen_bit, ("rescaled_from_16_bit",)
    if image.mode in ("I", "F"):
        low, high = finite_range(image)
        scale = 255.0 / (high - low) if high > low else 0.0
        return lambda piece: scaled(piece, low, scale), ("rescaled_from_32_bit",)
    if image.has_transparency_data:
        return over_white, ("transparency_over_white",)
    if image.mode == "RGB":
        return same, ()
    return to_rgb, ("converted_from_cmyk",) if image.mode == "CMYK" else ()


def same(piece: Image.Image) -> Image.Image:
    """It is RGB."""
    return piece


def to_rgb(piece: Image.Image) -> Image.Image:
    """By Pillow's own rule."""
    return piece.convert("RGB")


def over_white(piece: Image.Image) -> Image.Image:
    """Transparency laid over white."""
    layer = piece.convert("RGBA")
    white = Image.new("RGB", piece.size, "white")
    white.paste(layer, mask=layer.getchannel("A"))
    return white


def from_sixteen_bit(piece: Image.Image) -> Image.Image:
    """0 .. 65535 -> 0 .. 255, rounded (65535 = 257 * 255); a transparent value becomes white."""
    values = np.asarray(piece)
    grey = np.rint(values / np.float32(257)).astype(np.uint8)
    key = piece.info.get("transparency")
    if isinstance(key, int):
        grey[values == key] = 255
    return Image.fromarray(grey).convert("RGB")


def finite_range(image: Image.Image) -> tuple[float, float]:
    """Lowest and highest value, and 0: zero stays black in a picture without negatives."""
    low, high = 0.0, 0.0
    n_rows = max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, n_rows):
        box = (0, top, image.width, min(top + n_rows, image.height))
        values = np.asarray(image.crop(box))
        if not np.isfinite(values).all():
            message = "a photo must have finite pixels, got NaN or infinity. Export it again."
            raise PhotoError("not_finite", message)
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    return low, high


def scaled(piece: Image.Image, low: float, scale: float) -> Image.Image:
    """Values from `low` upwards -> 0 .. 255."""
    values = (np.asarray(piece, dtype=np.float64) - low) * scale
    return Image.fromarray(np.rint(values).astype(np.uint8)).convert("RGB")

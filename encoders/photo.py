"""The one canonical way from a photo's bytes to RGB pixels; what is odd is said, never hidden."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from encoders.photo_file import PhotoError, read_photo, sniff

__all__ = ["Photo", "PhotoError", "PhotoSource", "load_photo", "read_photo"]

MAX_PIXELS = 50_000_000
STRIP = 256  # rows
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

MORE_SUFFIXES = {"JPEG": (".jpg", ".jpe", ".jfif"), "TIFF": (".tif",)}

PhotoSource = bytes | Path | Image.Image


@dataclass(frozen=True)
class Photo:
    """One decoded photo.

    Attributes:
        image: RGB, 8 bits a channel, upright.
        warnings: What was odd about the file, in short codes: "rotated_by_exif",
            "exif_unreadable", "rescaled_from_16_bit", "rescaled_from_32_bit",
            "transparency_over_white", "converted_from_cmyk", "first_frame_of_several",
            "suffix_is_not_FORMAT".
    """

    image: Image.Image
    warnings: tuple[str, ...] = ()


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
    suffixes = ("", f".{format_name.lower()}", *MORE_SUFFIXES.get(format_name, ()))
    odd = []
    if isinstance(source, Path) and source.suffix.lower() not in suffixes:
        odd.append(f"suffix_is_not_{format_name.lower()}")
    with open_header(content, format_name=format_name) as image:
        photo = decode(image, min_side=min_side)
    return Photo(photo.image, (*odd, *photo.warnings))


def check_pixels(size: tuple[int, int]) -> None:
    """Refuse a picture that claims to have more than 50 million pixels, or none."""
    if not all(size):
        got = f"{size[0]} x {size[1]}"
        raise PhotoError("empty", f"a photo must have pixels, got {got}. Fetch it again.")
    if size[0] * size[1] > MAX_PIXELS:
        raise too_many_pixels(f"{size[0]} x {size[1]}")


def too_many_pixels(got: str) -> PhotoError:
    """The error for a header that claims too much."""
    rule = f"a photo must have at most {MAX_PIXELS:,} pixels"
    return PhotoError("too_many_pixels", f"{rule}, got {got}. Save it smaller.")


def open_header(content: bytes, *, format_name: str) -> Image.Image:
    """Open a picture without decoding it, and check its size."""
    try:
        image = Image.open(io.BytesIO(content), formats=[format_name])
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
    image.load()
    if getattr(image, "is_animated", False):
        odd.append("first_frame_of_several")
    if image.format != "TIFF":
        orientation = orientation_of(image)
    if orientation is None:
        odd.append("exif_unreadable")
    elif orientation in UPRIGHT:
        odd.append("rotated_by_exif")
        if image.format != "TIFF":
            image = image.transpose(UPRIGHT[orientation])
    rgb, warning = to_rgb(image)
    return Photo(rgb, (*odd, *warning))


def orientation_of(image: Image.Image) -> int | None:
    """EXIF orientation, 0 if none is stated, None if the EXIF block cannot be read."""
    try:
        exif = image.getexif()
        # Pillow reads nothing from some broken blocks without a word.
        return int(exif.get(ORIENTATION_TAG, 0)) if exif or not image.info.get("exif") else None
    except Exception:  # As above; the pixels are good all the same.
        return None


def to_rgb(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """8-bit RGB from any mode, and what had to be done."""
    if image.mode.startswith("I;16"):
        return by_strips(image, sixteen_bit_strip), ("rescaled_from_16_bit",)
    if image.mode in ("I", "F"):
        low, high = finite_range(image)
        scale = 255.0 / (high - low) if high > low else 0.0
        return by_strips(image, lambda strip: scaled(strip, low, scale)), ("rescaled_from_32_bit",)
    if image.has_transparency_data:
        return by_strips(image, over_white), ("transparency_over_white",)
    odd = ("converted_from_cmyk",) if image.mode == "CMYK" else ()
    rgb = image.convert("RGB")
    rgb.info = {}  # or a second reading would rotate and clear it again
    return rgb, odd


def by_strips(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """RGB from converting 256 rows at a time: a large photo needs no second large copy."""
    rgb = Image.new("RGB", image.size)
    for top in range(0, image.height, STRIP):
        strip = image.crop((0, top, image.width, min(top + STRIP, image.height)))
        strip.info = image.info
        rgb.paste(convert(strip), (0, top))
    return rgb


def over_white(strip: Image.Image) -> Image.Image:
    """Transparency laid over white."""
    layer = strip.convert("RGBA")
    white = Image.new("RGB", strip.size, "white")
    white.paste(layer, mask=layer.getchannel("A"))
    return white


def sixteen_bit_strip(strip: Image.Image) -> Image.Image:
    """0 .. 65535 -> 0 .. 255, rounded (65535 = 257 * 255); a transparent value becomes white."""
    values = np.asarray(strip)
    grey = np.rint(values / np.float32(257)).astype(np.uint8)
    key = strip.info.get("transparency")
    if isinstance(key, int):
        grey[values == key] = 255
    return Image.fromarray(grey).convert("RGB")


def finite_range(image: Image.Image) -> tuple[float, float]:
    """Lowest and highest value, and 0: zero stays black in a picture without negatives."""
    low, high = 0.0, 0.0
    for top in range(0, image.height, STRIP):
        box = (0, top, image.width, min(top + STRIP, image.height))
        values = np.asarray(image.crop(box))
        if not np.isfinite(values).all():
            message = "a photo must have finite pixels, got NaN or infinity. Export it again."
            raise PhotoError("not_finite", message)
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    return low, high


def scaled(strip: Image.Image, low: float, scale: float) -> Image.Image:
    """Values from `low` upwards -> 0 .. 255."""
    values = (np.asarray(strip, dtype=np.float64) - low) * scale
    return Image.fromarray(np.rint(values).astype(np.uint8)).convert("RGB")

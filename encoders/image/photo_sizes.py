"""The limits on a photo, and the errors that name them."""

from encoders.image.photo_file import PhotoError

MAX_PIXELS = 50_000_000
MAX_SIDE = 65_535
MAX_MEMORY = 256_000_000
"""Bytes that a decoder holds at once, the picture included."""
MAX_UNPACKED_BYTES = 150_000_000
MAX_TEXT_BYTES = 3_000_000
MAX_READS = 400_000


def check_pixels(size: tuple[int, int]) -> None:
    """Refuse a picture that has no pixels, more than 50 million, or a side above 65,535."""
    got = f"{size[0]} x {size[1]}"
    if not all(size):
        raise PhotoError("empty", f"a photo must have pixels, got {got}. Fetch it again.")
    if size[0] * size[1] > MAX_PIXELS:
        raise too_many_pixels(got)
    if max(size) > MAX_SIDE:
        rule = f"a photo must have sides of at most {MAX_SIDE:,} pixels"
        raise PhotoError("too_many_pixels", f"{rule}, got {got}. Cut it.")


def too_many_pixels(got: str) -> PhotoError:
    """The error for a header that claims too much."""
    rule = f"a photo must have at most {MAX_PIXELS:,} pixels"
    return PhotoError("too_many_pixels", f"{rule}, got {got}. Save it smaller.")


def check_memory(n_bytes: int, what: str) -> None:
    """Refuse a picture whose decoder would hold more than 256 MB.

    Args:
        n_bytes: What it would hold.
        what: The picture in words.
    """
    if n_bytes > MAX_MEMORY:
        raise too_much(f"take at most {MAX_MEMORY:,} bytes to decode", what, n_bytes)


def too_much(rule: str, what: str, n_bytes: int) -> PhotoError:
    """The error for a picture that needs more than others of its size."""
    message = f"a photo must {rule}, got {what} with {n_bytes:,}. Save it smaller or as plain JPEG."
    return PhotoError("too_many_pixels", message)


def too_many_parts(rule: str, got: str) -> PhotoError:
    """The error for a file of countless scans, tiles, chunks or blocks."""
    return PhotoError("too_many_parts", f"a photo must have {rule}, got {got}. Save it again.")

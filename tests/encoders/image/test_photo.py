import io
import os
import pickle
import random
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from encoders.image.photo import PhotoError, load_photo, read_photo
from encoders.image.photo_file import MAX_BYTES

Make = Callable[..., bytes]


def encoded(image: Image.Image, format_name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def gradient(width: int = 40, height: int = 30) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


def pixels(source: bytes | Path | Image.Image) -> NDArray[np.uint8]:
    return np.asarray(load_photo(source).image)


def code_of(source: object) -> str:
    with pytest.raises(PhotoError) as caught:
        load_photo(source)  # type: ignore[arg-type]
    assert str(caught.value).startswith("a photo must ")
    return caught.value.code


def png_chunk(name: bytes, data: bytes) -> bytes:
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png_of_claimed_size(width: int, height: int) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + body


@pytest.mark.parametrize("format_name", ["PNG", "BMP", "TIFF", "WEBP", "GIF", "JPEG"])
def test_the_six_formats_decode_to_rgb_of_the_same_size(format_name: str) -> None:
    options = {"lossless": True} if format_name == "WEBP" else {}
    photo = load_photo(encoded(gradient(), format_name, **options))
    assert (photo.image.mode, photo.image.size, photo.warnings) == ("RGB", (40, 30), ())
    exact = format_name in ("PNG", "BMP", "TIFF", "WEBP")
    difference = np.abs(np.asarray(photo.image, int) - np.asarray(gradient(), int))
    assert difference.mean() <= (0 if exact else 20)


def test_bytes_path_link_and_decoded_picture_give_the_same_pixels(tmp_path: Path) -> None:
    content = encoded(gradient(), "PNG")
    path, link = tmp_path / "a.png", tmp_path / "link.png"
    path.write_bytes(content)
    link.symlink_to(path)
    expected = pixels(content)
    for source in (path, link, gradient()):
        np.testing.assert_array_equal(pixels(source), expected)
    assert read_photo(path) == read_photo(link) == content


def test_a_decoded_picture_of_the_caller_is_not_shared() -> None:
    mine = gradient()
    load_photo(mine).image.paste((0, 0, 0), (0, 0, 40, 30))
    np.testing.assert_array_equal(np.asarray(mine), np.asarray(gradient()))


@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_ramp(format_name: str) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    photo = load_photo(encoded(Image.fromarray(ramp), format_name))
    assert photo.warnings == ("rescaled_from_16_bit",)
    np.testing.assert_array_equal(np.asarray(photo.image)[..., 0].ravel(), np.arange(256))


def test_sixteen_bit_transparent_value_becomes_white() -> None:
    grey = Image.fromarray(np.array([[0, 257, 5140]], dtype=np.uint16))
    grey.info["transparency"] = 257
    np.testing.assert_array_equal(pixels(grey)[0, :, 0], [0, 255, 20])


def test_float_picture_is_scaled_by_its_finite_range_with_zero_kept() -> None:
    values = np.array([[0.5, 1.0], [2.0, 0.0]], dtype=np.float32)
    photo = load_photo(encoded(Image.fromarray(values), "TIFF"))
    assert photo.warnings == ("rescaled_from_32_bit",)
    np.testing.assert_array_equal(np.asarray(photo.image)[..., 0], [[64, 128], [255, 0]])
    negative = np.array([[-1.0, 1.0]], dtype=np.float32)
    np.testing.assert_array_equal(pixels(Image.fromarray(negative))[0, :, 0], [0, 255])
    zeros = np.zeros((2, 2), dtype=np.float32)
    assert pixels(Image.fromarray(zeros)).max() == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_pixel_that_is_not_finite_is_refused(bad: float) -> None:
    values = np.ones((8, 8), dtype=np.float32)
    values[3, 4] = bad
    assert code_of(encoded(Image.fromarray(values), "TIFF")) == "not_finite"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_every_exif_orientation_is_applied(orientation: int, format_name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(gradient(), format_name, exif=exif)
    with Image.open(io.BytesIO(content)) as image:
        expected = ImageOps.exif_transpose(image).convert("RGB")
    photo = load_photo(content)
    np.testing.assert_array_equal(np.asarray(photo.image), np.asarray(expected))
    assert photo.image.size == ((40, 30) if orientation < 5 else (30, 40))
    assert photo.warnings == (() if orientation == 1 else ("rotated_by_exif",))
    again = load_photo(photo.image)
    assert again.warnings == ()
    assert again.image.tobytes() == photo.image.tobytes()


def test_hidden_colours_of_transparent_pixels_become_white() -> None:
    for image in (
        Image.new("RGBA", (4, 4), (200, 10, 10, 0)),
        Image.new("LA", (4, 4), (90, 0)),
        Image.new("RGBA", (4, 4), (200, 10, 10, 0)).quantize(4),
    ):
        photo = load_photo(encoded(image, "PNG"))
        assert photo.warnings == ("transparency_over_white",)
        assert np.asarray(photo.image).min() == 255


def test_half_transparent_red_over_white_is_pink() -> None:
    half = Image.new("RGBA", (1, 1), (255, 0, 0, 128))
    np.testing.assert_allclose(pixels(encoded(half, "PNG"))[0, 0], [255, 127, 127], atol=1)


def test_palette_and_rgb_with_a_transparent_colour_are_laid_over_white() -> None:
    palette = gradient().quantize(8)
    content = encoded(palette, "PNG", transparency=int(np.asarray(palette)[0, 0]))
    assert (pixels(content)[0, 0] == 255).all()
    content = encoded(Image.new("RGB", (2, 2), (9, 8, 7)), "PNG", transparency=(9, 8, 7))
    assert (pixels(content) == 255).all()


def test_cmyk_is_converted_and_said() -> None:
    photo = load_photo(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    assert photo.warnings == ("converted_from_cmyk",)
    red, green, _ = np.asarray(photo.image)[4, 4]
    assert red > 230 and green < 30


@pytest.mark.parametrize("format_name", ["GIF", "TIFF", "PNG", "WEBP"])
def test_the_first_of_several_frames_is_used_and_said(format_name: str) -> None:
    first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    content = encoded(first, format_name, save_all=True, append_images=[second])
    photo = load_photo(content)
    assert photo.warnings == ("first_frame_of_several",)
    assert photo.image.getpixel((4, 4))[0] > 240


def test_a_suffix_that_contradicts_the_content_is_said(tmp_path: Path) -> None:
    path = tmp_path / "shirt.jpg"
    path.write_bytes(encoded(gradient(), "PNG"))
    assert load_photo(path).warnings == ("suffix_is_not_png",)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_broken_exif_block_does_not_cost_the_photo() -> None:
    short = b"Exif\0\0" + b"II*\0" + struct.pack("<IH", 8, 500) + b"\xff" * 9
    for block in (short, b"Exif\0\0no TIFF header"):
        photo = load_photo(encoded(gradient(), "JPEG", exif=block))
        assert photo.image.size == (40, 30)
        assert photo.warnings == ("exif_unreadable",)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"not a picture at all", "not_an_image"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "not_an_image"),
        (b"\0" * 5000, "not_an_image"),
        (b"%PDF-1.7 ...", "unsupported_format"),
        (b"\0\0\0\x20ftypheic" + b"\0" * 50, "unsupported_format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_format"),
        (b"\xff\xd8\xff\xe0", "corrupt"),
        (b"GIF89a", "corrupt"),
        (b"BM", "corrupt"),
        (b"\xff\xd8\xff" + b"\0" * (MAX_BYTES + 1), "too_large"),
        (None, "wrong_type"),
        ("photos/a.jpg", "wrong_type"),
        (float("nan"), "wrong_type"),
    ],
)
def test_hostile_content_is_refused_by_name(content: object, code: str) -> None:
    assert code_of(content) == code


def test_text_named_jpg_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_text("a jumper", encoding="utf-8")
    assert code_of(path) == "not_an_image"


@pytest.mark.parametrize("format_name", ["JPEG", "PNG"])
def test_a_truncated_file_is_refused(format_name: str) -> None:
    content = encoded(gradient(200, 200), format_name)
    assert code_of(content[: len(content) // 2]) in ("truncated", "corrupt")


def test_paths_that_are_no_files_are_refused_without_opening(tmp_path: Path) -> None:
    fifo = tmp_path / "pipe.jpg"
    os.mkfifo(fifo)
    assert code_of(fifo) == "not_a_file"
    assert code_of(tmp_path) == "not_a_file"
    assert code_of(Path("/dev/zero")) == "not_a_file"
    assert code_of(tmp_path / "gone.jpg") == "missing"
    assert code_of(tmp_path / "gone" / "gone.jpg") == "missing"
    assert code_of(Path("a\0b.jpg")) == "missing"
    assert code_of(tmp_path / ("a" * 400)) == "unreadable"


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert code_of(path) == "too_large"


@pytest.mark.parametrize("size", [(20_000, 20_000), (10_000, 10_000), (50_001, 1_000)])
def test_a_header_that_claims_too_many_pixels_is_refused(size: tuple[int, int]) -> None:
    assert code_of(png_of_claimed_size(*size)) == "too_many_pixels"


def test_a_decoded_picture_with_too_many_pixels_is_refused() -> None:
    assert code_of(Image.new("1", (50_001, 1_000))) == "too_many_pixels"


def test_a_text_chunk_that_unpacks_to_20_megabytes_is_not_unpacked() -> None:
    content = encoded(gradient(), "PNG")
    bomb = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 20_000_000))
    tracemalloc.start()
    assert code_of(content[:33] + bomb + content[33:]) == "too_large"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000


def test_only_the_first_frame_of_20000_is_decoded() -> None:
    small = encoded(Image.new("P", (8, 8)), "GIF")
    start = small.index(b",", 13)
    frame = b"!\xf9\x04\0\x01\0\0\0" + small[start:-1]
    photo = load_photo(small[:start] + frame * 20_000 + b";")
    assert photo.image.size == (8, 8)
    assert photo.warnings == ("first_frame_of_several",)


def test_mutated_photos_raise_nothing_but_photo_errors() -> None:
    rng = random.Random(0)
    originals = [encoded(gradient(), name) for name in ("JPEG", "PNG", "GIF", "BMP", "TIFF")]
    originals.append(encoded(gradient(), "WEBP"))
    refused = 0
    for turn in range(600):
        content = bytearray(originals[turn % len(originals)])
        for _ in range(rng.randint(1, 8)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        if rng.random() < 0.3:
            del content[rng.randrange(len(content)) :]
        try:
            load_photo(bytes(content))
        except PhotoError:
            refused += 1
    assert 0 < refused < 600


def test_a_jpeg_may_be_decoded_smaller_but_never_below_the_side_asked_for() -> None:
    content = encoded(gradient(800, 600), "JPEG")
    assert load_photo(content, min_side=128).image.size == (200, 150)
    assert load_photo(content, min_side=151).image.size == (400, 300)
    assert load_photo(content, min_side=2000).image.size == (800, 600)
    assert load_photo(encoded(gradient(800, 600), "PNG"), min_side=10).image.size == (800, 600)


def test_the_code_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(PhotoError("empty", "a photo must have content")))
    assert (error.code, str(error)) == ("empty", "a photo must have content")

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sklearn.feature_extraction.text import TfidfVectorizer

from fusion.data import near_duplicate_groups
from fusion.data.duplicates import MIN_COSINE, _cosine_pairs, photo_slopes


def together(groups: np.ndarray, *rows: int) -> bool:
    return len({int(groups[row]) for row in rows}) == 1


def drawing(seed: int, *, size: int = 240) -> Image.Image:
    """A product-like drawing on white paper."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (240, 240), "white")
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        x, y = random.integers(30, 150, size=2).tolist()
        colour = tuple(random.integers(0, 200, size=3).tolist())
        pen.ellipse((x, y, x + int(random.integers(20, 70)), y + 50), fill=colour)
    return image.resize((size, size))


def saved(folder: Path, name: str, image: Image.Image, **options: int) -> list[Path]:
    image.save(folder / name, **options)
    return [folder / name]


def test_texts_that_differ_in_case_space_or_one_letter_are_one_group() -> None:
    long = "A long sleeved cotton shirt with a round collar, two pockets and a printed flower "
    texts = [
        "Blue  Shirt",
        "blue shirt\n",
        "green shirt",
        long + "on the front of it, in blue",
        long + "on the front of it, in blue.",
        "A warm winter coat of wool with a hood and a long zip that goes all the way up",
        None,
        None,
        "x",
    ]
    groups = near_duplicate_groups(texts=texts)
    assert together(groups, 0, 1)
    assert together(groups, 3, 4)
    assert len(set(groups.tolist())) == 7


def test_rare_feature_search_finds_exactly_the_pairs_of_the_full_product() -> None:
    random = np.random.default_rng(0)
    words = ["shirt", "red", "blue", "cotton", "long", "sleeve", "wool", "coat", "summer", "linen"]
    texts = [" ".join(random.choice(words, size=12)) for _ in range(150)]
    texts += [text.replace("red", "rad", 1) for text in texts]
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(4, 4))
    vectors = vectorizer.fit_transform(texts)
    full = np.argwhere(np.triu((vectors @ vectors.T).toarray() >= MIN_COSINE, k=1))
    found = _cosine_pairs(vectors.tocsr(), vectorizer.idf_)
    assert len(full) > 20
    assert {tuple(sorted(pair)) for pair in found.tolist()} == {
        tuple(pair) for pair in full.tolist()
    }


def test_altered_copies_of_a_photo_are_one_group_and_other_products_on_white_are_not(
    tmp_path: Path,
) -> None:
    photos = [
        saved(tmp_path, "a.png", drawing(1)),
        saved(tmp_path, "a.jpg", drawing(1), quality=50),
        saved(tmp_path, "half.jpg", drawing(1, size=120), quality=85),
        *(saved(tmp_path, f"{seed}.jpg", drawing(seed)) for seed in range(2, 22)),
    ]
    groups = near_duplicate_groups(photos=photos)
    assert together(groups, 0, 1, 2)
    assert len(set(groups.tolist())) == 21


def test_plain_and_broken_photos_are_linked_by_their_bytes_alone(tmp_path: Path) -> None:
    plain = Image.new("RGB", (64, 64), "white")
    grey = Image.new("RGB", (64, 64), (250, 250, 250))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    (tmp_path / "again.jpg").write_bytes(b"\xff\xd8 no picture")
    photos = [
        saved(tmp_path, "plain.png", plain),
        saved(tmp_path, "copy.png", plain),
        saved(tmp_path, "grey.png", grey),
        [tmp_path / "broken.jpg"],
        [tmp_path / "again.jpg"],
        None,
    ]
    groups = near_duplicate_groups(photos=photos)
    assert together(groups, 0, 1)
    assert together(groups, 3, 4)
    assert len(set(groups.tolist())) == 4


def test_hidden_colours_and_rotation_marks_do_not_hide_a_copy(tmp_path: Path) -> None:
    image = drawing(5)
    clear = image.convert("RGBA")
    clear.putdata([(9, 9, 9, 0) if p == (255,) * 4 else p for p in clear.get_flattened_data()])
    exif = Image.Exif()
    exif[0x0112] = 6
    photos = [
        saved(tmp_path, "a.png", image),
        saved(tmp_path, "clear.png", clear),
    ]
    image.rotate(90).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    groups = near_duplicate_groups(photos=[*photos, [tmp_path / "turned.jpg"]])
    assert together(groups, 0, 1, 2)


def test_photos_may_be_bytes_as_well_as_files(tmp_path: Path) -> None:
    photos = [saved(tmp_path, f"{seed}.png", drawing(seed)) for seed in (0, 1)]
    photos += [[saved(tmp_path, "small.png", drawing(0, size=120))[0].read_bytes()]]
    groups = near_duplicate_groups(photos=photos)
    assert together(groups, 0, 2) and not together(groups, 0, 1)


def test_links_of_texts_and_photos_join_into_chains(tmp_path: Path) -> None:
    photo = saved(tmp_path, "a.png", drawing(1))
    other = saved(tmp_path, "b.png", drawing(2))
    groups = near_duplicate_groups(
        texts=["one", "two", "two", "three"], photos=[photo, [*other, *photo], None, other]
    )
    assert together(groups, 0, 1, 2, 3)


def test_a_huge_photo_is_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    Image.new("1", (8_000, 7_000)).save(path)
    assert photo_slopes(path) is None


def test_nothing_or_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one entry per row"):
        near_duplicate_groups()
    with pytest.raises(ValueError, match="one entry per row"):
        near_duplicate_groups(texts=["a"], photos=[None, None])
    assert near_duplicate_groups(texts=[]).shape == (0,)
    assert near_duplicate_groups(texts=["a", "b"]).tolist() == [0, 1]


def test_a_photo_beyond_the_limits_is_compared_by_its_bytes_alone(monkeypatch) -> None:
    bits = (7_000 - 1) | (7_000 - 1) << 14
    body = b"WEBPVP8L" + struct.pack("<IBI", 5, 0x2F, bits) + b"\0"
    claim = b"RIFF" + struct.pack("<I", len(body)) + body
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("the decoder was called"))
    assert photo_slopes(claim) is None
    groups = near_duplicate_groups(photos=[[claim], [claim], [claim + b"\0"]])
    assert together(groups, 0, 1) and not together(groups, 0, 2)


def test_sixteen_bit_and_eight_bit_copies_of_a_photo_are_alike(tmp_path: Path) -> None:
    grey = drawing(1).convert("L")
    deep = Image.fromarray(np.asarray(grey, dtype=np.uint16) * 257)
    photos = [saved(tmp_path, "deep.png", deep), saved(tmp_path, "grey.png", grey)]
    assert together(near_duplicate_groups(photos=photos), 0, 1)

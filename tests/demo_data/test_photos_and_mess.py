"""The photos of the demo catalogue, and the mess that process.json lists."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

Mess = dict[str, Any]
PICTURES = {".jpg", ".jpeg", ".png", ".gif"}


def photo_of(items: pd.DataFrame, demo: Path, item_id: str) -> Path:
    name = items.set_index("item_id").loc[item_id, "photo"]
    return demo / "photos" / str(name)


def test_everything_is_below_20_megabytes(demo: Path) -> None:
    files = [path for path in demo.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 19_000_000


def test_photos_on_disk_are_those_named_in_the_tables(
    demo: Path, items: pd.DataFrame, new_items: pd.DataFrame
) -> None:
    cells = [table[column] for table in (items, new_items) for column in ("photo", "photo_2")]
    named = set(pd.concat(cells).dropna())
    assert named == {path.name for path in (demo / "photos").iterdir()}
    outside = [path for path in demo.iterdir() if path.suffix in PICTURES]
    assert outside == []


def test_every_photo_can_be_read_and_is_at_least_160_pixels_wide(demo: Path) -> None:
    sizes = []
    for path in (demo / "photos").iterdir():
        with Image.open(path) as photo:
            photo.load()
            assert min(photo.size) >= 160, path.name
        sizes.append(path.stat().st_size)
    assert 3_000 < float(np.mean(sizes)) < 7_000  # 2,200 of them and the tables stay below 20 MB


def test_odd_photos_are_what_the_list_says(
    demo: Path, items: pd.DataFrame, process: dict[str, Any]
) -> None:
    modes = {
        "photo_cmyk_jpeg": ("JPEG", "CMYK"),
        "photo_grey16_png": ("PNG", "I;16"),
        "photo_rgba_png": ("PNG", "RGBA"),
        "photo_palette_gif": ("GIF", "P"),
    }
    for kind, expected in modes.items():
        (item,) = process["mess"][kind]
        with Image.open(photo_of(items, demo, item)) as photo:
            assert (photo.format, photo.mode) == expected
    for item in process["mess"]["photo_exif_rotated"]:
        with Image.open(photo_of(items, demo, item)) as photo:
            assert photo.getexif()[0x0112] == 6
            assert photo.size == (240, 200)
    assert len(process["mess"]["photo_exif_rotated"]) == 2


def test_transparent_photo_hides_a_colour(
    demo: Path, items: pd.DataFrame, process: dict[str, Any]
) -> None:
    (item,) = process["mess"]["photo_rgba_png"]
    with Image.open(photo_of(items, demo, item)) as photo:
        pixels = np.asarray(photo)
    hidden = pixels[pixels[..., 3] == 0]
    assert len(hidden) > 1000
    assert (hidden[:, :3] == (255, 0, 255)).all()


def test_listed_cells_are_empty_and_no_others(items: pd.DataFrame, process: dict[str, Any]) -> None:
    columns = {"missing_photo": "photo", "missing_description": "description"}
    columns["missing_price"] = "price_eur"
    for kind, column in columns.items():
        empty = items.loc[items[column].isna(), "item_id"]
        assert sorted(empty) == process["mess"][kind]


def test_listed_near_duplicates_share_bytes_or_words(
    demo: Path, items: pd.DataFrame, process: dict[str, Any]
) -> None:
    pairs = process["mess"]["near_duplicate"]
    assert 0.015 < len(pairs) / len(items) < 0.025
    table = items.set_index("item_id")
    for pair in pairs:
        here, there = pair["item_id"], pair["copy_of"]
        same_bytes = (
            photo_of(items, demo, here).read_bytes() == photo_of(items, demo, there).read_bytes()
        )
        same_words = table.loc[here, "description"] == table.loc[there, "description"]
        assert same_bytes == (pair["same"] in ("photo", "both"))
        assert same_words == (pair["same"] in ("description", "both"))
        assert table.loc[here, "category"] == table.loc[there, "category"]


def test_listed_spaces_and_mojibake_are_there_and_nowhere_else(
    items: pd.DataFrame, process: dict[str, Any]
) -> None:
    text = items.select_dtypes(["str", "object"])
    padded = text.apply(lambda column: column.notna() & (column != column.str.strip()))
    assert sorted(items.loc[padded.any(axis=1), "item_id"]) == process["mess"]["spaces"]
    garbled = items["description"].str.contains("â€|Ã.|Â\u00a0|Ø|Ù|ðŸ", regex=True, na=False)
    assert sorted(items.loc[garbled, "item_id"]) == process["mess"]["mojibake"]


def test_tables_are_utf8_with_other_scripts_and_emoji(demo: Path) -> None:
    text = (demo / "items.csv").read_bytes().decode("utf-8")
    ranges = {"Chinese": ("一", "鿿"), "Arabic": ("؀", "ۿ"), "emoji": ("🌀", "🫿")}
    for name, (first, last) in ranges.items():
        assert any(first <= letter <= last for letter in text), name

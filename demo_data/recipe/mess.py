"""The mess of real tables, put in on purpose and listed item by item."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

# kind: share of the items (a whole number counts items instead)
MESS: dict[str, float] = {
    "near_duplicate": 0.02,
    "missing_photo": 0.04,
    "missing_description": 0.03,
    "missing_price": 0.02,
    "spaces": 0.02,
    "mojibake": 0.01,
    "photo_cmyk_jpeg": 1,
    "photo_exif_rotated": 2,
    "photo_grey16_png": 1,
    "photo_rgba_png": 1,
    "photo_palette_gif": 1,
}
# column: share of empty cells that are nobody's mistake
GAPS = {"weight_g": 0.05, "supplier_rating": 0.12, "length": 0.06}
EXIF_ORIENTATION = 0x0112
ROTATED = 6  # "turn by 90 degrees clockwise to view"


def plan_mess(item_ids: list[str], *, seed: int) -> dict[str, list[str]]:
    """Return which items get which mess; no item gets two kinds."""
    rng = np.random.default_rng([seed, 10**6 + 1])
    left = [item_ids[i] for i in rng.permutation(len(item_ids))]
    plan = {}
    for kind, share in MESS.items():
        count = int(share) if share >= 1 else max(1, round(share * len(item_ids)))
        plan[kind], left = sorted(left[:count]), left[count:]
    return plan


def plan_duplicates(
    plan: dict[str, list[str]], families: dict[str, str], *, seed: int
) -> list[dict[str, str]]:
    """Return for each near-duplicate which clean item it copies, and what of it.

    Args:
        plan: from `plan_mess`; its "near_duplicate" items become the copies.
        families: item id to family; a copy and its original are of one family.
        seed: of the draws.

    Returns:
        For each copy "item_id", "copy_of" and "same": "photo", "description" or "both".
        An item without a clean relative is left out.
    """
    rng = np.random.default_rng([seed, 10**6 + 2])
    touched = {item for items in plan.values() for item in items}
    free = [item for item in families if item not in touched]
    pairs: list[dict[str, str]] = []
    for item in plan["near_duplicate"]:
        relatives = [other for other in free if families[other] == families[item]]
        if relatives:
            original = relatives[int(rng.integers(len(relatives)))]
            free.remove(original)
            same = ("both", "photo", "description")[len(pairs) % 3]
            pairs.append({"item_id": item, "copy_of": original, "same": same})
    return pairs


def photo_suffix(item_id: str, plan: dict[str, list[str]]) -> str:
    """Return the file ending of an item's photo."""
    if item_id in plan["photo_grey16_png"] + plan["photo_rgba_png"]:
        return ".png"
    return ".gif" if item_id in plan["photo_palette_gif"] else ".jpg"


def save_options(kind: str, photo: Image.Image) -> tuple[Image.Image, dict[str, Any]]:
    """Return the photo in an odd but readable form, and how to save it.

    Args:
        kind: one of the `photo_...` kinds of `MESS`, or "" for an ordinary JPEG.
        photo: RGB.
    """
    jpeg: dict[str, Any] = {"quality": 76, "optimize": True}
    if kind == "photo_cmyk_jpeg":
        return photo.convert("CMYK"), jpeg
    if kind == "photo_exif_rotated":
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = ROTATED
        return photo.transpose(Image.Transpose.ROTATE_90), {**jpeg, "exif": exif.tobytes()}
    if kind == "photo_grey16_png":
        grey = np.asarray(photo.convert("L"), dtype=np.uint16)
        return Image.fromarray(grey * np.uint16(257)), {"optimize": True}
    if kind == "photo_rgba_png":
        return transparent(photo), {"optimize": True}
    if kind == "photo_palette_gif":
        return photo.quantize(128), {}
    return photo, jpeg


def transparent(photo: Image.Image) -> Image.Image:
    """Return the photo as RGBA whose rim is transparent over hidden magenta."""
    pixels = np.dstack([np.asarray(photo), np.full(photo.size[::-1], 255, dtype=np.uint8)])
    y, x = np.mgrid[0 : photo.height, 0 : photo.width]
    away = np.hypot(x / photo.width - 0.5, y / photo.height - 0.5)
    pixels[away > 0.56] = (255, 0, 255, 0)
    return Image.fromarray(pixels)


def garble(text: str) -> str:
    r"""Return the text as if UTF-8 had been read as Windows-1252.

    Example:
        >>> garble("Zo\u00e9")
        'ZoÃ©'
    """
    if text.isascii():  # the usual leftover of a no-break space
        return text.replace(". ", ".\u00c2\u00a0", 1)
    return text.encode("utf-8").decode("cp1252", errors="replace")


def add_gaps(table: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Return the table with the ordinary empty cells of `GAPS`."""
    rng = np.random.default_rng([seed, 10**6 + 3])
    table = table.copy()
    for column, share in GAPS.items():
        table[column] = table[column].mask(pd.Series(rng.random(len(table)) < share))
    return table


def add_table_mess(table: pd.DataFrame, plan: dict[str, list[str]]) -> pd.DataFrame:
    """Return the items table with missing cells, spaces and garbled characters."""
    table = table.set_index("item_id")
    table.loc[plan["missing_photo"], ["photo", "photo_2"]] = pd.NA
    table.loc[plan["missing_description"], "description"] = pd.NA
    table.loc[plan["missing_price"], "price_eur"] = np.nan
    for i, item in enumerate(plan["spaces"]):
        column = ("title", "brand", "category", "description")[i % 4]
        change_cell(table, item, column, lambda text: f"  {text} ")
    for item in plan["mojibake"]:
        change_cell(table, item, "description", garble)
    return table.reset_index()


def change_cell(table: pd.DataFrame, item: str, column: str, change: Callable[[str], str]) -> None:
    """Replace one cell of a table indexed by item id by `change` of it."""
    row, place = list(table.index).index(item), list(table.columns).index(column)
    table.iloc[row, place] = change(str(table.iloc[row, place]))

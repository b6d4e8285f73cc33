"""Finding a schema in a table: what each column seems to be, by rules that are written down.

The first rule that fits decides; every column gets one role or a reason why it has none.

1. Excluded columns, columns without any value, columns with one value in every row: ignored.
2. A column made by `add_target`: ignored. A column made by `add_history`: history.
3. Named like an identifier (`id`, `item_id`, `sku`, ...): the first one that is mostly unique is
   the id, the others are ignored. Other names that end in `_id`: categorical if each value stands
   twice on average, else ignored.
4. Dates and months by type, at least 95 % text such as `2024-01-31` or numbers such as 20240131, or
   dates in one other form, such as `31.01.2024`, that can be read in one way only: dates.
5. Numbers, truth values and time spans by type, at least 95 % text that is a number, or numbers in
   one other style, such as `1.234,50 EUR` or `12 %`, that can be read in one way only: numeric.
   Whole numbers that name things, such as zip codes, are categorical: see `fusion.data.codes`.
   Dates and numbers that can be read in two ways, or in several units: ignored, with that reason.
6. Bytes that mostly are picture files, and text that mostly ends in a picture suffix or names a
   file in the photo folder: image.
7. Labels by type, or short text of at most 20 values or with each value twice on average:
   categorical; but mostly numbers that differ from row to row beside a few words are ignored, with
   the rows of these words as the reason.
8. Mostly different single words: codes, ignored. Other text: text.
9. Where there are texts: they, the categories and the numbers are also written as one text, row.
   Numbers that stand in texts and categories are also read as such: see `fusion.data.text_columns`.
10. Anything else (lists, sets, bytes, complex numbers): ignored.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from encoders.image.photo_file import PhotoError, sniff
from encoders.spelling import unknown_name
from fusion.data.cells import MOSTLY, CellFault, cells, is_missing, plain_text
from fusion.data.codes import holds_codes
from fusion.data.dates import find_date_format, is_iso_like, read_date
from fusion.data.frames import as_frame, column_name
from fusion.data.numbers import find_number_format, read_number
from fusion.data.photos import SCHEME, photo_path
from fusion.data.problems import Problem, raise_for, shown
from fusion.data.schema import EXCLUDED, HISTORY, NUMBERS, Schema, missing_columns
from fusion.data.text_columns import find_text_numbers
from fusion.errors import CatalogueError
from fusion.modalities import input_roles

ID_NAMES = (
    *("id", "item_id", "product_id", "sku", "sku_id", "item_sku", "article_id", "style_id"),
    *("asin", "ean", "gtin", "upc", "isbn", "uuid", "product_code", "item_code", "article_code"),
    *("article_number", "external_code", "unnamed", "unnamed:_0", "index"),
)
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
TARGET = re.compile(r"units_next_\d+[dwm]")
MAJORITY = 0.5
FEW = 20
SHORT_WORDS = 6
SHORT_CHARACTERS = 60
FORMATTED = ("numeric", "dates", "history")  # roles whose cells may be written in a format
CODES = "codes"
SHOWN_CELLS = 3
SAMPLE = 5_000  # cells that the rules look at; drawn evenly, so the answer never varies


def infer_schema(
    frame: Any,
    *,
    photos: Path | None,
    exclude: Iterable[str] = (),
    given: Mapping[str, Sequence[str] | None] | None = None,
    source: str = "the table",
) -> Schema:
    """The schema of a table, from what the user lists and, for the rest, from the cells.

    Args:
        frame: The table; see `as_frame` for columns without names.
        photos: Folder of the photos; None where there are none.
        exclude: Columns that must play no role, such as the target.
        given: Columns of each role (keys `id`, `text`, ...). A list is taken as it is, an empty
            list means none, and None or no key means: find them.
        source: Name of the table in messages.

    Returns:
        A schema whose `ignored` gives the reason for every column without a role. Excluded columns
        have a format too: they may be targets or the column of a split.

    Raises:
        CatalogueError: If listed columns are missing or excluded; all of them are named.
    """
    frame = as_frame(frame)
    listed = _listed(given or {})
    excluded = list(dict.fromkeys(exclude))
    _check_listed(listed, excluded=excluded, columns=list(frame.columns), source=source)
    roles = {role: list(names) for role, names in listed.items() if names is not None}
    ignored = {name: EXCLUDED for name in excluded if name in frame.columns}
    taken = {*ignored, *(name for names in roles.values() for name in names)}
    free = [name for name in frame.columns if name not in taken]
    if "id" not in roles:
        roles["id"] = _id_column(frame[free])
        free = [name for name in free if name not in roles["id"]]
    written = {name: _find_format(frame[name]) for name in frame.columns}
    for name in free:
        role, reason = _role(frame[name], written[name], photos=photos)
        if reason.endswith(CODES) and not roles["id"]:
            reason += "; if they name the items, say that this column is the id"
        if reason or role in listed:
            ignored[name] = reason or (
                f"seems {role}, but {role} columns are named, so no others are looked for"
            )
        else:
            roles.setdefault(role, []).append(name)
    if "row_text" not in roles and roles.get("text"):
        kinds = ("text", "categorical", "numeric")
        parts = {name for role in kinds for name in roles.get(role, ())}
        roles["row_text"] = [name for name in frame.columns if name in parts]
    numbers = find_text_numbers(
        frame,
        texts=roles.get("text", ()),
        labels=roles.get("categorical", ()),
        listed=roles.get(NUMBERS),
        source=source,
    )
    roles[NUMBERS] = list(numbers)
    key = roles.pop("id")
    columns = {role: tuple(names) for role, names in roles.items()}
    read = {*ignored, *(n for role in FORMATTED for n in columns.get(role, ()))}
    formats = {name: how.text for name, how in written.items() if how.text and name in read}
    return Schema(
        key[0] if key else None, columns, formats=formats, text_numbers=numbers, ignored=ignored
    )


def _listed(given: Mapping[str, Sequence[str] | None]) -> dict[str, list[str]]:
    """Roles with a list; a single name counts as a list of one, as in `as_frame` a number too."""
    roles = ("id", *input_roles())
    for role in given:
        if role not in roles:
            raise CatalogueError(unknown_name("a role of columns", role, roles))
    listed: dict[str, list[str]] = {}
    problems = []
    for role, names in given.items():
        if names is None:
            continue
        if isinstance(names, str) or not isinstance(names, Iterable):
            names = [names]
        try:
            listed[role] = [column_name(name) for name in names]
        except TypeError as fault:
            message = f"{role} must list names of columns, but one {fault}"
            problems.append(Problem("column_name", message))
    raise_for(problems, source="the table")
    return listed


def _check_listed(
    listed: Mapping[str, list[str]], *, excluded: list[str], columns: list[str], source: str
) -> None:
    wanted = [name for names in listed.values() for name in names]
    problems = missing_columns([*wanted, *excluded], columns)
    left_out = set(excluded)
    for role, names in listed.items():
        for name in names:
            if name in left_out:
                message = f"must not be an input ({role}), got excluded: it may be the target"
                problems.append(Problem("column_excluded", message, column=name))
    if len(listed.get("id", [])) > 1:
        message = f"must be one column, got {', '.join(listed['id'])}"
        problems.append(Problem("column_id", message))
    raise_for(problems, source=source)


def _id_column(frame: pd.DataFrame) -> list[str]:
    """The first column that is named like an identifier and mostly unique, as a list of one."""
    called: dict[str, list[str]] = {}
    for name in frame.columns:
        called.setdefault(_id_name(name), []).append(name)
    for name in (name for wanted in ID_NAMES for name in called.get(wanted, ())):
        texts = [text for text in map(_text, cells(frame[name])) if text is not None]
        if len(set(texts)) > MAJORITY * len(frame):
            return [name]
    return []


def _id_name(name: str) -> str:
    return re.sub(r"[\s\-]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())).lower()


def _text(cell: object) -> str | None:
    """A cell as text; None where it is missing or is nothing that has a text form."""
    try:
        return None if is_missing(cell) else plain_text(cell)
    except TypeError:
        return None


class Format(NamedTuple):
    """How a column writes its dates or numbers: the role that follows, or why none is certain."""

    role: str = ""
    text: str = ""
    reason: str = ""


def _find_format(column: "pd.Series[Any]") -> Format:
    """The format of a column; empty where it is plain, typed, or holds something else."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return Format()
    present = [cell for cell in cells(column) if isinstance(cell, str) and not is_missing(cell)]
    seen = _sample(present)
    if not seen or all(map(_is_number, seen)) or all(map(_is_date, seen)):
        return Format()
    for role, find in (("dates", find_date_format), ("numeric", find_number_format)):
        if any(find(seen)):  # quick; then every cell has a say
            text, reason = find(present)
            if text or reason:
                return Format(role, text, reason)
    return Format()


def _sample(present: list[Any]) -> list[Any]:
    return present[:: max(1, len(present) // SAMPLE)]


def _role(column: "pd.Series[Any]", written: Format, *, photos: Path | None) -> tuple[str, str]:
    """A role, or the reason for none: exactly one of the two is empty."""
    name, dtype = str(column.name), column.dtype
    present = [cell for cell in cells(column) if not is_missing(cell)]
    if not present:
        return "", "has no value in any row"
    seen = _sample(present)
    texts = [text for text in map(_text, seen) if text is not None]
    if len(present) == len(column) > 1 and _constant(present):
        return "", f"has one value in every row: {shown(present[0])}"
    if TARGET.fullmatch(name):
        return "", "is a target made from future sales"
    if _share(seen, _is_photo_bytes) > MAJORITY:
        return "image", ""
    if len(texts) <= MAJORITY * len(seen):
        return "", f"holds values that are no text, number or date, such as {shown(present[0])}"
    if _id_name(name) in ID_NAMES:
        return "", "is named like an identifier, and another column or none is the id"
    if _id_name(name).endswith("_id"):
        repeats = len(set(texts)) <= MAJORITY * len(texts)
        return ("categorical", "") if repeats else ("", "is named like an identifier")
    role, reason = _typed_role(name, dtype, written, cells_seen=seen, photos=photos)
    is_label = role == "categorical" and not isinstance(dtype, pd.CategoricalDtype)
    is_loose = is_label or reason.endswith(CODES)
    mixed = _mixed_reason(column) if is_loose and _share(seen, _is_number) > MAJORITY else ""
    return ("", mixed) if mixed else (role, reason)


def _constant(present: list[Any]) -> bool:
    first = _text(present[0])
    return first is not None and all(_text(cell) == first for cell in present)


def _typed_role(
    name: str, dtype: Any, written: Format, *, cells_seen: list[Any], photos: Path | None
) -> tuple[str, str]:
    role = _formatted_role(cells_seen, written) or _plain_role(cells_seen)
    if role == "dates":
        return role, ""
    if role == "numeric" and not isinstance(dtype, pd.CategoricalDtype):
        if not written.text and not HISTORY.fullmatch(name) and holds_codes(name, cells_seen):
            return "categorical", ""
        return ("history" if HISTORY.fullmatch(name) else role), ""
    if written.reason:
        return "", written.reason
    texts = [text for text in map(_text, cells_seen) if text is not None]
    if isinstance(dtype, pd.CategoricalDtype):
        return "categorical", ""
    return _text_role(texts, photos=photos)


def _mixed_reason(column: "pd.Series[Any]") -> str:
    """Why mostly numbers are not read as such: which cells are none. Empty for labels that repeat.

    Why: as labels, values that differ from row to row tell nothing.
    """
    present = [(row, cell) for row, cell in enumerate(cells(column)) if not is_missing(cell)]
    others = [(row, cell) for row, cell in present if not _is_number(cell)]
    if not others or len({_text(cell) for _, cell in present}) <= MAJORITY * len(present):
        return ""
    found = ", ".join(f"{shown(cell)} in row {row + 1}" for row, cell in others[:SHOWN_CELLS])
    more = f" and {len(others) - SHOWN_CELLS} more" if len(others) > SHOWN_CELLS else ""
    return (
        f"holds numbers but for {found}{more}; write numbers there or leave the cells empty, or "
        "name the column among the categorical ones"
    )


def _formatted_role(cells_seen: list[Any], written: Format) -> str:
    """The role of a format if typed cells go with it too; else empty."""
    reads = _is_date if written.role == "dates" else _is_number
    fits = written.text and _share(cells_seen, lambda cell: reads(cell, written.text)) >= MOSTLY
    return written.role if fits else ""


def _plain_role(cells_seen: list[Any]) -> str:
    """Dates or numbers as they are usually written; empty for anything else."""
    if _share(cells_seen, _is_date) >= MOSTLY:
        return "dates"
    return "numeric" if _share(cells_seen, _is_number) >= MOSTLY else ""


def _text_role(texts: list[str], *, photos: Path | None) -> tuple[str, str]:
    """Photo names, labels, codes or text; see rules 6 to 8."""
    addresses = _share(texts, lambda text: SCHEME.match(text) and "//" in text) > MAJORITY
    if addresses and _share(texts, lambda text: len(text.split()) == 1) > MAJORITY:
        return "", "holds web addresses; photos are read from the photo folder alone"
    pictures = _share(texts, lambda text: text.strip().lower().endswith(PICTURES))
    if pictures > MAJORITY or (photos is not None and _in_folder(texts, photos=photos)):
        return ("image", "") if photos is not None else ("", "names photos, and no folder is given")
    words = float(np.mean([len(text.split()) for text in texts]))
    characters = float(np.median([len(text) for text in texts]))
    distinct = len(set(texts))
    short = words <= SHORT_WORDS and characters <= SHORT_CHARACTERS
    few = distinct <= (FEW if words < 3 else 1)
    if short and (few or distinct <= MAJORITY * len(texts)):
        return "categorical", ""
    if words < 1.5 and characters <= SHORT_CHARACTERS:
        return "", f"holds single words of which {distinct} of {len(texts)} differ: {CODES}"
    return "text", ""


def _is_photo_bytes(cell: object) -> bool:
    """True for the bytes of a picture file, alone or as image datasets write them."""
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    try:
        return isinstance(content, bytes) and bool(sniff(content))
    except PhotoError:
        return False


def _in_folder(texts: list[str], *, photos: Path) -> bool:
    """True if most of the first hundred cells name a photo in the folder."""
    return photos.is_dir() and _share(texts[:100], lambda text: _is_photo(text, photos)) > MAJORITY


def _is_photo(text: str, photos: Path) -> bool:
    try:
        return bool(photo_path(photos, text))
    except CellFault:
        return False


def _share(values: Sequence[Any], rule: Any) -> float:
    """Share of values that follow a rule, from 0 to 1."""
    return sum(map(bool, map(rule, values))) / max(1, len(values))


def _is_number(cell: object, number_format: str = "") -> bool:
    try:
        read_number(cell, number_format)
    except CellFault as fault:
        return fault.code == "number_infinite"
    return True


def _is_date(cell: object, date_format: str = "") -> bool:
    """True for dates; numbers and text without a known form must look like ISO 8601."""
    try:
        if not isinstance(cell, date | np.datetime64) and not date_format:
            if not is_iso_like(plain_text(cell)):
                return False
        read_date(cell, date_format)
    except (CellFault, TypeError):
        return False
    return True

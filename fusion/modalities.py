"""The one table of what a modality is: every other file follows it, and none lists modalities.

A modality is one way in which an item is known: by its texts, its photos, its numbers. Another one
is one line here, or `MODALITIES["vector"] = Modality(...)` before a table is read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from fusion.plugins import load_plugins

if TYPE_CHECKING:
    from fusion.data.readers import Read, Table


@dataclass(frozen=True)
class Modality:
    """A row of `MODALITIES`: how one modality gets from the columns of a table to an encoder.

    Args:
        name: Its name in settings, models and messages.
        kind: What its values are, and so which encoders read them: `text` (a text), `image` (a list
            of photos), `table` (cells of a frame), or a kind of one's own. It is the `modality` of
            these encoders.
        roles: Roles that columns can have in it. No two modalities share one.
        read: From a table to one value a row, and what is wrong with single rows. A faulty value
            is None there (in a frame: the cell is missing), and so is a value that is absent.
        default_encoder: Encoder that reads it where none is chosen: a name in `ENCODERS`, or the
            name of weights.
        fault_code: First word of the codes of its faults, such as `photo` in `photo_truncated`.
        repeats: True where it says once more what columns of other modalities say. Then it is not
            told among the modalities that an item has, and not measured alone; of a table it goes
            with the columns that it reads, of another kind with other modalities of that kind.
    """

    name: str
    kind: str
    roles: tuple[str, ...]
    read: "Callable[[Table], Read]"
    default_encoder: str
    fault_code: str
    repeats: bool = False


def _read(file: str, function: str) -> "Callable[[Table], Read]":
    """A reader of `fusion/data`, imported (with pandas) once a table is read."""

    def read(table: "Table") -> "Read":
        found: Callable[[Table], Read] = getattr(import_module(f"fusion.data.{file}"), function)
        return found(table)

    return read


# In the order in which they are read: a modality that repeats others stands behind them.
MODALITIES: dict[str, Modality] = {
    "text": Modality("text", "text", ("text",), _read("readers", "read_texts"), "minilm", "text"),
    "image": Modality(
        "image", "image", ("image",), _read("readers", "read_photos"), "resnet18", "photo"
    ),
    "numeric": Modality(
        "numeric",
        "table",
        ("numeric", "categorical", "dates"),
        _read("readers", "read_frame"),
        "numeric",
        "cell",
    ),
    "history": Modality(
        "history", "table", ("history",), _read("readers", "read_frame"), "numeric", "cell"
    ),
    "text_numbers": Modality(
        "text_numbers",
        "table",
        ("text_numbers",),
        _read("text_columns", "read_text_numbers"),
        "numeric",
        "text",
        repeats=True,
    ),
    "row_text": Modality(
        "row_text",
        "text",
        ("row_text",),
        _read("readers", "read_row_texts"),
        "tfidf",
        "row",
        repeats=True,
    ),
}

UNITS = {"text": "texts", "image": "photos"}
"""What values of a kind are called where they are counted; any other kind has `values`."""


def input_roles() -> tuple[str, ...]:
    """Every role that a column can have in a modality, in the order of the table."""
    load_plugins()
    return tuple(role for modality in MODALITIES.values() for role in modality.roles)

"""Similar items in a terminal."""

from collections.abc import Hashable, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from fusion.cli.shared import say
from fusion.system.files import readable

MOST_ITEMS = 50
"""Items that are printed; a file takes all of them."""


def show_similar(table: Any, words: Mapping[str, Any]) -> None:
    """Prints what `Predictor.similar` found, one line for each known item.

    Args:
        table: A frame as `Predictor.similar` gives it.
        words: Its columns of what was known -> how each is told, as `fusion.jobs.similar` gives it.
    """
    k = int(table["rank"].max()) if len(table) else 1
    shown = Table(box=None)
    for name in ("item", "most like it", "title"):
        shown.add_column(name, overflow="fold")
    for name in ("similarity", *(each.title for each in words.values())):
        shown.add_column(_text(name), justify="right", overflow="fold")
    for row in table.head(MOST_ITEMS * k).to_dict("records"):
        item = row["id"] if row["rank"] == 1 else ""
        if row["error"]:
            if row["rank"] == 1:
                shown.add_row(_text(item), _text(row["error"]))
        elif isinstance(row["similar_id"], str):
            numbers = (_text(each.say_known(row[known])) for known, each in words.items())
            found = (_text(row["similar_id"]), _text(row["similar_title"]))
            shown.add_row(_text(item), *found, f"{row['similarity']:.2f}", *numbers)
        elif row["rank"] == 1:
            shown.add_row(_text(item), "nothing is known of it")
    say(shown)
    n_items = len(table) // k
    if n_items > MOST_ITEMS:
        say(f"The first {MOST_ITEMS} of {n_items} items; --out FILE writes all of them.")


def _text(cell: Hashable) -> Text:
    """A cell as it is: nothing in it is a style."""
    return Text(readable(str(cell)))

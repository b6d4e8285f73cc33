"""Whole numbers that name things (zip codes, categories, stores) and count nothing.

As numbers they say that store 12 lies between 11 and 13, which is noise; as labels each speaks for
itself. Three rules, without the target, so that a table without one is read alike:

1. The name is that of a code, and holds no word for a quantity (`store_id`, not `n_stores`).
2. Text of digits of one length, some of which begin with 0: `01067`.
3. Whatever the name: at least five numbers of one length of four digits or more, which are no
   years and no multiples of 5, with wide and uneven gaps, each of which stands five times on
   average.

In each case a value must stand twice on average; with fewer, labels would learn nothing.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.cells import CellFault, cells, is_missing
from fusion.data.numbers import read_number
from fusion.data.schema import Schema

CODE_WORDS = frozenset(
    (
        "id key code codes kode kod codigo codice zip zipcode plz postcode postal postleitzahl cap "
        "class klasse classe clase category categorie categoria kategorie cat subcategory "
        "subclass dept department abteilung departamento rayon division section group gruppe "
        "groupe grupo cluster segment type typ tipo store shop branch outlet filiale laden tienda "
        "magasin negozio warehouse lager region zone district territory supplier vendor "
        "lieferant fournisseur proveedor brand marke marca marque manufacturer hersteller color "
        "colour farbe couleur material season saison channel market family line size groesse "
        "größe taille talla taglia sku article artikel style model"
    ).split()
)
QUANTITY_WORDS = frozenset(
    (
        "n count counts num amount anzahl qty quantity menge total sum mean avg average median std "
        "min max per rate ratio share percent pct percentage score rating stars rank position "
        "price preis prix precio prezzo cost value revenue turnover margin tax discount sale sales "
        "sold units unit stock inventory orders customers views clicks visits reviews year jahr "
        "annee year month day days week weeks hour hours minute age alter weight gewicht height "
        "width length depth diameter volume area distance capacity power temperature mm cm m m2 km "
        "g kg mg ml l cl oz lb in inch ft eur usd gbp chf cny jpy watt volt w v density members"
    ).split()
)
NUMBERED = frozenset(("no", "nr", "number", "nummer", "numero", "key"))
"""Words behind that of a code: `store_nr`."""
MIN_DISTINCT = 5
"""Distinct values that rule 3 needs, and how often each stands on average."""


def holds_codes(name: str, seen: Sequence[Any]) -> bool:
    """Whether whole numbers are labels; False for any column that holds something else.

    Args:
        name: Name of the column.
        seen: Its cells that are not missing, all of them or a fair sample.

    Example:
        >>> holds_codes("store_id", [3, 7, 3, 9, 7, 9]), holds_codes("units", [3, 7, 3, 9, 7, 9])
        (True, False)
    """
    numbers = _whole_numbers(seen)
    if numbers is None:
        return False
    distinct = np.unique(numbers)
    if len(distinct) < 3 or 2 * len(distinct) > len(numbers):
        return False
    words = _words(name)
    if words and words[-1] in ("code", "codes", "id", "zip", "postcode"):
        return True  # the code of a stock is a code
    if QUANTITY_WORDS & set(words):
        return False
    return _is_code_name(words) or _has_leading_zeros(seen) or _is_spaced(distinct, len(numbers))


def coded_columns(frame: pd.DataFrame, schema: Schema, *, listed: Sequence[str] | None) -> str:
    """One sentence on the columns that were taken as labels though they hold numbers; or nothing.

    Args:
        frame: The table.
        schema: What was found in it.
        listed: Columns that the user named as categories; of these nothing is said.
    """
    if listed is not None:
        return ""
    columns = [
        name
        for name in schema.columns_of("categorical")
        if not isinstance(frame[name].dtype, pd.CategoricalDtype)
        and _whole_numbers(_some(frame[name])) is not None
    ]
    if not columns:
        return ""
    names = ", ".join(columns)
    return (
        f"Read as labels, not as numbers: {names}. If one of them counts or measures something, "
        "list all number columns under numeric, with it."
    )


def _some(column: "pd.Series[Any]") -> list[Any]:
    """At most about two thousand cells that are there, drawn evenly."""
    return [
        cell for cell in cells(column.iloc[:: max(1, len(column) // 2000)]) if not is_missing(cell)
    ]


def _whole_numbers(seen: Sequence[Any]) -> NDArray[np.float64] | None:
    """The cells as numbers if all of them are whole and none is negative, a truth value or a date.

    One in twenty may be no number, as in every column of numbers.
    """
    found = []
    for cell in seen:
        if isinstance(cell, bool | np.bool_) or not isinstance(
            cell, str | int | float | np.integer | np.floating | Decimal
        ):
            return None
        try:
            number = read_number(cell)
        except CellFault:
            continue
        if number < 0 or number != np.floor(number) or (isinstance(cell, str) and "." in cell):
            return None
        found.append(number)
    return np.array(found) if found and len(found) >= 0.95 * len(seen) else None


def _words(name: str) -> list[str]:
    parted = re.sub(r"(?<=[a-zäöü])(?=[A-Z])", "_", name)
    return [word for word in re.split(r"[\W_]+|(?<=\D)(?=\d+$)", parted.lower()) if word]


def _is_code_name(words: list[str]) -> bool:
    """English and German end with what a thing is, French and Spanish begin with it."""
    while len(words) > 1 and (words[-1] in NUMBERED or words[-1].isdigit()):
        words = words[:-1]
    if not words or (len(words) > 1 and words[-1] == "size"):
        return False  # the size of something is a quantity
    return words[-1] in CODE_WORDS or words[0] in CODE_WORDS


def _has_leading_zeros(seen: Sequence[Any]) -> bool:
    texts = [cell.strip() for cell in seen if isinstance(cell, str)]
    alike = len({len(text) for text in texts}) == 1 and all(text.isdecimal() for text in texts)
    return alike and len(texts[0]) > 1 and any(text.startswith("0") for text in texts)


def _is_spaced(distinct: NDArray[np.float64], n_rows: int) -> bool:
    """Rule 3."""
    if len(distinct) < MIN_DISTINCT or n_rows < MIN_DISTINCT * len(distinct):
        return False
    if distinct[0] < 1000 or len(str(int(distinct[0]))) != len(str(int(distinct[-1]))):
        return False
    if distinct[0] >= 1800 and distinct[-1] <= 2200:
        return False
    gaps = np.diff(distinct)
    return bool((distinct % 5 != 0).mean() > 0.5 and gaps.max() >= 5 * np.median(gaps))

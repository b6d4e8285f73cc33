"""How columns write dates and numbers where it is not the plain way: names of forms and styles.

A schema keeps them (`Schema.formats`); cells are read by them in `fusion.data.dates` and
`fusion.data.numbers`.
"""

import unicodedata

FORMATS = {
    "DD.MM.YYYY": (".", "dmy"),
    "DD/MM/YYYY": ("/", "dmy"),
    "MM/DD/YYYY": ("/", "mdy"),
    "DD-MM-YYYY": ("-", "dmy"),
    "MM-DD-YYYY": ("-", "mdy"),
    "YYYY/MM/DD": ("/", "ymd"),
    "YYYY.MM.DD": (".", "ymd"),
    "YYYY-MM-DD": ("-", "ymd"),
}
"""Forms beside ISO 8601 -> mark between the parts, their order. Points are never month first."""
STYLES = {
    "1234.5": ("", "."),
    "1234,5": ("", ","),
    "1,234.5": (",", "."),
    "1.234,5": (".", ","),
    "1 234,5": (" ", ","),
    "1 234.5": (" ", "."),
    "1'234.5": ("'", "."),
}
"""How numbers are written: an example -> mark between thousands, decimal mark."""
CURRENCIES = frozenset(
    (
        "aed ars aud bdt bgn brl cad chf clp cny cop czk dkk egp eur gbp hkd huf idr ils inr jpy "
        "kes krw mad mxn myr ngn nok nzd pen php pkr pln qar rmb ron rub sar sek sgd thb try twd "
        "uah usd vnd zar euro euros dollar dollars pound pounds yuan yen kr kr. zł kč ft lei rs "
        "rs. us$ ca$ a$ c$ nz$ hk$ nt$ r$ s$ mx$ 元 円"
    ).split()
)


def is_unit(unit: str) -> bool:
    """True for what may stand beside a number: nothing, %, a currency."""
    if unit in ("", "%") or unit.casefold() in CURRENCIES:
        return True
    return all(unicodedata.category(mark) == "Sc" for mark in unit)


def style_and_unit(number_format: str) -> tuple[str, str]:
    """The parts of a format.

    Raises:
        ValueError: If it is no format.
    """
    for style in STYLES:
        unit = number_format.removeprefix(style)
        if unit != number_format and (not unit or unit[0] == " "):
            if is_unit(unit.strip()):
                return style, unit.strip()
    styles = ", ".join(STYLES)
    raise ValueError(f"number format must begin with one of {styles}, got {number_format!r}.")


def is_number_format(text: str) -> bool:
    """True for what `find_number_format` gives."""
    try:
        return bool(style_and_unit(text))
    except ValueError:
        return False

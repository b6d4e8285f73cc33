"""Numbers in texts: counts, sizes with units, a x b, as numbers that any model can read.

Source: none; rules that are written down here, in the order in which they decide.

1. A number is digits that no letter or digit stands before (`A12` has none), with thousands
   (`1,500`) and decimals (`1.5`, `1,5`): a comma before exactly three digits parts thousands, any
   other comma and every point that stands once is decimal. `1 1/2` and `1/2` are read before units.
2. What follows it is its unit, if it is in `fusion.data.units`, whatever stands between them of a
   space and a hyphen: `12 oz`, `12-ounce`. `in` is an inch where it is written to the number or at
   the end of a phrase; `"` is one unless it closes a quotation; `m` after a range is months.
3. `5 ft 3 in` and `1 lb, 4 oz` are one number; in `5 x 7 in` and `0-3 months` the last unit is that
   of all; `6 x 330 ml` is a count of 6; `set of 6` and `three-piece` are counts.
4. A text has the largest number of each label; of lengths that are multiplied the product too. Of
   numbers without a unit it has the first, the largest and how many there are.
"""

import math
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fusion.data.units import (
    AREA,
    BOX,
    COUNT,
    FIRST_WORDS,
    LENGTH,
    NUMBER_WORDS,
    OF,
    PLAIN,
    PRODUCT,
    SECOND_WORDS,
    UNITS,
    Unit,
)

READ_CHARACTERS = 20_000
"""Characters of a text that are looked at."""
LARGEST = 1e12
MONTHS = 36
"""`0-12m` are months up to here."""
SIGNS = str.maketrans(
    {"”": '"', "″": '"', "“": '"', "’": "'", "′": "'", "×": "x", "–": "-", "‐": "-", "‑": "-"}
    | {"½": " 1/2", "¼": " 1/4", "¾": " 3/4", "\u00a0": " ", "\u202f": " "}
)

# Every repetition has a bound, so that time grows with the text and not with its square.
NUMBER = re.compile(
    r"(?:(?<!\w)|(?<=[0-9mnt\"' ]x))(?<![0-9][.,])"
    r"(?:(?:(?P<whole>[0-9]{1,4})[ -]{1,2})?"
    r"(?P<part>[0-9]{1,2})/(?P<parts>2|3|4|5|8|16|32)(?![0-9/])"
    r"|(?P<digits>[0-9]{1,15}(?:[.,][0-9]{1,15}){0,4}|\.[0-9]{1,15})(?![0-9]))"
)
UNIT = re.compile(
    r"\+?[ -]{0,2}(?:(fl|fluid|sq|square|cu|cubic)\b\.?[ -]?)?"
    r"([^\W\d_]{1,12}[23]?(?![^\W_])|[\"'%])"
)
LABELLED = re.compile(r" ?[wlhdt]\b\.?\s{0,2}(?:x|by)\s{0,2}[.0-9]")
SIDE = re.compile(r"[wlhdt]\b")
TIMES = re.compile(
    r"\.?\s{0,2}(?:(?:[wlhdt]|wide|long|high|tall|deep)\b\.?\s{0,2})?(?:x|by)\s{0,2}(?=[.0-9])"
)
RANGE = re.compile(r"\s{0,2}(?:-|to|/)\s{0,2}(?=[.0-9])")
BESIDE = re.compile(r"\.?,?\s{0,2}(?=[0-9])")
AFTER_INCH = re.compile(
    r"\.(?![0-9])|\s{0,2}(?:$|[,;:)/(]|-\s|x\b|by\b|[wlhdt]\b|wide\b|long\b|high\b|tall\b|deep\b"
    r"|thick\b|round\b|square\b|diameter\b|length\b|width\b|height\b)"
)
SPELLED = re.compile(rf"\b({'|'.join(NUMBER_WORDS)})[ -]([a-z]{{2,7}})\b")
MAY_HOLD_NUMBER = re.compile(rf"[0-9]|\b(?:{'|'.join(NUMBER_WORDS)})[ -]")
LONGEST_CODE = 6
"""Digits in a row beyond which a number without a unit is a code."""


class _Token(NamedTuple):
    """A number of a text.

    Args:
        value: In its unit.
        unit: None where it has none.
        link: `x` or `-` where another number follows by it, `+` where a smaller part may follow.
        is_metre: Its unit is written `m`.
        is_told: False of a fraction and of a code: without a unit they say nothing.
    """

    value: float
    unit: Unit | None
    link: str
    is_metre: bool
    is_told: bool


def numbers_in(text: str) -> dict[str, float]:
    """Label -> the number of a text, of the labels in `fusion.data.units.LABELS`; finite, >= 0.

    Never raises; looks at the first 20,000 characters.

    Example:
        >>> numbers_in('Crib set of 4 - 28" x 52"')
        {'area cm2': 9393.5296, 'count': 4.0, 'length cm': 132.08}
        >>> numbers_in("Juice 6 x 330 ml")
        {'count': 6.0, 'volume ml': 330.0}
    """
    lowered = text[:READ_CHARACTERS].replace("&quot;", '"').lower().translate(SIGNS)
    found: dict[str, float] = {}
    if not MAY_HOLD_NUMBER.search(lowered):
        return found
    plain: list[float] = []
    for run in _runs(_whole_tokens(lowered)):
        _add_products(found, run)
        for token in run:
            if token.unit is not None:
                _add(found, token.unit.label, token.value * token.unit.factor)
            elif token.is_told:
                plain.append(token.value)
    for spelled in SPELLED.finditer(lowered):
        unit = UNITS.get(spelled[2])
        if unit is not None and unit.label == COUNT:
            _add(found, COUNT, NUMBER_WORDS[spelled[1]] * unit.factor)
    if plain:
        found |= dict(zip(PLAIN, (plain[0], max(plain), float(len(plain))), strict=True))
    return found


def _add(found: dict[str, float], label: str, value: float) -> None:
    """Keeps the largest number of a label."""
    if value <= LARGEST:
        found[label] = round(max(value, found.get(label, 0.0)), 6)


def _tokens(text: str) -> Iterator[_Token]:
    """Numbers in their order, each with its unit."""
    for match in NUMBER.finditer(text):
        digits, end = match["digits"], match.end()
        value = _fraction(match) if digits is None else _decimal(digits)
        if value is None or value > LARGEST:
            continue
        word, unit, after = _unit_at(text, end)
        if unit is None and text.endswith(OF, max(0, match.start() - 12), match.start()):
            unit = UNITS["piece"]
        times = TIMES.match(text, after)
        link = "x" if times else "-" if RANGE.match(text, after) else ""
        if unit is not None and not link and BESIDE.match(text, after):
            link = "+"
        is_side = text.endswith(("x", "x "), 0, match.start()) and SIDE.match(text, end)
        is_part_of_word = text[end : end + 1].isalpha() and not is_side
        if unit is not None or times or not is_part_of_word:
            told = digits is not None and not _is_code(digits)
            yield _Token(value, unit, link, word == "m", told)


def _decimal(digits: str) -> float | None:
    """A number as people write it; None where its signs part neither thousands nor decimals."""
    first, *rest = re.split("[.,]", digits)
    if not rest:
        return float(first)
    signs = [sign for sign in digits if sign in ".,"]
    last, before = signs[-1], signs[:-1]
    is_decimal = last not in before and (last == "." or len(rest[-1]) != 3 or bool(before))
    thousands = rest[:-1] if is_decimal else rest
    if len(set(before if is_decimal else signs)) > 1 or any(len(one) != 3 for one in thousands):
        return None
    whole = first + "".join(thousands)
    return float(f"{whole or 0}.{rest[-1]}") if is_decimal else float(whole)


def _fraction(match: "re.Match[str]") -> float:
    return float(match["whole"] or 0) + int(match["part"]) / int(match["parts"])


def _is_code(digits: str) -> bool:
    return digits.isdigit() and (
        len(digits) > LONGEST_CODE or (len(digits) > 1 and digits.startswith("0"))
    )


def _unit_at(text: str, place: int) -> tuple[str, Unit | None, int]:
    """The word behind a number, its unit, and where that ends: at the place if there is none."""
    none = "", None, place
    after = UNIT.match(text, place)
    if after is None or LABELLED.match(text, place):
        return none
    first, word, begin, end = after[1], after[2], after.start(2), after.end()
    if word in ('"', "'") and (begin > place or not _is_mark(text, begin)):
        return none
    if word == "in" and first is None and begin > place and not AFTER_INCH.match(text, end):
        return none
    if first is not None:
        word = FIRST_WORDS[first] + SECOND_WORDS.get(word, word)
    unit = UNITS.get(word)
    return none if unit is None else (word, unit, end)


def _is_mark(text: str, place: int) -> bool:
    """Whether a quotation mark behind a number is one of inches or feet."""
    mark, following = text[place], text[place + 1 : place + 2]
    if mark == "'" and following.isalpha() and not TIMES.match(text, place + 1):
        return False  # the 90's
    before = text.rfind(mark, 0, place)
    opens = before >= 0 and not text[before + 1].isspace()
    return not opens or text[max(0, before - 1) : before].isalnum()


def _whole_tokens(text: str) -> Iterator[_Token]:
    """Numbers of which the parts in smaller units are added: `5 ft 3 in`."""
    held: _Token | None = None
    for token in _tokens(text):
        if held is not None and held.link == "+" and _is_part(token, held.unit):
            assert held.unit is not None and token.unit is not None
            value = held.value + token.value * token.unit.factor / held.unit.factor
            held = token._replace(value=value, unit=held.unit)
            continue
        if held is not None:
            yield held
        held = token
    if held is not None:
        yield held


def _is_part(token: _Token, whole: Unit | None) -> bool:
    """Whether a number is less than one whole unit of the same dimension."""
    part = token.unit
    if part is None or whole is None or part.label == COUNT or part.label != whole.label:
        return False
    return token.value * part.factor < whole.factor


def _runs(tokens: Iterable[_Token]) -> Iterator[list[_Token]]:
    """Numbers that are linked to each other, the units of the later ones given to the earlier."""
    run: list[_Token] = []
    for token in tokens:
        run.append(token)
        if token.link not in ("x", "-"):
            yield _with_units(run)
            run = []
    yield _with_units(run)


def _with_units(run: list[_Token]) -> list[_Token]:
    """A run in which numbers without a unit have that of the next one."""
    for place in range(len(run) - 1, 0, -1):
        token, before = run[place], run[place - 1]
        is_range = before.link == "-" and (before.unit is None or before.is_metre)
        if token.is_metre and is_range and max(token.value, before.value) <= MONTHS:
            token = run[place] = token._replace(unit=UNITS["month"])
            before = before._replace(unit=None)
        if before.unit is None and token.unit is not None:
            is_times = before.link == "x" and token.unit.label != LENGTH
            run[place - 1] = before._replace(unit=UNITS["piece"] if is_times else token.unit)
    return run


def _add_products(found: dict[str, float], run: list[_Token]) -> None:
    """Areas and boxes: products of two or three numbers that stand between `x`."""
    factors: list[_Token] = []
    for token in run:
        factors.append(token)
        if token.link == "x":
            continue
        labels = {one.unit.label if one.unit else "" for one in factors}
        if len(factors) in (2, 3) and labels in ({LENGTH}, {""}):
            product = math.prod(one.value * (one.unit.factor if one.unit else 1) for one in factors)
            size = AREA if len(factors) == 2 else BOX
            _add(found, size if labels == {LENGTH} else PRODUCT, product)
        factors = []

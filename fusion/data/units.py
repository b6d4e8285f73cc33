"""Units that numbers in texts are written with: each to the one unit of its dimension.

Symbols of units are international; words are English.
"""

from typing import NamedTuple


class Unit(NamedTuple):
    """What a number is of.

    Args:
        label: Dimension and the unit that its numbers are told in, such as `length cm`.
        factor: What a number is multiplied by to be in that unit.
    """

    label: str
    factor: float = 1.0


LENGTH, AREA, BOX, COUNT, AGE = "length cm", "area cm2", "box cm3", "count", "age months"
PRODUCT = "a x b"
"""Label of a product of numbers without a unit."""
PLAIN = ("first number", "largest number", "numbers")
"""Labels of the numbers without a unit: the first, the largest, how many there are."""

# Label -> {factor: words}; how a dimension is told stands on the left, so no word is listed twice.
_WORDS: dict[str, dict[float, str]] = {
    LENGTH: {
        0.1: "mm millimeter millimeters millimetre millimetres",
        1.0: "cm centimeter centimeters centimetre centimetres",
        10.0: "dm",
        100.0: "m meter meters metre metres",
        2.54: '" in inch inches',
        30.48: "' ft foot feet",
        91.44: "yd yds yard yards",
    },
    AREA: {1.0: "cm2 cm² sqcm", 1e4: "m2 m² sqm", 929.0304: "ft2 ft² sqft", 6.4516: "sqin"},
    BOX: {1.0: "cm3 cm³", 1e6: "m3 m³", 28316.8466: "ft3 ft³ cuft", 16.3871: "cuin"},
    "weight g": {
        0.001: "mg",
        1.0: "g gr gram grams gramme grammes",
        1000.0: "kg kgs kilo kilos kilogram kilograms",
        453.59237: "lb lbs pound pounds",
        28.349523: "oz ounce ounces",
    },
    "volume ml": {
        1.0: "ml milliliter milliliters millilitre millilitres cc",
        10.0: "cl",
        100.0: "dl",
        1000.0: "l ltr liter liters litre litres",
        29.573530: "floz flounce flounces",
        236.588237: "cup cups",
        473.176473: "pt pint pints",
        946.352946: "qt quart quarts",
        3785.411784: "gal gallon gallons",
    },
    "power w": {1.0: "w watt watts", 1000.0: "kw", 745.69987: "hp horsepower"},
    "voltage v": {1.0: "v volt volts", 1000.0: "kv"},
    "charge mah": {1.0: "mah", 1000.0: "ah"},
    "storage gb": {0.001: "mb", 1.0: "gb gigabyte gigabytes", 1000.0: "tb"},
    AGE: {
        0.229979: "week weeks wk wks",
        1.0: "mo mos mth mths mths month months",
        12.0: "yr yrs year years",
    },
    "time min": {1.0: "min mins minute minutes", 60.0: "hr hrs hour hours", 1440.0: "day days"},
    "percent": {1.0: "% percent pct"},
    "pixels mp": {1.0: "mp megapixel megapixels"},
    "frequency hz": {1.0: "hz", 1e3: "khz", 1e6: "mhz", 1e9: "ghz"},
    "light lm": {1.0: "lm lumen lumens"},
    "turns rpm": {1.0: "rpm"},
    "loudness db": {1.0: "db decibel decibels"},
    "heat btu": {1.0: "btu btus"},
    "carat": {1.0: "carat carats"},
    "karat": {1.0: "kt karat karats"},
    "tog": {1.0: "tog"},
    "cloth gsm": {1.0: "gsm"},
    "cloth denier": {1.0: "denier"},
    "threads": {1.0: "thread threadcount tc"},
    "pages": {1.0: "page pages pp"},
    COUNT: {
        1.0: "piece pieces pc pcs pce pack packs pk pks packet packets count counts ct cnt set "
        "sets unit units bag bags box boxes bottle bottles can cans roll rolls sheet sheets tablet "
        "tablets capsule capsules card cards bulb bulbs drawer drawers shelf shelves tier tiers "
        "player players person persons seat seats pocket pockets ply",
        2.0: "pair pairs pr",
        12.0: "dozen",
    },
}
UNITS: dict[str, Unit] = {
    word: Unit(label, factor)
    for label, factors in _WORDS.items()
    for factor, words in factors.items()
    for word in words.split()
}
"""Word or symbol, in small letters -> unit. `sq ft` stands as `sqft`, `fl oz` as `floz`."""
FIRST_WORDS = {
    "fl": "fl", "fluid": "fl", "sq": "sq", "square": "sq", "cu": "cu", "cubic": "cu",
}  # fmt: skip
"""First of two words -> how it stands before the second one in `UNITS`."""
SECOND_WORDS = {
    "foot": "ft", "feet": "ft", "ft": "ft", "inch": "in", "inches": "in", "in": "in",
    "meter": "m", "meters": "m", "metre": "m", "metres": "m", "m": "m", "cm": "cm",
    "ounce": "oz", "ounces": "oz", "oz": "oz",
}  # fmt: skip
LABELS: tuple[str, ...] = (*_WORDS, PRODUCT, *PLAIN)
"""Every label that a number of a text can have."""
NUMBER_WORDS = {
    "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0, "seven": 7.0,
    "eight": 8.0, "nine": 9.0, "ten": 10.0, "twelve": 12.0,
}  # fmt: skip
"""Numbers that are written out before a word of count."""
OF = tuple(
    f"{word}{of}"
    for word in ("set", "pack", "box", "case", "bundle", "bag", "carton", "pk", "lot")
    for of in (" of ", "s of ", " x ")
)
"""What stands before a count: `set of 6`."""

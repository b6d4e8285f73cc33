"""Numbers in texts: what is read out of one text, whatever is in it."""

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion.data import text_numbers
from fusion.data.text_numbers import READ_CHARACTERS, numbers_in
from fusion.data.units import LABELS, UNITS

INCH, FOOT, POUND, OUNCE = 2.54, 30.48, 453.59237, 28.349523


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Crib set of 4", {"count": 4}),
        ("12 count", {"count": 12}),
        ("3-Piece Bedding", {"count": 3}),
        ("2-pack of wipes", {"count": 2}),
        ("Koala 4pk", {"count": 4}),
        ("a three-piece suit", {"count": 3}),
        ("two pairs", {"count": 4}),
        ("1.5 kg", {"weight g": 1500}),
        ("1,5 kg", {"weight g": 1500}),
        ("1,500 g", {"weight g": 1500}),
        ("1.234,5 g", {"weight g": 1234.5}),
        ("1,234.5 g", {"weight g": 1234.5}),
        (".5 lb", {"weight g": POUND / 2}),
        ("1 lb. 4 oz.", {"weight g": POUND + 4 * OUNCE}),
        ("5'4\" tall", {"length cm": 5 * FOOT + 4 * INCH}),
        ("1 1/2 in. thick", {"length cm": 1.5 * INCH}),
        ("½ inch", {"length cm": INCH / 2}),
        ("45&quot;", {"length cm": 45 * INCH}),
        ("12-inch pot", {"length cm": 12 * INCH}),
        ("300ml", {"volume ml": 300}),
        ("12 fl. oz.", {"volume ml": 12 * 29.57353}),
        ("2 cups", {"volume ml": 2 * 236.588237}),
        ("60W", {"power w": 60}),
        ("220 volts", {"voltage v": 220}),
        ("0-3 months", {"age months": 3}),
        ("0-6m - 2.5 Tog", {"age months": 6, "tog": 2.5}),
        ("ages 3+ years", {"age months": 36}),
        ("2m cable", {"length cm": 200}),
        ("100% cotton", {"percent": 100}),
        ("300 thread count", {"threads": 300}),
        ("20 sq ft", {"area cm2": 20 * FOOT**2}),
    ],
)
def test_a_number_is_told_in_the_unit_of_its_dimension(text, expected):
    assert numbers_in(text) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ('28" x 52"', (28 * INCH, 52 * INCH)),
        ('Valance - 84" L x 15" W', (84 * INCH, 15 * INCH)),
        ("39 x 58 inch rug", (39 * INCH, 58 * INCH)),
        ("12in x 18in Print", (12 * INCH, 18 * INCH)),
        ("5 feet 3 inches x 7 feet 6 inches", (5.25 * FOOT, 7.5 * FOOT)),
        ("10 by 15 cm", (10, 15)),
        ("10×15cm", (10, 15)),
    ],
)
def test_lengths_that_are_multiplied_give_an_area_and_the_longest_side(text, sides):
    expected = {"area cm2": math.prod(sides), "length cm": max(sides)}
    assert numbers_in(text) == pytest.approx(expected, rel=1e-6)


def test_three_lengths_give_a_box_and_a_count_of_volumes_no_area():
    assert numbers_in("5x7x9 cm") == {"box cm3": 315.0, "length cm": 9.0}
    assert numbers_in("Juice 6 x 330 ml") == {"count": 6.0, "volume ml": 330.0}


def test_numbers_without_a_unit_give_the_first_the_largest_and_how_many():
    plain = {"first number": 2.8, "largest number": 4.8, "numbers": 2.0}
    assert numbers_in("Size 2.8 x 4.8") == {"a x b": 13.44, **plain}
    assert numbers_in("24W x 36H x 12D")["a x b"] == 24 * 36 * 12
    assert numbers_in("iPhone 12")["first number"] == 12


@pytest.mark.parametrize(
    "text", ["", "no number", "49ers", "4th 3D", "A12", "EAN 4006381333931", "SKU 00123", "1.2.3.4"]
)
def test_names_codes_and_versions_are_no_numbers(text):
    assert numbers_in(text) == {}


@pytest.mark.parametrize(
    "text", ["12 in black", "4-in-1 crib", "2 in 1", 'called "Route 66"', "the 90's style"]
)
def test_a_preposition_and_a_closing_quotation_are_no_inches(text):
    assert "length cm" not in numbers_in(text)


def test_every_word_of_a_unit_belongs_to_one_label():
    assert {unit.label for unit in UNITS.values()} <= set(LABELS)
    assert len(set(LABELS)) == len(LABELS)
    for word, unit in UNITS.items():
        assert unit.factor > 0 and word == word.lower() and " " not in word


PARTS = st.sampled_from(
    [
        *UNITS,
        *"0123456789.,x-'\"/ ½×&",
        " of ",
        "set of ",
        "to ",
        "fl ",
        "&quot;",
        "three ",
        "1e9",
        "ß",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.lists(PARTS, max_size=60).map("".join)))
def test_any_text_gives_finite_numbers_of_known_labels(text):
    found = numbers_in(text)
    assert set(found) <= set(LABELS)
    assert all(math.isfinite(value) and value >= 0 for value in found.values())


@pytest.mark.parametrize(
    "part", ["1", "1 ", '1"', '"1" ', "1,", "1 x ", "1x", "1/2 ", "1-", "a", "1 in ", "1'", "1 to "]
)
def test_only_the_first_characters_of_a_text_are_looked_at(part):
    text = part * (READ_CHARACTERS // len(part))
    assert numbers_in(text + "9 kg") == numbers_in(text)


@pytest.mark.parametrize(
    "name", [name for name, value in vars(text_numbers).items() if isinstance(value, re.Pattern)]
)
def test_every_repetition_of_a_pattern_has_a_bound_so_that_time_grows_with_the_text(name):
    pattern = vars(text_numbers)[name].pattern
    assert not re.search(r"[*+]|\{\d+,\}", re.sub(r"\\.|\[(?:\\.|[^\]])*\]", "", pattern))

import random
import re
from collections.abc import Sequence
from dataclasses import FrozenInstanceError
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.text.augmentation import TextAugmentation

COLUMNS = "title: red dress\nproduct details: cotton\nknitted in Peru\nfit: slim"
PROTECTED = (
    "38 2-pack ½ ٣٨ XL s (M) S/M NO not, without w/o ohne sans keine sugar-free isn't doesn’t não"
)
CHANCES = st.floats(0, 1, exclude_max=True)
AUGMENTATIONS = st.builds(
    TextAugmentation, word_dropout=CHANCES, truncation=st.floats(0, 1), column_dropout=CHANCES
)
SEEDS = st.integers(0, 2**32)
WORDS = st.sampled_from(
    ["red", "dress", "38", "not", "ohne", "XL", "a:", "fit: x", "裙子", " ", "\n"]
)
TEXTS = st.text() | st.lists(WORDS).map(" ".join) | st.lists(WORDS).map("\n".join)

SOME = TextAugmentation(word_dropout=0.1, column_dropout=0.1)


def augmented(augment: TextAugmentation, text: str, seed: int) -> str:
    return augment(text, random=np.random.default_rng(seed))


def results(augment: TextAugmentation, text: str, *, n_seeds: int = 300) -> set[str]:
    return {augmented(augment, text, seed) for seed in range(n_seeds)}


def is_subsequence(part: Sequence[str], whole: Sequence[str]) -> bool:
    rest = iter(whole)
    return all(word in rest for word in part)


@settings(deadline=None)
@given(AUGMENTATIONS, TEXTS, SEEDS)
def test_words_are_left_out_and_nothing_else_changes(
    augment: TextAugmentation, text: str, seed: int
) -> None:
    left = augmented(augment, text, seed)
    assert is_subsequence(left.split(), text.split())
    assert bool(left.split()) == bool(text.split())


@settings(deadline=None)
@given(AUGMENTATIONS, TEXTS, SEEDS)
def test_the_same_state_gives_the_same_text(
    augment: TextAugmentation, text: str, seed: int
) -> None:
    assert augmented(augment, text, seed) == augmented(augment, text, seed)


@settings(deadline=None)
@given(CHANCES, TEXTS, SEEDS)
def test_words_with_a_digit_and_negations_are_never_left_out_by_word_dropout(
    chance: float, text: str, seed: int
) -> None:
    def protected(words: Sequence[str]) -> list[str]:
        known = ("no", "not", "without", "ohne", "sans", "XL")
        return [word for word in words if word in known or any(map(str.isdigit, word))]

    left = augmented(TextAugmentation(word_dropout=chance), text, seed)
    assert protected(left.split()) == protected(text.split())


@settings(deadline=None)
@given(TEXTS, SEEDS)
def test_a_text_stays_exactly_as_it_is_where_everything_is_off(text: str, seed: int) -> None:
    assert TextAugmentation().is_off
    assert augmented(TextAugmentation(), text, seed) is text


@pytest.mark.parametrize("text", ["", "红色连衣裙没有腰带", "dress"])
def test_an_empty_text_and_a_single_word_stay(text: str) -> None:
    strongest = TextAugmentation(word_dropout=0.99, truncation=1.0, column_dropout=0.99)
    assert results(strongest, text) == {text}


@pytest.mark.parametrize("word", PROTECTED.split())
def test_a_word_that_makes_another_product_stays(word: str) -> None:
    text = f"a plain {word} long summer dress"
    for left in results(TextAugmentation(word_dropout=0.95), text):
        assert word in left.split()


@pytest.mark.parametrize("word", ["women's", "Levi's", "l'eau", "knot", "nothing", "small", "sms"])
def test_a_word_that_only_looks_like_a_size_or_negation_can_go(word: str) -> None:
    text = f"a plain {word} long summer dress"
    left = results(TextAugmentation(word_dropout=0.5), text)
    assert any(word not in found.split() for found in left)


def test_what_a_negation_is_about_stays_with_it() -> None:
    found = results(TextAugmentation(word_dropout=0.9), "dress without belt made of linen")
    assert len(found) > 1
    assert all("without belt" in left for left in found)


def test_about_the_given_share_of_words_is_left_out() -> None:
    text = " ".join(["word"] * 10_000)
    left = augmented(TextAugmentation(word_dropout=0.3), text, 0)
    assert len(left.split()) == pytest.approx(7_000, rel=0.03)


def test_names_of_columns_stay_when_their_words_go() -> None:
    for left in results(TextAugmentation(word_dropout=0.9), COLUMNS):
        names = re.findall(r"^(title|product details|fit):", left, re.MULTILINE)
        assert names == ["title", "product details", "fit"]


def test_a_colon_in_a_text_of_one_line_makes_no_column() -> None:
    found = results(TextAugmentation(word_dropout=0.5), "sale: red dress")
    assert "red dress" in found


def test_columns_go_whole_with_the_lines_that_belong_to_them() -> None:
    title, details, more, fit = COLUMNS.split("\n")
    details = f"{details}\n{more}"
    kept = (some for n in (1, 2, 3) for some in combinations([title, details, fit], n))
    expected = {"\n".join(columns) for columns in kept}
    assert results(TextAugmentation(column_dropout=0.5), COLUMNS) == expected


def test_one_column_always_stays_and_each_may_be_the_one() -> None:
    found = results(TextAugmentation(column_dropout=0.99), COLUMNS)
    alone = {left.split(":")[0] for left in found if left.count(":") == 1}
    assert alone == {"title", "product details", "fit"}


@pytest.mark.parametrize("text", ["Great dress.\nWash at 30.\nMade in Peru: yes", "title: a dress"])
def test_a_text_without_columns_loses_none(text: str) -> None:
    assert results(TextAugmentation(column_dropout=0.9), text) == {text}


def test_a_cut_keeps_between_half_of_the_words_and_all() -> None:
    found = results(TextAugmentation(truncation=1.0), "one two\nthree  four\nfive")
    assert found == {
        "one two\nthree",
        "one two\nthree  four",
        "one two\nthree  four\nfive",
    }


def test_a_cut_never_ends_at_the_name_of_a_column() -> None:
    found = results(TextAugmentation(truncation=1.0), "a: x\nthe name of b: y")
    assert found == {"a: x", "a: x\nthe name of b: y"}


def test_a_chance_of_a_cut_is_about_kept() -> None:
    cut = [
        augmented(TextAugmentation(truncation=0.4), "word " * 999, seed) for seed in range(1_000)
    ]
    assert sum(len(text.split()) < 999 for text in cut) == pytest.approx(400, abs=50)


def test_global_chance_is_neither_read_nor_changed() -> None:
    def state() -> tuple[object, str]:
        return random.getstate(), str(np.random.get_state())  # noqa: NPY002

    before = state()
    augmented(TextAugmentation(word_dropout=0.5, truncation=1.0), COLUMNS, 0)
    assert state() == before


def test_a_megabyte_of_white_space_costs_no_more_than_its_length() -> None:
    space = " " * 1_000_000
    assert augmented(SOME, f"dress{space}", 0) == "dress"
    assert augmented(SOME, f"name:{space}\nb: c", 0)


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        ({"word_dropout": 1.0}, ["word_dropout must be a number in [0, 1), got 1.0"]),
        ({"column_dropout": -0.1}, ["column_dropout must be a number in [0, 1), got -0.1"]),
        ({"truncation": float("nan")}, ["truncation must be a number in [0, 1], got nan"]),
        ({"truncation": True}, ["truncation must be a number in [0, 1], got True"]),
        (
            {"word_dropout": "0.1", "truncation": 2},
            [
                "word_dropout must be a number in [0, 1), got '0.1'",
                "truncation must be a number in [0, 1], got 2",
            ],
        ),
    ],
)
def test_all_bad_chances_are_refused_in_one_message(
    options: dict[str, float], rules: list[str]
) -> None:
    with pytest.raises(ValueError) as caught:
        TextAugmentation(**options)
    assert str(caught.value) == "; ".join(rules) + ". Leave it out to switch it off."


def test_options_can_be_compared_but_not_changed() -> None:
    assert TextAugmentation(0.1, 0, 0.1) == TextAugmentation(word_dropout=0.1, column_dropout=0.1)
    assert not SOME.is_off
    with pytest.raises(FrozenInstanceError):
        SOME.truncation = 1.0  # type: ignore[misc]

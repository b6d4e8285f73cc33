"""Tokens are those of transformers' own tokenizer, cut and whole."""

import random

import pytest

from encoders.text.loading import load_tokenizer
from encoders.text.tiny_bert import tiny_checkpoint
from encoders.text.tokens import Tokens

WORDS = ["red", "dress", "größe 38", "[SEP]", "[MASK]", "漢字", "it's", "polka-dot", "x" * 70]


def tokens(**options: object) -> Tokens:
    given = {"prompt": "", "max_length": 32, "in_chunks": True, **options}
    return Tokens(load_tokenizer(tiny_checkpoint()), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("prompt", ["", "query: "])
def test_numbers_are_those_of_transformers(prompt: str) -> None:
    chance = random.Random(0)
    texts = ["", *(" ".join(chance.choices(WORDS, k=n)) for n in range(1, 30))]
    expected = load_tokenizer(tiny_checkpoint())(
        [prompt + text for text in texts], truncation=True, max_length=32
    )
    numbers, cut = tokens(prompt=prompt).numbers(texts)
    assert numbers == expected["input_ids"]
    assert cut == [bool(each.overflowing) for each in expected.encodings]
    assert 0 < sum(cut) < len(cut)


def test_no_texts_have_no_numbers() -> None:
    assert tokens().numbers([]) == ([], [])


def test_a_text_stays_whole_where_chunks_are_not_asked_for() -> None:
    text = "word " * 100
    assert tokens(in_chunks=False).chunks(text) == [text]
    assert len(tokens().chunks(text)) > 1


def test_a_prompt_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(ValueError, match="max_length must be over 41, which special tokens and"):
        tokens(prompt="a " * 39)

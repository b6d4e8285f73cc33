"""Random changes of texts while a model trains, so that it does not learn them by heart."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from numbers import Real
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_NAME = re.compile(r"[^\s:][^:]*:(?=\s+\S)")
_WORD = re.compile(r"\s*\S+")
_SIZE = re.compile(r"(?<![\w'’])(?:x*[sl]|m)(?![\w'’])", re.IGNORECASE)
_NEGATION = re.compile(
    r"(?<!\w)(?:no|not|non|never|without|w/o|free|nicht|kein\w*|ohne|frei|pas|sans|sin|senza|não|sem"
    r"|niet|geen|zonder)(?!\w)|n['’]t(?!\w)",
    re.IGNORECASE,
)


def check_shares(settings: object, **ranges: str) -> None:
    """Refuse settings that are no number of their range: [0, 1] with or without its ends.

    Args:
        settings: A frozen dataclass; what it has is kept as floats.
        **ranges: The range of each setting, a round bracket where an end is not allowed.

    Raises:
        ValueError: If a setting is outside its range; all of them in one message.
    """
    problems = []
    for name, allowed in ranges.items():
        value = getattr(settings, name)
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        number = float(value) if is_number else math.nan
        ends = {0.0: allowed[0] == "[", 1.0: allowed[-1] == "]"}
        if 0.0 < number < 1.0 or ends.get(number, False):
            object.__setattr__(settings, name, number)
        else:
            problems.append(f"{name} must be a number in {allowed}, got {value!r}")
    if problems:
        raise ValueError("; ".join(problems) + ". Leave it out to switch it off.")


class _Line(NamedTuple):
    name: str  # "title:" where a column starts, else empty
    words: list[str]  # each with the white space before it


@dataclass(frozen=True)
class TextAugmentation:
    """Gives a text back with some of its words or columns left out, differently each time.

    Why: a text encoder that is fine-tuned on few products learns their texts by heart; one that
    never sees the same text twice has to use all of it. Only for training, never for predictions.
    Nothing is added and no order changes. A word is a run without white space, so a text without
    spaces (Chinese) is one word and stays. A text of several lines that starts with `name: ` and
    has such a line again is made of columns; a line without a name belongs to the column before it.
    Source: word dropout: Iyyer et al. (2015), section 3.2. *differs:* at least one word stays, and
    so does what turns a product into another one, see `word_dropout`.

    Args:
        word_dropout: Chance, in [0, 1), of each word to be left out. Never left out are names of
            columns, words with a digit or another numeral, letter sizes (S, XL), negations (no,
            not, without, ohne, sans, ... in seven European languages) and the word behind one:
            "without belt" must not become "belt". Any other word can go, also one that says what
            the product is, as no rule can tell: safe up to about 0.2 in sentences; keep it at 0
            for titles of two or three words.
        truncation: Chance, in [0, 1], that the text ends behind a random word in its second half;
            numbers and negations there go as well. Safe where the end says the least, as in
            descriptions; not where titles end with size, colour or pack.
        column_dropout: Chance, in [0, 1), of each column to be left out. Safe where products lack
            columns anyway or columns repeat each other; it changes the product where one column
            alone says what it is.

    Raises:
        ValueError: If a chance is outside its range; all of them in one message.

    Example:
        >>> augment = TextAugmentation(word_dropout=0.3)
        >>> augment("A red dress in size 38, without belt", random=np.random.default_rng(2))
        'dress size 38, without belt'
    """

    word_dropout: float = 0.0
    truncation: float = 0.0
    column_dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuse chances outside their range."""
        check_shares(self, word_dropout="[0, 1)", truncation="[0, 1]", column_dropout="[0, 1)")

    @property
    def is_off(self) -> bool:
        """True where every text stays as it is."""
        return self == TextAugmentation()

    def __call__(self, text: str, *, random: np.random.Generator) -> str:
        """The text without what was left out; the same text where everything is off.

        Args:
            text: Raw text; an empty one stays empty.
            random: Where chance comes from: its state decides the result.

        Returns:
            A text of at least one word of the given one that is no column's name, if it has any;
            line breaks stay between what is left, white space at the ends of lines goes.
        """
        lines = [] if self.is_off else _read_lines(text)
        if not any(line.words for line in lines):
            return text
        lines = _some_columns(lines, self.column_dropout, random)
        lines = _beginning(lines, self.truncation, random)
        lines = _some_words(lines, self.word_dropout, random)
        return "\n".join((line.name + "".join(line.words)).strip() for line in lines)


def _read_lines(text: str) -> list[_Line]:
    # Without white space at their ends, as a pattern would try each place in a long run of it.
    lines = [line.rstrip() for line in text.split("\n")]
    names = [_NAME.match(line) for line in lines]
    if names[0] is None or sum(name is not None for name in names) < 2:
        return [_Line("", _WORD.findall(line)) for line in lines]
    ends = [0 if name is None else name.end() for name in names]
    return [
        _Line(line[:end], _WORD.findall(line[end:])) for line, end in zip(lines, ends, strict=True)
    ]


def _some_columns(lines: list[_Line], chance: float, random: np.random.Generator) -> list[_Line]:
    starts = [place for place, line in enumerate(lines) if line.name]
    if not starts or chance == 0.0:
        return lines
    columns = [lines[start:stop] for start, stop in pairwise([*starts, len(lines)])]
    kept = _kept(np.zeros(len(columns), dtype=np.bool_), chance, random)
    return [line for column, stays in zip(columns, kept, strict=True) if stays for line in column]


def _beginning(lines: list[_Line], chance: float, random: np.random.Generator) -> list[_Line]:
    """The lines up to a random word; only words behind names count, so no name ends the text."""
    if chance == 0.0 or random.random() >= chance:
        return lines
    n_words = sum(len(line.words) for line in lines)
    left = int(random.integers(-(-n_words // 2), n_words, endpoint=True))
    shown = []
    for line in lines:
        if left == 0:
            break
        shown.append(_Line(line.name, line.words[:left]))
        left -= len(shown[-1].words)
    return shown


def _some_words(lines: list[_Line], chance: float, random: np.random.Generator) -> list[_Line]:
    protected = _protected([word for line in lines for word in line.words])
    kept = iter(_kept(protected, chance, random))
    return [_Line(line.name, [word for word in line.words if next(kept)]) for line in lines]


def _kept(protected: NDArray[np.bool_], chance: float, random: np.random.Generator) -> list[bool]:
    """What stays: all that is protected, the rest by chance, and never nothing."""
    kept = protected | (random.random(len(protected)) >= chance)
    if not kept.any():
        kept[random.integers(len(kept))] = True
    stays: list[bool] = kept.tolist()
    return stays


def _protected(words: Sequence[str]) -> NDArray[np.bool_]:
    """Where a word is a number, a size, a negation, or what a negation is about."""
    stripped = (word.strip() for word in words)
    # Remembering saves most of the time, but not of words so long that they hardly come again.
    kinds = [(_known_kind if len(word) <= 40 else _kind)(word) for word in stripped]
    measures, negates = np.array(kinds, dtype=np.bool_).T
    protected: NDArray[np.bool_] = measures | negates
    protected[1:] |= negates[:-1]
    return protected


def _kind(word: str) -> tuple[bool, bool]:
    """Whether a word is a number or a size, and whether it is a negation."""
    measures = any(map(str.isnumeric, word)) or _SIZE.search(word) is not None
    return measures, _NEGATION.search(word) is not None


_known_kind = lru_cache(maxsize=16_384)(_kind)

"""Writes title and description of one product, and with them the TEXT latent."""

import re
from dataclasses import dataclass

import numpy as np

from recipe import phrases, phrases_other
from recipe.phrases_more import MORE_DESIRE, MORE_QUALITY

CHOICE = re.compile(r"\[([^\[\]]*)\]")
LANGUAGES = ("en", "de", "fr", "zh", "ar")
LANGUAGE_ODDS = (0.94, 0.02, 0.02, 0.01, 0.01)
TWISTED = {text for level in phrases.LEVELS for text in MORE_QUALITY[level] + MORE_DESIRE[level]}
RARE = 0.25  # how often a twisted cue is used for one use of a plain one
CUE_SPREAD = 0.45  # how far two cues of one product may disagree, in levels


@dataclass(frozen=True)
class Words:
    """The text of one product; `score` is the mean level of its cues, -2 to 2."""

    title: str
    description: str
    language: str
    score: float


def pick(rng: np.random.Generator, choices: list[str]) -> str:
    """Return one of the choices, all equally likely."""
    return choices[int(rng.integers(len(choices)))]


def expand(rng: np.random.Generator, template: str, *, fabric: str = "") -> str:
    """Return a sentence: fabric filled in, one word of every [one|two] chosen.

    Example:
        >>> expand(np.random.default_rng(0), "[So|So] soft {fabric}.", fabric="wool")
        'So soft wool.'
    """
    text = template.replace("{fabric}", fabric)
    text = CHOICE.sub(lambda found: pick(rng, found.group(1).split("|")), text)
    return text[:1].upper() + text[1:]


def cue_levels(rng: np.random.Generator) -> list[int]:
    """Return the levels, -2 to 2, of one to three cues that roughly agree."""
    appeal = rng.normal(0, 1.25)
    count = int(rng.choice([1, 2, 3], p=[0.15, 0.6, 0.25]))
    drawn = appeal + rng.normal(0, CUE_SPREAD, count)
    return [int(level) for level in np.clip(np.round(drawn), -2, 2)]


def group_of(family: str) -> str:
    """Return which fabrics a family is made of."""
    return family if family in phrases.FABRICS else "clothes"


def cue(rng: np.random.Generator, level: int, *, family: str, pools: dict[int, list[str]]) -> str:
    """Return one English sentence that tells `level` in words, and take it out of `pools`."""
    pool = pools[level]
    odds = np.array([RARE if template in TWISTED else 1.0 for template in pool])
    template = pool.pop(int(rng.choice(len(pool), p=odds / odds.sum())))
    return expand(rng, template, fabric=phrases.FABRICS[group_of(family)][level])


def write_english(rng: np.random.Generator, family: str, levels: list[int]) -> tuple[str, str]:
    """Return title and description in English, two to four sentences."""
    pools = [
        {level: phrases.QUALITY[level] + MORE_QUALITY[level] for level in phrases.LEVELS},
        {level: phrases.DESIRE[level] + MORE_DESIRE[level] for level in phrases.LEVELS},
    ]
    first = int(rng.integers(2))  # whether quality or trend is told first
    cues = [
        cue(rng, level, family=family, pools=pools[(i + first) % 2])
        for i, level in enumerate(levels)
    ]
    kinds = (phrases.STORY, phrases.OCCASION, phrases.FIT, phrases.CARE)
    room = 4 - len(cues)
    count = int(rng.integers(1, min(room, 2) + 1))
    order = rng.choice(len(kinds), count, replace=False, p=[0.3, 0.35, 0.15, 0.2])
    neutral = [expand(rng, pick(rng, kinds[int(k)])) for k in order]
    sentences = cues + neutral
    if rng.random() < 0.6:
        sentences = [neutral[0], *cues, *neutral[1:]]
    if rng.random() < 0.04:
        sentences.append(pick(rng, phrases.EMOJI))
    title = f"{pick(rng, phrases.NAMES)} {pick(rng, phrases.NOUNS[family])}"
    return title, " ".join(sentences)


def write_foreign(
    rng: np.random.Generator, family: str, levels: list[int], *, language: str
) -> tuple[str, str]:
    """Return title and description in German, French, Chinese or Arabic."""
    cues = [pick(rng, phrases_other.CUES[language][level]) for level in levels]
    sentences = [*cues, pick(rng, phrases_other.NEUTRAL[language])]
    title = f"{pick(rng, phrases.NAMES)} {phrases_other.NOUNS[language][family]}"
    return title, ("" if language == "zh" else " ").join(sentences)


def write(rng: np.random.Generator, *, family: str) -> Words:
    """Return the words of one product of `family` and what they tell of its appeal."""
    language = str(rng.choice(LANGUAGES, p=LANGUAGE_ODDS))
    levels = cue_levels(rng)
    if language == "en":
        title, description = write_english(rng, family, levels)
    else:
        title, description = write_foreign(rng, family, levels, language=language)
    return Words(title, description, language, float(np.mean(levels)))

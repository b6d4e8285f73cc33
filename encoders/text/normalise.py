"""The one text normalisation of every text encoder, and its limits."""

import re
import unicodedata

_PIECE = re.compile(r"(\s*)(\S{1,1000})")


def normalise_text(text: str, *, max_characters: int) -> str:
    r"""The text as encoders see it: composed (NFC), trimmed, every run of white space one space.

    Why: equal-looking titles get equal embeddings and are stored once. Case, accents and
    punctuation stay, because checkpoints decide about them. A run of more than 1,000 characters
    without white space is composed in pieces of 1,000, so that hostile runs of combining marks
    cost linear time. Reading stops after `max_characters`, so a 10 MB text costs no more than a
    page.

    Args:
        text: Raw text.
        max_characters: Number (>= 1) of characters that are kept.

    Raises:
        ValueError: If the text holds a NUL character or a lone surrogate.

    Example:
        >>> normalise_text("  A red\n dress ", max_characters=100)
        'A red dress'
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a string or None, got {type(text).__name__}.")
    _refuse_broken(text)
    if len(text) <= 1000:
        return " ".join(unicodedata.normalize("NFC", text).split())[:max_characters].rstrip()
    pieces: list[str] = []
    length = 0
    for match in _PIECE.finditer(text):
        gap = " " if match[1] and pieces else ""
        pieces.append(gap + unicodedata.normalize("NFC", match[2]))
        length += len(pieces[-1])
        if length >= max_characters:
            break
    return "".join(pieces)[:max_characters].rstrip()


def _refuse_broken(text: str) -> None:
    if (position := text.find("\0")) >= 0:
        raise ValueError(
            f"text must be free of NUL characters, got one at position {position}. Remove it."
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"text must be valid Unicode, got a lone surrogate at position {error.start}. "
            "Read the file with its true encoding."
        ) from None

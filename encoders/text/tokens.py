"""Texts to the token numbers of a checkpoint, and long texts to chunks of so many tokens."""

from collections.abc import Sequence
from typing import Any

MAX_CHUNKS = 16
"""Chunks read of one text with `long_text="chunks"`; what lies behind them is cut."""


class Tokens:
    """Cuts texts into tokens; threads may share it.

    Why not by calling the tokenizer of transformers: each call says anew whether texts are cut,
    and where, which another thread's call would see.

    Args:
        tokenizer: The fast tokenizer of a checkpoint, which belongs to this object from now on.
        prompt: What stands before each text.
        max_length: Tokens read of one part, special ones included.
        in_chunks: Long texts are to be read in chunks.

    Raises:
        ValueError: If special tokens and the prompt leave no room for a text.
    """

    def __init__(self, tokenizer: Any, *, prompt: str, max_length: int, in_chunks: bool) -> None:
        self.prompt = prompt
        self._cutting = tokenizer.backend_tokenizer
        self._cutting.no_padding()
        self._cutting.no_truncation()
        self._cutting.encode_special_tokens = tokenizer.split_special_tokens
        self.room = self._checked_room(max_length)
        self._whole = type(self._cutting).from_str(self._cutting.to_str()) if in_chunks else None
        self._cutting.enable_truncation(max_length, direction=tokenizer.truncation_side)

    def _checked_room(self, max_length: int) -> int:
        """Tokens of one text that are read beside special ones and the prompt."""
        special = self._cutting.num_special_tokens_to_add(False)
        taken = special + len(self._cutting.encode(self.prompt, add_special_tokens=False).ids)
        if taken >= max_length:
            raise ValueError(
                f"max_length must be over {taken}, which special tokens and the checkpoint's "
                f"prompt {self.prompt!r} take, got {max_length}."
            )
        return int(max_length - taken)

    def numbers(self, texts: Sequence[str]) -> tuple[list[list[int]], list[bool]]:
        """Token numbers of each text, special ones included, and whether its end was cut."""
        if not texts:
            return [], []
        encoded = self._cutting.encode_batch([self.prompt + text for text in texts])
        return [each.ids for each in encoded], [bool(each.overflowing) for each in encoded]

    def chunks(self, text: str) -> list[str]:
        """A text in chunks of whole words that fit into the room, at most 16; the rest is cut."""
        if self._whole is None or len(text.encode()) <= self.room:  # a token covers a byte or more
            return [text]
        encoded = self._whole.encode(text, add_special_tokens=False)
        spans, words = encoded.offsets, encoded.word_ids
        chunks: list[str] = []
        start = 0
        while start < len(spans) and len(chunks) < MAX_CHUNKS:
            stop = _word_boundary(words, start=start, stop=min(start + self.room, len(spans)))
            chunks.append(text[spans[start][0] : spans[stop - 1][1]])
            start = stop
        return chunks or [text]


def _word_boundary(words: Sequence[int | None], *, start: int, stop: int) -> int:
    """The last position in (start, stop] where a word ends; `stop` if one word fills it all."""
    for position in range(stop, start, -1):
        if position == len(words) or words[position] != words[position - 1]:
            return position
    return stop

"""A ledger that is read: every line and every file of answers is checked against the chain.

```
LEDGER/ledger.jsonl             one line an entry, the oldest first, see `entries`
LEDGER/answers/000001.parquet   the answers of entry 1, and so on
```

What a stopped writer left is told apart from what somebody changed: a last line that breaks off,
and one file of answers behind the last entry, are left over; everything else is a fault.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from fusion.errors import LedgerError
from fusion.forecasting.ledger.entries import (
    NOTHING_BEFORE,
    SealedEntry,
    answers_name,
    parse_line,
)
from fusion.system.files import read_regular_file
from fusion.system.words import number_of

LEDGER, ANSWERS = "ledger.jsonl", "answers"
UNFINISHED = "unfinished-"
"""How the name begins of a file of answers that no entry was written for."""
MOST_BYTES = 2**30
MOST_TOLD = 5
HASH = re.compile("[0-9a-fA-F]{64}")
RESTORE = "Restore the folder from a copy of it that nobody changed."


@dataclass(frozen=True)
class Ledger:
    """A ledger whose chain holds, and what a stopped writer left in it.

    Args:
        folder: Its place.
        entries: The oldest first.
        torn: Bytes of a last line that breaks off; they are no entry.
        is_open: Whether the last entry lacks the end of its line alone.
        left: Files of answers that no entry names.
    """

    folder: Path
    entries: tuple[SealedEntry, ...] = ()
    torn: bytes = b""
    is_open: bool = False
    left: tuple[Path, ...] = ()

    @property
    def last_hash(self) -> str:
        """Hash of the last entry, which stands for all before it; 64 zeros where there is none."""
        return self.entries[-1].sha256 if self.entries else NOTHING_BEFORE

    @property
    def notes(self) -> list[str]:
        """What a stopped writer left, a sentence each."""
        said = []
        if self.torn:
            said.append(
                f"{self.folder / LEDGER} ends in {len(self.torn)} bytes of a line that breaks off: "
                "the run that wrote it was stopped, or the line was cut. It counts as no entry."
            )
        if self.is_open:
            said.append(f"{self.folder / LEDGER} lacks the end of its last line, which is whole.")
        said += [
            f"{path} belongs to no entry: the run that wrote it was stopped, or its entry was "
            "taken out."
            for path in self.left
        ]
        return said


def read_ledger(folder: Path) -> Ledger:
    """The entries of a ledger, once all lines and files of answers are as they were written.

    Args:
        folder: Its place; one that is absent or empty is a ledger without entries.

    Raises:
        LedgerError: With the entries that are not, and what differs.
    """
    lines, rest = _lines(folder)
    faults: list[str] = []
    entries: list[SealedEntry] = []
    before = NOTHING_BEFORE
    for number, line in enumerate(lines, start=1):
        try:
            found = parse_line(line)
        except ValueError as error:
            faults.append(f"line {number} of {LEDGER} {error}: it is not what was sealed")
            before = ""  # nobody knows what its hash was
            continue
        faults += _place_faults(found, number, before)
        before = found.sha256
        entries.append(found)
    if rest and not faults:
        last = _whole(rest)
        if last is not None:
            faults += _place_faults(last, len(lines) + 1, before)
            entries.append(last)
        elif not _is_torn(rest):
            faults.append(f"line {len(lines) + 1} of {LEDGER} has no end, and is no entry cut off")
    faults += [told for one in entries if (told := _answers_fault(folder, one))]
    left = _left(folder, entries)
    if not faults:
        faults += _strange_faults(left, entries)
    _refuse(folder, faults)
    is_open = len(entries) > len(lines)
    return Ledger(folder, tuple(entries), b"" if is_open else rest, is_open, left)


def answers_of(ledger: Ledger, sealed: SealedEntry) -> bytes:
    """The bytes of the answers of an entry, checked again as they are read.

    Raises:
        LedgerError: If they have changed since the ledger was read.
    """
    try:
        return _checked_answers(ledger.folder, sealed)
    except (OSError, ValueError) as error:
        _refuse(ledger.folder, [_told(sealed, error)])
        raise


def check_noted(ledger: Ledger, noted: str) -> int:
    """Number of the entry with a hash that somebody noted elsewhere.

    Raises:
        LedgerError: If none has it: entries were written anew, or this is another ledger.
    """
    if not HASH.fullmatch(noted.strip()):
        raise LedgerError(
            f"the noted hash must be 64 characters of 0 to 9 and a to f, got "
            f"{noted.strip()[:64]!r}. Give the whole hash as it was printed."
        )
    found = [one.entry.number for one in ledger.entries if one.sha256 == noted.strip().lower()]
    if not found:
        raise LedgerError(
            f"{ledger.folder} must hold an entry with the noted hash, got none with "
            f"{noted.strip()[:64]} among {len(ledger.entries)}: entries were taken out or written "
            f"anew since, or it is the hash of another ledger. {RESTORE}"
        )
    return found[0]


def _lines(folder: Path) -> tuple[list[bytes], bytes]:
    """Lines that have an end, and what is behind the last of them."""
    path = folder / LEDGER
    if not path.exists():
        return [], b""
    try:
        *lines, rest = read_regular_file(path, max_bytes=MOST_BYTES).split(b"\n")
    except (OSError, ValueError) as error:
        raise LedgerError(f"{path} cannot be read: {error}. {RESTORE}") from error
    return lines, rest


def _place_faults(found: SealedEntry, number: int, before: str) -> list[str]:
    """Why an entry that is whole does not stand where it should."""
    entry = found.entry
    if entry.number != number:
        return [f"line {number} of {LEDGER} must be entry {number}, got entry {entry.number}"]
    if before and entry.before != before:
        return [
            f"entry {number} must follow one with the hash {entry.before[:12]}..., got "
            f"{before[:12]}...: an entry before it was written anew"
        ]
    return []


def _whole(rest: bytes) -> SealedEntry | None:
    """The entry of a last line that lacks its end alone."""
    try:
        return parse_line(rest)
    except ValueError:
        return None


def _is_torn(rest: bytes) -> bool:
    """Whether a last line without end is an entry that breaks off.

    One that goes on behind a whole entry is none: its end was changed.
    """
    begin = b'{"sha256": "'
    return rest[: len(begin)] == begin[: len(rest)] and _whole(rest[:-1]) is None


def _answers_fault(folder: Path, sealed: SealedEntry) -> str:
    """What is wrong with the answers of an entry; empty where nothing is."""
    try:
        _checked_answers(folder, sealed)
    except (OSError, ValueError) as error:
        return _told(sealed, error)
    return ""


def _told(sealed: SealedEntry, error: Exception) -> str:
    entry = sealed.entry
    reason = getattr(error, "strerror", None) or str(error)
    return f"{ANSWERS}/{entry.file} of entry {entry.number} (as of {entry.run.as_of}): {reason}"


def _checked_answers(folder: Path, sealed: SealedEntry) -> bytes:
    stated = sealed.entry.answers
    content = read_regular_file(folder / ANSWERS / sealed.entry.file, max_bytes=stated.size_bytes)
    if hashlib.sha256(content).hexdigest() != stated.sha256:
        raise ValueError("must hold the bytes that were sealed, got others")
    return content


def _left(folder: Path, entries: list[SealedEntry]) -> tuple[Path, ...]:
    """Files of answers that no entry names."""
    own = {one.entry.file for one in entries}
    return tuple(
        path
        for path in sorted((folder / ANSWERS).glob("*"))
        if path.name not in own and not path.name.startswith((".", UNFINISHED))
    )


def _strange_faults(left: tuple[Path, ...], entries: list[SealedEntry]) -> list[str]:
    """What no stopped writer leaves: it writes the answers of the next entry alone."""
    strange = [path.name for path in left if path.name != answers_name(len(entries) + 1)]
    told = ", ".join(strange[:MOST_TOLD])
    return [f"{ANSWERS} holds {told}, which no entry names: entries were taken out"] * bool(told)


def _refuse(folder: Path, faults: list[str]) -> None:
    if faults:
        more = f"\n  ... and {len(faults) - MOST_TOLD} more" if len(faults) > MOST_TOLD else ""
        lines = "".join(f"\n  - {told}." for told in faults[:MOST_TOLD])
        raise LedgerError(
            f"{folder} must be as it was sealed, got {number_of(len(faults), 'difference')}:{lines}"
            f"{more}\n{RESTORE}"
        )

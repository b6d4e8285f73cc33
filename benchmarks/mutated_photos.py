"""What becomes of damaged photos: decoded, refused by name, or worse; in processes that may die."""

import os
import resource
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from typing import Any

from benchmarks.photo_mutations import mutated_photo, originals
from encoders.image.photo import PhotoError, load_photo
from encoders.image.photo_pixels import Preprocessing, resize_and_crop

PIECE = 5_000  # photos that a process decodes before the next one takes over
SMALL = Preprocessing(resize=36, crop=32)


@dataclass
class Tally:
    """What came out of some photos.

    Args:
        counts: `decoded`, code of a refusal, or what else ended the decoding -> number of photos.
        others: Number of a photo -> what ended its decoding, if it was no refusal.
        peak_mb: Memory of a process above what it had with all originals decoded.
        slowest_s: Longest time that one photo took.
    """

    counts: Counter[str] = field(default_factory=Counter)
    others: dict[int, str] = field(default_factory=dict)
    peak_mb: float = 0.0
    slowest_s: float = 0.0

    def add(self, other: "Tally") -> None:
        """Takes in what another process found."""
        self.counts.update(other.counts)
        self.others |= other.others
        self.peak_mb = max(self.peak_mb, other.peak_mb)
        self.slowest_s = max(self.slowest_s, other.slowest_s)


def outcome_of(content: bytes) -> str:
    """`decoded`, the code of the refusal, or the type of any other error."""
    try:
        photo = load_photo(content)
        resize_and_crop(photo, SMALL)
    except PhotoError as error:
        return f"refused: {error.code}"
    except Exception as error:
        return f"other: {type(error).__name__}: {error}"
    return "decoded" if photo.image.mode == "RGB" else f"other: mode {photo.image.mode}"


def memory_mb() -> float:
    """Most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def decode_piece(first: int, last: int, at: "Synchronized[int]", pipe: Connection) -> None:
    """Decodes the photos of some numbers, each named before, and sends a tally."""
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff tells the terminal of every fault
    for content in originals():
        outcome_of(content)
    before = memory_mb()
    tally = Tally()
    for seed in range(first, last):
        at.value = seed
        content = mutated_photo(seed)
        start = time.perf_counter()
        outcome = outcome_of(content)
        tally.slowest_s = max(tally.slowest_s, time.perf_counter() - start)
        tally.counts[outcome] += 1
        if outcome.startswith("other"):
            tally.others[seed] = outcome
    tally.peak_mb = memory_mb() - before
    pipe.send(tally)


def run_piece(first: int, last: int, context: Any) -> Tally:
    """A tally of some photos; where one ends the process, it is counted and left out."""
    tally = Tally()
    pieces = [(first, last)]
    while pieces:
        start, stop = pieces.pop()
        found, at = try_piece(start, stop, context)
        if isinstance(found, Tally):
            tally.add(found)
            continue
        ended = f"other: process ended with {found}"
        tally.add(Tally(Counter({ended: 1}), {at: ended}))
        pieces += [piece for piece in ((at + 1, stop), (start, at)) if piece[0] < piece[1]]
    return tally


def try_piece(first: int, last: int, context: Any) -> tuple[Tally | int, int]:
    """A tally, or the exit code of the process and the number of the photo that ended it."""
    at = context.Value("q", -1)
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=decode_piece, args=(first, last, at, theirs))
    process.start()
    theirs.close()
    try:
        found: Tally = mine.recv()
    except EOFError:
        process.join()
        if at.value < first:
            raise SystemExit("the process ended before it decoded a damaged photo") from None
        return int(process.exitcode), int(at.value)
    process.join()
    return found, last

"""The directories of a TIFF or an EXIF block: their entries, read by hand and never in full.

Source: Adobe (1992), "TIFF revision 6.0", section 2.
"""

import struct
from dataclasses import dataclass

from encoders.image.photo_file import PhotoError
from encoders.image.photo_sizes import too_many_parts

MAX_VALUES = 100_000
"""Numbers of one entry: a reader makes an object of each."""
SPARE_BYTES = 4_000_000
"""What the entries of a directory may hold besides as much as the file has."""
VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
VALUE_BYTES |= {16: 8, 17: 8, 18: 8}  # of BigTIFF; readers take them here too
TEXTS = (1, 2, 6, 7)
NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I"}
EXIF, GPS, INTEROP = 34665, 34853, 40965
NESTED = (EXIF, GPS, INTEROP)


@dataclass(frozen=True)
class Entry:
    """Where the values of a tag are.

    Args:
        kind: Type number of the values.
        count: How many there are.
        place: Of the first, from the begin of the file.
    """

    kind: int
    count: int
    place: int


def check_directory(content: bytes) -> list[tuple[int, Entry]]:
    """Tags and entries of the first directory.

    Why: entries that share their bytes make a small file hold gigabytes once it is read.

    Args:
        content: A TIFF file, or an EXIF block from its byte order on.

    Raises:
        PhotoError: "corrupt" if entries share bytes, "too_many_parts" if one has more than 100,000
            numbers. A directory that ends early is no error here.
    """
    if len(content) < 8:
        return []
    return entries_at(content, struct.unpack_from(f"{byte_order(content)}I", content, 4)[0])


def check_whole_directory(content: bytes) -> dict[int, Entry]:
    """Entries of the first directory by tag; those of the directories nested in it are checked.

    Raises:
        PhotoError: As `check_directory`, and "corrupt" if a tag occurs twice: readers disagree
            about the one that counts.
    """
    return once(content, check_directory(content), depth=0)


def once(content: bytes, pairs: list[tuple[int, Entry]], *, depth: int) -> dict[int, Entry]:
    """Entries by tag; EXIF, GPS and interoperability in them are followed, as readers do."""
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise corrupt("each tag once", "one that occurs again")
    for tag in NESTED:
        if depth < len(NESTED):
            for place in numbers(content, entries.get(tag), most=1):
                once(content, entries_at(content, place), depth=depth + 1)
    return entries


def byte_order(content: bytes) -> str:
    """As `struct` writes it."""
    return ">" if content.startswith(b"MM") else "<"


def entries_at(content: bytes, start: int) -> list[tuple[int, Entry]]:
    """Entries of one directory; what lies outside of the file is left out, as readers do."""
    order, size = byte_order(content), len(content)
    if start + 2 > size:
        return []
    (n_entries,) = struct.unpack_from(f"{order}H", content, start)
    n_entries = min(n_entries, (size - start - 2) // 12)
    found, n_bytes = [], 0
    for here in range(start + 2, start + 2 + 12 * n_entries, 12):
        tag, kind, count, place = struct.unpack_from(f"{order}HHII", content, here)
        needed = VALUE_BYTES.get(kind, 0) * count
        place = place if needed > 4 else here + 8
        n_bytes += max(0, min(needed, size - place))
        if n_bytes > size + SPARE_BYTES:
            raise corrupt("tags that do not share their bytes", f"tag {tag} with bytes of others")
        if needed == 0 or place + needed > size:
            continue
        if count > MAX_VALUES and kind not in TEXTS:
            raise too_many_parts(f"at most {MAX_VALUES:,} numbers in a tag", f"{count:,} in {tag}")
        found.append((tag, Entry(kind, count, place)))
    return found


def numbers(content: bytes, entry: Entry | None, *, most: int = MAX_VALUES) -> tuple[int, ...]:
    """The first whole numbers of an entry; none without one."""
    if entry is None:
        return ()
    if entry.kind not in NUMBERS:
        raise corrupt("sizes and places in whole numbers", f"type {entry.kind}")
    form = f"{byte_order(content)}{min(entry.count, most)}{NUMBERS[entry.kind]}"
    return struct.unpack_from(form, content, entry.place)


def corrupt(rule: str, got: str) -> PhotoError:
    """The error for a directory that no program writes."""
    return PhotoError("corrupt", f"a photo must have {rule}, got {got}. Save it again.")

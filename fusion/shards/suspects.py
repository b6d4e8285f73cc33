"""Finding the row that ends a worker: each row is named on disk before it is touched alone.

Why not bisect: a bisection restarts the worker for every half, and again for every further bad row.
A name on disk outlives any death, so one death finds one row, whatever engine runs the shard.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fusion.errors import JobError
from fusion.files import write_atomically

ENDS_TO_BLAME = 2  # once may be chance: another program took the memory, or an operator the process
MOST_BLAMED = 20


@dataclass
class Suspects:
    """What is known of the rows of one shard that ended a worker.

    Args:
        blamed: Position in the shard -> how it ended the worker.
        row: The row being touched alone; -1 if none.
        ends: How often the worker ended at that row.
    """

    blamed: dict[int, str] = field(default_factory=dict)
    row: int = -1
    ends: int = 0

    @classmethod
    def read(cls, path: Path) -> "Suspects":
        """What is on disk; nothing where there is no file or a half-written one."""
        try:
            document = json.loads(path.read_bytes())
            blamed = {int(row): how for row, how in document["blamed"].items()}
            return cls(blamed, int(document["row"]), int(document["ends"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return cls()

    def write(self, path: Path) -> None:
        """Names the row at hand; a plain write, as it must outlive the process, not the machine."""
        path.write_bytes(json.dumps(asdict(self)).encode())


def suspects_path(folder: Path, shard: int) -> Path:
    """Where the suspects of a shard lie."""
    return folder / "suspects" / f"{shard:06}.json"


def note_end(path: Path, how: str) -> None:
    """After a worker ended (`died` or `hung`): blames the row that it had in hand twice.

    Raises:
        JobError: If so many rows of one shard end workers that something else must be wrong.
    """
    known = Suspects.read(path)
    if known.row < 0:
        return
    known.ends += 1
    if known.ends >= ENDS_TO_BLAME:
        known.blamed[known.row] = how
        known.row, known.ends = -1, 0
    if len(known.blamed) > MOST_BLAMED:
        raise JobError(
            f"more than {MOST_BLAMED} rows of one shard ended the worker. Look at its memory "
            "limit and at the photos; then run the same command again."
        )
    write_atomically(path, json.dumps(asdict(known)).encode())


def touch_alone(path: Path, rows: Iterable[int], touch: Callable[[int], None]) -> None:
    """Touches one row after the other, each named on disk first; rows that raise are blamed.

    Args:
        path: File of the suspects.
        rows: Positions in the shard.
        touch: Does everything with one row that could end the process.
    """
    known = Suspects.read(path)
    first, ends = known.row, known.ends
    for row in rows:
        if row in known.blamed or row < first:
            continue
        known.row, known.ends = row, ends if row == first else 0
        known.write(path)
        try:
            touch(row)
        except Exception as error:  # whatever a decoder or model raises is this row's fault
            known.blamed[row] = f"{type(error).__name__}: {error}"
    known.row, known.ends = -1, 0
    write_atomically(path, json.dumps(asdict(known)).encode())

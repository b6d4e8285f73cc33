"""Finding the row that ends a worker: each row is named on disk before it is touched alone.

Why not bisect: a bisection restarts the worker for every half, and again for every further bad row.
A name on disk outlives any death, so one death finds one row, whatever engine runs the shard.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field, with_config

from fusion.system.documents import EXACT, Count, Text, Whole, read_document, sealed
from fusion.system.files import named_errors, write_atomically

ENDS_TO_BLAME = 2  # once may be chance: another program took the memory, or an operator the process
MOST_BLAMED = 20
MOST_TOLD = 2_000  # characters of an error: 21 of them, escaped in JSON, are still read back

Blamed = Annotated[dict[Annotated[int, Field(ge=0)], Text], Field(max_length=MOST_BLAMED + 1)]


@with_config(EXACT)
@dataclass
class PoisonRows:
    """What is known of the rows of one shard that ended a worker.

    Args:
        blamed: Position in the shard -> how it ended the worker.
        row: The row being touched alone; -1 if none.
        ends: How often the worker ended at that row.
    """

    blamed: Blamed = field(default_factory=dict)
    row: Annotated[Whole, Field(ge=-1)] = -1
    ends: Count = 0

    @classmethod
    def read(cls, path: Path) -> "PoisonRows":
        """What is on disk; nothing where there is no file, or a half-written or damaged one.

        Raises:
            OSError: If the disk fails.
        """
        try:
            return read_document(path, cls)
        except (FileNotFoundError, ValueError):
            return cls()

    def blame(self, row: int, how: str) -> None:
        """Notes how a row ended the worker, in words that any reader takes."""
        self.blamed[row] = how[:MOST_TOLD].encode(errors="replace").decode()

    def to_bytes(self) -> bytes:
        """The content of the file."""
        return sealed(json.dumps(asdict(self)).encode())

    def write(self, path: Path) -> None:
        """Names the row at hand; a plain write, as it must outlive the process, not the machine."""
        with named_errors(path):
            path.write_bytes(self.to_bytes())


def too_many_blamed(blamed: Mapping[int, str]) -> str:
    """Why a shard is given up instead of its rows; empty if there is no such reason.

    Where so many rows end their worker or raise, something else must be wrong: a memory limit, a
    broken GPU. To call all of them faulty would lose them silently.
    """
    if len(blamed) <= MOST_BLAMED:
        return ""
    return (
        f"more than {MOST_BLAMED} rows end the worker or raise, one says: "
        f"{list(blamed.values())[-1]}. Look at the memory limit, the GPU and the photos; "
        "then run the same command again"
    )


def poison_rows_path(folder: Path, shard: int) -> Path:
    """Where the poison rows of a shard lie."""
    return folder / "poison_rows" / f"{shard:06}.json"


def note_end(path: Path, how: str) -> None:
    """After a worker ended (`died` or `hung`): blames the row that it had in hand twice."""
    known = PoisonRows.read(path)
    if known.row < 0:
        return
    known.ends += 1
    if known.ends >= ENDS_TO_BLAME:
        known.blame(known.row, how)
        known.row, known.ends = -1, 0
    write_atomically(path, known.to_bytes())


def touch_alone(path: Path, rows: Iterable[int], touch: Callable[[int], None]) -> None:
    """Touches one row after the other, each named on disk first; rows that raise are blamed.

    Args:
        path: File of the poison rows.
        rows: Positions in the shard.
        touch: Does everything with one row that could end the process.

    Raises:
        OSError: If the machine is at fault (no file handles left), which is no row's doing.
        RuntimeError: If so many rows raise that something else must be wrong.
    """
    known = PoisonRows.read(path)
    first, ends = known.row, known.ends
    for row in rows:
        if row in known.blamed or row < first:
            continue
        known.row, known.ends = row, ends if row == first else 0
        known.write(path)
        try:
            touch(row)
        except OSError:
            raise
        except Exception as error:  # whatever a decoder or model raises is this row's fault
            known.blame(row, f"{type(error).__name__}: {error}")
            if reason := too_many_blamed(known.blamed):
                write_atomically(path, known.to_bytes())
                raise RuntimeError(reason) from error
    known.row, known.ends = -1, 0
    write_atomically(path, known.to_bytes())

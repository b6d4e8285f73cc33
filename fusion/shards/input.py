"""Whether the tables at hand are still those that a job was planned with."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fusion.errors import CatalogueError
from fusion.shards.digests import add_range, open_table
from fusion.shards.plan import Plan, file_name
from fusion.shards.shard import InputFile, Shard, rows_of
from fusion.shards.tables import input_digests, list_files

READ_THREADS = 8


@dataclass(frozen=True)
class InputChange:
    """How one file differs from the one that the job was planned with.

    Args:
        name: Name below the items folder.
        how: `gone`, `new` or `other content`.
        shards: Those of its shards that were compared and would be others now.
    """

    name: str
    how: str
    shards: tuple[Shard, ...] = ()

    def __str__(self) -> str:
        """The change in words."""
        where = f" in {rows_of(self.shards)}" if self.shards else ""
        return f"input file {self.name}: {self.how}{where}"


def input_changes(items: Path, plan: Plan, shards: Iterable[Shard]) -> list[InputChange]:
    """What differs between the tables at hand and those of a plan.

    Names, sizes and headers of all files are compared, and the bytes of the given shards. Change
    times say nothing here: equal ones do not make equal bytes.

    Args:
        items: Where the tables lie now.
        plan: What they were.
        shards: Shards whose bytes are read and compared.

    Raises:
        CatalogueError: If there is no table.
        OSError: If one cannot be read.
    """
    paths = {file_name(path, items): path for path in list_files(items)}
    names = {file.name for file in plan.files}
    of_file = defaultdict(list)
    for shard in shards:
        of_file[shard.file].append(shard)

    def compared(place: int) -> InputChange | None:
        file = plan.files[place]
        return _change(paths[file.name], file, of_file[place], columns=plan.columns)

    there = [place for place, file in enumerate(plan.files) if file.name in paths]
    with ThreadPoolExecutor(READ_THREADS) as pool:
        changed = [change for change in pool.map(compared, there) if change is not None]
    gone = [InputChange(file.name, "gone") for file in plan.files if file.name not in paths]
    new = [InputChange(name, "new") for name in paths if name not in names]
    return [*gone, *new, *changed]


def _change(
    path: Path, file: InputFile, shards: list[Shard], *, columns: Sequence[str]
) -> InputChange | None:
    header, *found = input_digests(path, shards, file=file, columns=columns)
    pairs = zip(shards, found, strict=True)
    changed = tuple(shard for shard, sha256 in pairs if sha256 != shard.sha256)
    is_same = path.stat().st_size == file.size and header == file.header_sha256
    return None if is_same and not changed else InputChange(file.name, "other content", changed)


def input_state(items: Path) -> dict[str, tuple[int, int, int]]:
    """Size, change time and inode of each table: a quick sign that one was touched meanwhile.

    Never written: tables may be moved and copied between two runs.
    """
    stats = {str(path): path.stat() for path in list_files(items)}
    return {name: (s.st_size, s.st_mtime_ns, s.st_ino) for name, s in stats.items()}


def table_sha256(table: Path) -> str:
    """What a table of any kind is known by: the SHA-256 of its bytes, or of those of its files.

    Raises:
        CatalogueError: If there is none.
    """
    files = list_files(table) if table.is_dir() else [table]
    if not all(path.is_file() for path in files):
        raise CatalogueError(f"{table} must be a file, got none. Check the name and the folder.")
    digests = [_file_sha256(path) for path in files]
    return digests[0] if table.is_file() else hashlib.sha256("".join(digests).encode()).hexdigest()


def _file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open_table(path) as file:
        add_range(digest, file, 0, path.stat().st_size)
    return digest.hexdigest()

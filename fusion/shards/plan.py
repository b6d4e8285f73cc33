"""The plan of a job: what is made of which rows, cut into shards; written once, then only read.

All JSON files but the events are sealed: they begin with the SHA-256 of what follows.

```
OUT/plan.json           settings, encoders with their fingerprints, input files, shards: SHA-256 of
                        what each of them reads
OUT/repeated_ids.npy    rows whose id stood before, and the row where it did: int64 [k, 2]
OUT/input/              a copy of items that cannot be cut: JSON lines, Feather, packed tables
OUT/history.parquet     past sales of each item, of a job of predictions that was given them
OUT/paths.json          where input, photos, store and model lie now; no part of the plan
OUT/embeddings/         one Parquet file a shard; `predictions/` where these are asked for
OUT/errors/             one Parquet file a shard that has rows with an error
OUT/receipts/           one JSON file a finished shard: counts, SHA-256 of what it read and wrote
OUT/poison_rows/        what is known of rows that ended a worker
OUT/events.jsonl        what happened when, for machines
OUT/manifest.json       written last: all files of a finished job
```
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fusion.data.absent import tell_absent_columns
from fusion.data.problems import raise_for, shown
from fusion.data.schema import Schema, UnknownRoleError, missing_columns
from fusion.errors import ConfigError, JobError
from fusion.shards.ids import repeated_rows
from fusion.shards.plan_schema import (
    FORMAT,
    MAX_FILES,
    MAX_PLAN_BYTES,
    MAX_SHARDS,
    PlanDocument,
    check_cover,
    check_roles,
)
from fusion.shards.shard import InputFile, Repeats, Shard
from fusion.shards.tables import column_names, list_files, scan_file
from fusion.system.documents import parse_document, sealed
from fusion.system.files import read_regular_file, write_atomically

KIND_OF = {"embed": "embeddings", "predict": "predictions"}
"""What a job does with rows -> the folder of what comes out."""
PACKAGES = ("product-fusion", "torch", "torchvision", "transformers", "tokenizers", "pillow")


@dataclass(frozen=True)
class Plan:
    """What a job does; equal plans give equal files.

    Args:
        settings: What was asked for, JSON types.
        encoders: How to rebuild each encoder: name, configuration, fingerprint; empty if fused.
        schema: Roles of the columns.
        columns: Columns of the tables that are read.
        files: Input files, in order.
        shards: Shards, in order.
        made_with: Versions of the packages that decide an embedding.
    """

    settings: dict[str, Any]
    encoders: dict[str, dict[str, Any]]
    schema: Schema
    columns: list[str]
    files: list[InputFile]
    shards: list[Shard]
    made_with: dict[str, str]

    @property
    def kind(self) -> str:
        """Folder of the tables that come out: `embeddings` or `predictions`."""
        return KIND_OF[self.settings["work"]]

    @property
    def n_rows(self) -> int:
        """Number of rows of the whole input."""
        return sum(shard.n_rows for shard in self.shards)

    def to_json(self) -> bytes:
        """The plan as written to `plan.json`."""
        document = {
            "format": FORMAT,
            "n_rows": self.n_rows,
            "n_repeated": sum(shard.repeats.n_rows for shard in self.shards if shard.repeats),
            "settings": self.settings,
            "encoders": self.encoders,
            "schema": self.schema.to_dict(),
            "columns": self.columns,
            "made_with": self.made_with,
            "files": [asdict(file) for file in self.files],
            "shards": [shard[1:] for shard in self.shards],
        }
        return sealed(json.dumps(document, allow_nan=False).encode())

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """A plan from what `to_json` gave.

        Raises:
            ValueError: If it is damaged, or is no plan.
        """
        document = parse_document(content, PlanDocument)
        plan = cls(
            settings=document.settings,
            encoders={name: asdict(entry) for name, entry in document.encoders.items()},
            schema=Schema.from_dict(document.schema),
            columns=document.columns,
            files=document.files,
            shards=[
                Shard(number, *cut[:7], cut[7] and Repeats(*cut[7]))
                for number, cut in enumerate(document.shards)
            ],
            made_with=document.made_with,
        )
        check_cover(plan.shards, plan.files, n_rows=document.n_rows, n_repeated=document.n_repeated)
        check_roles(
            plan.schema,
            plan.columns,
            plan.files,
            encoders=plan.encoders,
            settings=plan.settings,
        )
        return plan


def cut_input(
    items: Path,
    *,
    shard_rows: int,
    columns: Sequence[str],
    id_column: str | None,
    delimiter: str | None = None,
    on_bad_rows: str = "record",
) -> tuple[list[InputFile], list[Shard], NDArray[np.int64]]:
    """Files and shards of an input, and `[k, 2]` rows whose id stood before, in one pass.

    Of tables without rows there are no shards.

    A column that a file lacks is absent in its rows where bad values are; a line tells it.

    What files and shards are known by comes from the bytes that are cut and whose ids are read.

    Raises:
        CatalogueError: If a file cannot be read or lacks a column.
    """
    paths = list_files(items)
    for path in paths:
        names = column_names(path, delimiter=delimiter)
        if on_bad_rows == "absent":
            tell_absent_columns(columns, names, id_column=id_column, source=path.name)
        else:
            raise_for(missing_columns(columns, names), source=path.name)
    files: list[InputFile] = []
    shards: list[Shard] = []
    ids = []
    row = 0
    for place, path in enumerate(paths):
        scanned = scan_file(
            path,
            shard_rows=shard_rows,
            columns=columns,
            id_column=id_column,
            delimiter=delimiter,
        )
        files.append(replace(scanned.file, name=file_name(path, items)))
        ids.append(scanned.ids)
        for n_rows, start, stop, group, sha256 in scanned.pieces:
            shards.append(Shard(len(shards), place, row, n_rows, start, stop, group, sha256))
            row += n_rows
    return files, shards, repeated_rows(np.concatenate(ids))


def file_name(path: Path, items: Path) -> str:
    """Name of a table below the items folder, or of the table that stands for it."""
    return path.name if path == items else path.relative_to(items).as_posix()


def write_plan(folder: Path, plan: Plan) -> None:
    """Writes a plan; it is there as a whole or not at all.

    Raises:
        ConfigError: If it has more shards or files than `read_plan` takes.
    """
    content = plan.to_json()
    n_shards, n_files = len(plan.shards), len(plan.files)
    if n_shards > MAX_SHARDS or n_files > MAX_FILES or len(content) > MAX_PLAN_BYTES:
        raise ConfigError(
            f"a job must have at most {MAX_SHARDS:,} shards of {MAX_FILES:,} files in a plan of "
            f"{MAX_PLAN_BYTES:,} bytes, got {n_shards:,} of {n_files:,} in {len(content):,}. Take "
            "more --shard-rows, or several jobs."
        )
    write_atomically(folder / "plan.json", content)


def has_plan(folder: Path) -> bool:
    """Whether anything lies where the plan of a job should, damaged or not."""
    return os.path.lexists(folder / "plan.json")


def read_plan(folder: Path) -> Plan:
    """The plan of a job.

    Raises:
        JobError: If there is none, it is damaged, or a modality of it is not known here.
        OSError: If the disk fails.
    """
    path = folder / "plan.json"
    try:
        return _parsed(read_regular_file(path, max_bytes=MAX_PLAN_BYTES))
    except NotADirectoryError as error:
        raise JobError(
            f"{folder} must be the output folder of a job, got a file. A job that writes one file "
            f"lies in {folder.name}.job until it is done, and leaves no folder then."
        ) from error
    except FileNotFoundError as error:
        raise JobError(
            f"{folder} must be the output folder of a job, got no plan.json. Give the folder that "
            "--out named; the job of a file x.csv lies in x.csv.job until the file is written."
        ) from error
    except UnknownRoleError as error:
        raise JobError(f"plan.json of {folder} must name roles known here: {error}") from error
    except ValueError as error:
        raise JobError(
            f"plan.json of {folder} is damaged: {error}. Put it back, or begin a new output "
            "folder; embeddings in a --store are found again."
        ) from error


@lru_cache(maxsize=2)
def _parsed(content: bytes) -> Plan:
    """A plan by the bytes of its file: of 20,000 shards, it must not be parsed for each."""
    return Plan.from_json(content)


@lru_cache
def version(package: str) -> str:
    """Version of an installed package, looked up once: each takes a millisecond."""
    return metadata.version(package)


def versions() -> dict[str, str]:
    """Versions of the packages that decide an embedding."""
    return {name: version(name) for name in PACKAGES}


def check_unchanged(plan: Plan, settings: dict[str, Any], changes: Sequence[str]) -> None:
    """Refuses to go on with another input, setting or version than a job was begun with.

    Args:
        plan: What the job was begun with.
        settings: What is asked for now.
        changes: How the input differs, in words.

    Raises:
        JobError: With everything that changed.
    """
    changed = [
        f"{name}: begun with {shown(plan.settings.get(name))}, now {shown(value)}"
        for name, value in settings.items()
        if plan.settings.get(name) != value
    ]
    changed += [
        f"version of {name}: begun with {plan.made_with.get(name)}, now {value}"
        for name, value in versions().items()
        if plan.made_with.get(name) != value
    ]
    changed += changes
    if changed:
        lines = "\n".join(f"- {line}" for line in changed)
        raise JobError(
            "this job was begun with something else, and its shards must not be mixed:\n"
            f"{lines}\nPut that back, or begin a new output folder; embeddings in a --store are "
            "found again."
        )

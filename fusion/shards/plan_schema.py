"""What `plan.json` must say, so that a damaged or crafted plan stops a job before any work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, with_config

from fusion.data.delimiters import DELIMITERS
from fusion.data.schema import Schema
from fusion.shards.shard import InputFile, Shard
from fusion.system.documents import EXACT, Count, Nested, Positive, Sha256, Text

FORMAT = 6
MAX_PLAN_BYTES = 500_000_000  # of 2,000,000 shards; each has some 200 bytes
MAX_SHARDS = 2_000_000
MAX_FILES = 200_000


@with_config(EXACT)
@dataclass(frozen=True)
class EncoderEntry:
    """How to rebuild an encoder: registry name, configuration, fingerprint."""

    name: Text
    config: Nested
    fingerprint: Text


@with_config(ConfigDict(extra="ignore"))
@dataclass(frozen=True)
class _Settings:
    """Those settings that a shard is done by; the others are only compared."""

    work: Literal["embed", "predict"]
    bundle: Sha256 | None
    on_bad_rows: Literal["raise", "record", "absent"]
    shard_rows: Positive
    delimiter: Annotated[Text, Field(min_length=1, max_length=1)] | None
    columns: dict[Text, list[Text]] = field(default_factory=dict)
    dtype: Literal["float32", "float16"] = "float32"
    normalize: bool = False
    history: Sha256 | None = None
    item: Text | None = None


_SETTINGS = TypeAdapter(_Settings)


def _checked_settings(settings: dict[str, Any]) -> dict[str, Any]:
    _SETTINGS.validate_python(settings)
    return settings


def _checked_schema(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.keys() != Schema().to_dict().keys():
        raise ValueError("must have every key")
    return schema


Repeated = tuple[Count, Positive, Sha256]
Cut = tuple[Count, Count, Positive, Count, Positive, Count | None, Sha256, Repeated | None]
"""A shard as `Shard` has it, without its number."""


@with_config(EXACT)
@dataclass(frozen=True)
class PlanDocument:
    """The content of `plan.json`."""

    format: Literal[6]
    n_rows: Positive
    n_repeated: Count
    settings: Annotated[Nested, AfterValidator(_checked_settings)]
    encoders: Annotated[dict[Text, EncoderEntry], Field(max_length=100)]
    schema: Annotated[Nested, AfterValidator(_checked_schema)]
    columns: list[Text]
    made_with: Annotated[dict[Text, Text], Field(max_length=100)]
    files: Annotated[list[InputFile], Field(max_length=MAX_FILES)]
    shards: Annotated[list[Cut], Field(max_length=MAX_SHARDS)]


def _place(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError("must be a path or a name")
    return text


Place = Annotated[Text, AfterValidator(_place)]


@with_config(EXACT)
@dataclass(frozen=True)
class DataPathsDocument:
    """The content of `paths.json`: paths on this machine, and names of checkpoints."""

    items: Place
    photos: Place | None
    store: Place | None
    bundle: Place | None
    encoders: Annotated[list[tuple[Text, Text, Place]], Field(max_length=100)]


def check_roles(
    schema: Schema,
    columns: Sequence[str],
    files: Sequence[InputFile],
    *,
    encoders: Mapping[str, object],
    settings: Mapping[str, Any],
) -> None:
    """Refuses columns that a file lacks or were not asked for, and encoders that have none.

    Raises:
        ValueError: With the first that is found.
    """
    given = settings["delimiter"]
    for file in files:
        missing = set(columns) - set(file.columns)
        if settings["on_bad_rows"] == "absent":
            missing &= {schema.id, settings.get("item")}
        if missing:
            raise ValueError(f"columns: must be those of {file.name}, got {min(missing)!r}")
        is_csv = not file.name.lower().endswith(".parquet")
        valid = ("",) if not is_csv else (given,) if given else DELIMITERS
        if file.delimiter not in valid or file.header_bytes > file.size:
            raise ValueError(f"files: must have a delimiter and a header, unlike {file.name}")
    asked = settings.get("columns", {}).get("id")
    if asked is not None and asked != ([] if schema.id is None else [schema.id]):
        raise ValueError(f"schema: must have the id column that was asked for, got {schema.id!r}")
    fuses = settings["bundle"] is not None
    if fuses == bool(encoders) or not encoders.keys() <= schema.modalities.keys():
        raise ValueError("encoders: must be those of the schema's columns, or of the bundle alone")


def check_cover(
    shards: Sequence[Shard], files: Sequence[InputFile], *, n_rows: int, n_repeated: int
) -> None:
    """Refuses shards that are not in order, or do not cover `n_rows` rows exactly.

    Raises:
        ValueError: With the first shard at fault.
    """
    if len({file.name for file in files}) < len(files):
        raise ValueError("files: must stand once each, got one twice")
    is_csv = [not file.name.lower().endswith(".parquet") for file in files]
    row, behind = 0, (-1, 0, 0)
    for shard in shards:
        place = (shard.file, shard.row_group or 0, shard.start)
        fits = (
            shard.first_row == row
            and place >= behind
            and shard.start < shard.stop
            and shard.file < len(files)
            and (shard.row_group is None) == is_csv[shard.file]
            and (shard.row_group is not None or shard.stop <= files[shard.file].size)
            and (shard.row_group is None or shard.n_rows == shard.stop - shard.start)
            and (shard.repeats is None or shard.repeats.n_rows <= shard.n_rows)
        )
        if not fits:
            raise ValueError(f"shards: must cover all rows in order, unlike shard {shard.number}")
        row, behind = row + shard.n_rows, (shard.file, shard.row_group or 0, shard.stop)
    if row != n_rows:
        raise ValueError(f"shards: must cover {n_rows} rows, got {row}")
    found = sum(shard.repeats.n_rows for shard in shards if shard.repeats)
    if found != n_repeated:
        raise ValueError(f"shards: must have {n_repeated} repeated ids, got {found}")

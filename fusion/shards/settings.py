"""What a job is asked to do, whatever it runs on."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from encoders.spelling import unknown_name
from fusion.choices.encoders import EncoderChoices
from fusion.choices.mistakes import Mistakes
from fusion.data.delimiters import checked_delimiter
from fusion.data.problems import check_policy
from fusion.errors import ConfigError
from fusion.modalities import MODALITIES
from fusion.system.files import read_regular_file

MAX_BUNDLE_BYTES = 100_000_000  # of the list of a trained model's files
VECTOR_TYPES = ("float32", "float16")
MOST_KEPT = 2  # models, and sets of encoders, in a process's memory; each may be a gigabyte
MAX_SHARD_ROWS = 2**31 - 1  # more do not fit in memory, and a plan with 2**53 is not read back


@dataclass(frozen=True)
class JobSettings:
    """What a job does, whatever it is run on.

    Args:
        encoders: Which encoder reads which modality; not used where a trained model fuses.
        columns: Columns of the role `id` and of the roles of modalities that are embedded; found in
            the first rows where not given.
        on_bad_rows: `record` (an error record), `absent` (a faulty value is absent and
            named in `warnings`) or `raise` (the job stops at the first shard with one).
        dtype: `float32`, or `float16`: half the size, about three digits.
        shard_rows: Rows of a shard (1 to 2**31 - 1): what a kill can cost.
        delimiter: What separates the cells of CSV files; found in them where None.
        normalize: Vectors are written at L2 length 1, so that inner products are cosines; one of
            zeros stays, with a warning. A store keeps them as the encoder gave them.
    """

    work: ClassVar[str] = "embed"
    doing: ClassVar[str] = "embedding"

    encoders: EncoderChoices = field(default_factory=EncoderChoices)
    columns: Mapping[str, list[str] | None] = field(default_factory=dict)
    on_bad_rows: str = "record"
    dtype: str = "float32"
    shard_rows: int = 4096
    delimiter: str | None = None
    normalize: bool = False

    def __post_init__(self) -> None:
        mistakes = Mistakes()
        add_cutting_mistakes(mistakes, self)
        if self.dtype not in VECTOR_TYPES:
            mistakes.add([unknown_name("dtype", self.dtype, VECTOR_TYPES)])
        mistakes.add(_untrained_mistake(self.encoders, name) for name in self._learned)
        valid = ["id", *self.embedded_roles]
        mistakes.add(
            unknown_name("a role of columns", role, valid)
            for role in self.columns
            if role not in valid
        )
        mistakes.refuse()

    def to_dict(self, *, bundle: Path | None) -> dict[str, Any]:
        """The settings as JSON types, a trained model by its SHA-256."""
        chosen = {f"encoder {name}": self.encoders[name].to_dict() for name in self.embedded}
        return {
            **({} if bundle else chosen),
            "bundle": None if bundle is None else bundle_sha256(bundle),
            "columns": {name: value for name, value in self.columns.items() if value is not None},
            "on_bad_rows": self.on_bad_rows,
            "dtype": self.dtype,
            "shard_rows": self.shard_rows,
            "delimiter": self.delimiter,
            "normalize": self.normalize,
        }

    @property
    def embedded(self) -> list[str]:
        """Modalities whose encoders need no training."""
        return [name for name in MODALITIES if not self.encoders[name].learns]

    @property
    def embedded_roles(self) -> list[str]:
        """Roles of columns that are embedded."""
        return [role for name in self.embedded for role in MODALITIES[name].roles]

    @property
    def _learned(self) -> list[str]:
        """Modalities for which an encoder was chosen that does need training."""
        return [name for name in self.encoders.given if self.encoders[name].learns]


def _untrained_mistake(encoders: EncoderChoices, modality: str) -> str:
    return (
        f"encoders.{modality} must be one that needs no training, got "
        f"{encoders[modality].encoder!r}, which learns from the rows of a training. Take another, "
        "or a model that was trained with it: --bundle FOLDER."
    )


class Cutting(Protocol):
    """How a table is cut into shards, and what its bad rows do."""

    @property
    def on_bad_rows(self) -> str:
        """`record`, `absent` or `raise`."""

    @property
    def shard_rows(self) -> int:
        """Rows of a shard."""

    @property
    def delimiter(self) -> str | None:
        """What separates the cells of CSV files; found in them where None."""


def add_cutting_mistakes(mistakes: Mistakes, settings: Cutting) -> None:
    """Adds what is wrong with the settings that every kind of job has."""
    with mistakes.gathered():
        check_policy(settings.on_bad_rows)
    if not 1 <= settings.shard_rows <= MAX_SHARD_ROWS:
        mistakes.add([f"shard_rows must be 1 to {MAX_SHARD_ROWS:,}, got {settings.shard_rows}."])
    if settings.delimiter is not None:
        with mistakes.gathered():
            checked_delimiter(settings.delimiter)


def check_stall(stall_s: float) -> None:
    """Refuses seconds that no worker could be measured by.

    Raises:
        ConfigError: If they are not positive and finite.
    """
    if not 0 < stall_s < math.inf:
        raise ConfigError(f"stall seconds must be positive and finite, got {stall_s}.")


def bundle_sha256(bundle: Path) -> str:
    """What a trained model is known by: SHA-256 of its list of files, which has a hash of each.

    Raises:
        ConfigError: If the folder holds none.
    """
    try:
        content = read_regular_file(bundle / "bundle.json", max_bytes=MAX_BUNDLE_BYTES)
        return hashlib.sha256(content).hexdigest()
    except (OSError, ValueError) as error:
        inner = bundle / "bundle"
        advice = "Give the folder `bundle` that a training wrote."
        if (inner / "bundle.json").is_file():
            advice = f"Did you mean {inner}?"
        raise ConfigError(
            f"bundle must be the folder of a trained model, got {bundle}. {advice}"
        ) from error

"""What a job is asked to do, whatever it runs on."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from fusion.data.delimiters import checked_delimiter
from fusion.data.problems import check_policy
from fusion.encoder_choice import EncoderChoice
from fusion.errors import ConfigError, unknown_name
from fusion.files import read_regular_file
from fusion.mistakes import Mistakes
from fusion.shards.commit import VECTOR_TYPES

MAX_BUNDLE_BYTES = 100_000_000  # of the list of a trained model's files
MAX_SHARD_ROWS = 2**31 - 1  # more do not fit in memory, and a plan with 2**53 is not read back


@dataclass(frozen=True)
class JobSettings:
    """What a job does, whatever it is run on.

    Args:
        choice: Encoders; not used where a trained model fuses.
        columns: Columns of the roles `id`, `text` and `image`; found in the first rows where not
            given.
        on_bad_rows: `record` (an error record), `absent` (a faulty text or photo is absent and
            named in `warnings`) or `raise` (the job stops at the first shard with one).
        dtype: `float32`, or `float16`: half the size, about three digits.
        shard_rows: Rows of a shard (1 to 2**31 - 1): what a kill can cost.
        delimiter: What separates the cells of CSV files; found in them where None.
        normalize: Vectors are written at L2 length 1, so that inner products are cosines; one of
            zeros stays, with a warning. A store keeps them as the encoder gave them.
    """

    choice: EncoderChoice = field(default_factory=EncoderChoice)
    columns: Mapping[str, list[str] | None] = field(default_factory=dict)
    on_bad_rows: str = "record"
    dtype: str = "float32"
    shard_rows: int = 4096
    delimiter: str | None = None
    normalize: bool = False

    def __post_init__(self) -> None:
        mistakes = Mistakes()
        with mistakes.gathered():
            check_policy(self.on_bad_rows)
        if self.dtype not in VECTOR_TYPES:
            mistakes.add([unknown_name("dtype", self.dtype, VECTOR_TYPES)])
        if not 1 <= self.shard_rows <= MAX_SHARD_ROWS:
            mistakes.add([f"shard_rows must be 1 to {MAX_SHARD_ROWS:,}, got {self.shard_rows}."])
        if self.delimiter is not None:
            with mistakes.gathered():
                checked_delimiter(self.delimiter)
        for role in self.columns:
            if role not in ("id", "text", "image"):
                mistakes.add([unknown_name("columns", role, ("id", "text", "image"))])
        mistakes.refuse()

    def to_dict(self, *, bundle: Path | None) -> dict[str, Any]:
        """The settings as JSON types, a trained model by its SHA-256."""
        choice = {f"encoder {entry.name}": _name(getattr(self.choice, entry.name))
                  for entry in fields(self.choice)}  # fmt: skip
        return {
            **({} if bundle else choice),
            "bundle": None if bundle is None else bundle_sha256(bundle),
            "columns": {name: value for name, value in self.columns.items() if value is not None},
            "on_bad_rows": self.on_bad_rows,
            "dtype": self.dtype,
            "shard_rows": self.shard_rows,
            "delimiter": self.delimiter,
            "normalize": self.normalize,
        }


def check_stall(stall_s: float) -> None:
    """Refuses seconds that no worker could be measured by.

    Raises:
        ConfigError: If they are not positive and finite.
    """
    if not 0 < stall_s < math.inf:
        raise ConfigError(f"stall seconds must be positive and finite, got {stall_s}.")


def _name(choice: Any) -> str:
    """A choice as it can be compared later: a built encoder by its fingerprint."""
    return str(choice) if isinstance(choice, str | Path | None) else choice.fingerprint


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

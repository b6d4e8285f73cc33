"""What a job does with rows: a small protocol. The rest of this room is the same for every work."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fusion.data.problems import Problem
from fusion.data.schema import Schema
from fusion.progress import Stage, silent
from fusion.shards.data_paths import DataPaths
from fusion.shards.plan import Plan
from fusion.shards.settings import Cutting

if TYPE_CHECKING:
    import pandas as pd

    from fusion.data.catalogue import Catalogue
    from fusion.embedding import Prepared

STEADY_ROWS = 16  # see `encoders.stream.encode_each`


class Asked(Cutting, Protocol):
    """What every kind of job is asked; each has more of its own."""

    work: ClassVar[str]
    doing: ClassVar[str]


@dataclass(frozen=True)
class Planned:
    """What a new plan says of its work.

    Args:
        schema: Roles of the columns.
        columns: Columns of the tables that are read.
        encoders: How to rebuild each encoder; empty where a trained model has them.
        settings: What was found out while it was planned; not compared when a job goes on.
    """

    schema: Schema
    columns: Sequence[str]
    encoders: dict[str, dict[str, Any]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answers:
    """What comes out for some rows.

    Args:
        columns: Name -> `[n]` values, the same names and types for any rows.
        warnings: Place among these rows and what is odd about its answer, as `name:code`.
    """

    columns: dict[str, pa.Array]
    warnings: Sequence[tuple[int, str]] = ()


class Work(ABC):
    """What is done with the rows of a shard, made once in each process that does shards.

    What comes out for a row must not depend on the other rows, but for rounding.
    """

    @classmethod
    def placed(cls, paths: DataPaths, folder: Path, settings: Any) -> DataPaths:
        """Places whose items can be cut; a copy may go into the job's folder, which is held."""
        return paths

    @classmethod
    @abstractmethod
    def asked(cls, paths: DataPaths, settings: Any) -> dict[str, Any]:
        """Everything that must be the same when a job goes on, JSON types."""

    @classmethod
    @abstractmethod
    def planned(cls, paths: DataPaths, folder: Path, settings: Any) -> Planned:
        """What a new plan says; files that shards need are written into the job's folder."""

    @classmethod
    @abstractmethod
    def loaded(cls, folder: Path, plan: Plan, paths: DataPaths) -> Self:
        """The work of a plan, kept in memory from shard to shard by its content.

        Raises:
            JobError: If it would not be what the job was planned with.
        """

    def joined(self, frame: "pd.DataFrame") -> "tuple[pd.DataFrame, list[Problem]]":
        """Rows with what other tables know of them, and what is wrong with their keys."""
        return frame, []

    @property
    @abstractmethod
    def n_cacheable(self) -> int:
        """Modalities that are embedded, each with a progress of its own."""

    @abstractmethod
    def prepare(
        self, catalogue: "Catalogue", *, store: Path | None, stage: Stage = silent
    ) -> "Prepared":
        """Model inputs of rows; a value that cannot be read is absent and named."""

    @abstractmethod
    def answers(self, prepared: "Prepared", rows: NDArray[np.int64]) -> Answers:
        """What comes out for some rows."""

"""Where a job's input, photos, store and model lie; `paths.json` keeps it, apart from the plan."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from fusion.choices.parameters import EncoderPaths
from fusion.errors import JobError
from fusion.shards.plan_schema import DataPathsDocument
from fusion.system.documents import read_document, sealed
from fusion.system.files import write_atomically


@dataclass(frozen=True)
class DataPaths:
    """Where things lie on this machine; they may move between two runs of one job.

    Args:
        items: The table, or the folder of tables.
        photos: Folder of the photos.
        store: Folder of the embedding store.
        bundle: Folder of the trained model that fuses or predicts.
        encoders: Where weights of its encoders lie now, if they have moved.
    """

    items: Path
    photos: Path | None = None
    store: Path | None = None
    bundle: Path | None = None
    encoders: EncoderPaths = field(default_factory=EncoderPaths)

    def to_dict(self) -> dict[str, Any]:
        """Absolute paths as JSON types; names of weights that are no paths stay."""
        paths = {name: getattr(self, name) for name in ("items", "photos", "store", "bundle")}
        moved = [(*what, _absolute(place)) for *what, place in self.encoders.moved]
        found = {name: path and _absolute(path) for name, path in paths.items()}
        return {**found, "encoders": moved}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Paths from what `to_dict` gave."""
        paths = {name: path and Path(path) for name, path in values.items() if name != "encoders"}
        return cls(**paths, encoders=EncoderPaths(tuple(map(tuple, values["encoders"]))))


def _absolute(place: Path | str) -> str:
    """A path, absolute; a name that is none stays."""
    is_name = isinstance(place, str) and not Path(place).exists()
    return str(place) if is_name else str(Path(place).resolve())


def write_data_paths(folder: Path, paths: DataPaths) -> None:
    """Notes where things lie now."""
    document = json.dumps(paths.to_dict(), indent=1).encode()
    write_atomically(folder / "paths.json", sealed(document))


def read_data_paths(folder: Path) -> DataPaths:
    """Where things lay when the job was last started.

    Raises:
        JobError: If that is not known.
        OSError: If the disk fails.
    """
    try:
        return DataPaths.from_dict(asdict(read_document(folder / "paths.json", DataPathsDocument)))
    except (FileNotFoundError, ValueError) as error:
        got = error if isinstance(error, ValueError) else "it is gone"
        raise JobError(
            f"paths.json of {folder} is damaged: {got}. Run the same command again, which "
            "writes it."
        ) from error

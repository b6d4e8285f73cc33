"""What a run was begun with, on disk from its first moment: nothing else may go on with it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pydantic import with_config

from encoders.base import Encoder
from fusion.data.problems import shown
from fusion.errors import JobError
from fusion.pretraining.rows import PretrainingRows
from fusion.pretraining.settings import PretrainingSettings
from fusion.system.documents import EXACT, Nested, Sha256, Text, read_document, sealed
from fusion.system.files import json_bytes, write_atomically
from fusion.system.folders import claim_empty

PACKAGES = ("product-fusion", "torch", "torchvision", "transformers", "tokenizers", "pillow")
SETTINGS = "settings.json"
MAX_BYTES = 10_000_000

Plan = dict[Text, Nested]


@with_config(EXACT)
@dataclass(frozen=True)
class _Begun:
    fingerprint: Sha256
    begun_with: Plan


def plan_of(
    encoders: Mapping[str, Encoder], rows: PretrainingRows, settings: PretrainingSettings
) -> Plan:
    """Everything that decides the weights, JSON types; where logs go does not."""
    return {
        "setting": settings.suited().model_dump(mode="json", exclude={"tensorboard"}),
        "encoder": {modality: encoders[modality].fingerprint for modality in settings.modalities},
        "rows": {"number": len(rows), "content": rows.fingerprint},
        "version": {name: version(name) for name in PACKAGES},
    }


def fingerprint_of(plan: Plan) -> str:
    """SHA-256 (hex) of a plan."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()


def claim(output: Path, plan: Plan) -> None:
    """Makes an output folder that of a plan, or finds that it is so already.

    Raises:
        JobError: If the folder has other files or another plan; what differs is listed.
    """
    path = output / SETTINGS
    before = _begun_with(path)
    if before is not None:
        _check_same(before, plan, output=output)
        for stale in output.glob(".*.tmp"):
            stale.unlink()
        return
    claim_empty(output, kind="the folder of a pretraining")
    document = {"fingerprint": fingerprint_of(plan), "begun_with": plan}
    write_atomically(path, sealed(json_bytes(document)))


def _begun_with(path: Path) -> Plan | None:
    """The plan in the file of a pretraining; None where there is none.

    Raises:
        JobError: If it is damaged, or a stranger's.
    """
    try:
        return read_document(path, _Begun, max_bytes=MAX_BYTES).begun_with
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise JobError(
            f"{path.parent} must be new, empty or the folder of a pretraining, got one with "
            f"{path.name} that is damaged or of something else: {error}. Choose another."
        ) from error


def _check_same(before: Plan, now: Plan, *, output: Path) -> None:
    begun = {section: before.get(section, {}) for section in now}
    changed = [
        f"- {section} {name}: begun with {shown(begun[section].get(name))}, now {shown(value)}"
        for section, values in now.items()
        for name, value in values.items()
        if begun[section].get(name) != value
    ]
    if changed:
        raise JobError(
            f"{output} was begun with something else:\n"
            + "\n".join(changed)
            + "\nPut that back, or choose another output folder."
        )

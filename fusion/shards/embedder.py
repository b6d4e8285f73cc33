"""What turns rows into vectors: the encoders of a plan, or a trained model that fuses."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from encoders import ENCODERS
from encoders.base import Encoder
from encoders.dtype import SWITCH, precision_of, processor_has_bfloat16
from fusion.bundle import Bundle, load_bundle, name_and_config, rebuild
from fusion.data.catalogue import Catalogue
from fusion.embedding import Prepared, prepare_inputs
from fusion.errors import JobError
from fusion.parameters import EncoderPlaces
from fusion.predictor import fuse_rows
from fusion.progress import Stage, silent
from fusion.shards.plan import Places, Plan
from fusion.shards.settings import bundle_sha256

STEADY_ROWS = 16  # see `encoders.stream.encode_each`
FUSED = "fused"
MOST_KEPT = 2
"""Sets of encoders that a process keeps in memory; each may be a gigabyte."""


@dataclass
class Embedder:
    """Encoders, and where a trained model fuses, the model.

    Args:
        encoders: One for each modality.
        bundle: The model; None where each modality's embedding is wanted.
    """

    encoders: dict[str, Encoder]
    bundle: Bundle | None = None

    @property
    def dims(self) -> dict[str, int]:
        """Length of each vector that comes out."""
        if self.bundle is not None:
            return {FUSED: self.bundle.model.fused_dim}
        return {name: encoder.embedding_dim for name, encoder in self.encoders.items()}

    @property
    def n_cacheable(self) -> int:
        """Modalities that are embedded, each with a progress of its own."""
        return sum(encoder.cacheable for encoder in self.encoders.values())

    def prepare(
        self, catalogue: Catalogue, *, store: Path | None, stage: Stage = silent
    ) -> Prepared:
        """Embeddings of each modality; a value that cannot be read is absent and named."""
        return prepare_inputs(
            self.encoders, catalogue, store=store, batch_multiple=STEADY_ROWS, stage=stage
        )

    def vectors(
        self, prepared: Prepared, rows: NDArray[np.int64]
    ) -> dict[str, NDArray[np.float32]]:
        """Vectors `[len(rows), dim]` of some rows."""
        inputs = prepared.inputs.take(rows)
        if self.bundle is not None:
            return {FUSED: fuse_rows(self.bundle, inputs)}
        return {name: tensor.numpy() for name, tensor in inputs.embeddings.items()}


def describe_encoders(encoders: Mapping[str, Encoder]) -> dict[str, dict[str, Any]]:
    """Name, configuration and fingerprint of each encoder, JSON types.

    Raises:
        BundleError: If an encoder is in no registry.
    """
    return {
        modality: {**name_and_config(ENCODERS, encoder), "fingerprint": encoder.fingerprint}
        for modality, encoder in encoders.items()
    }


def precisions_of(encoders: Mapping[str, Encoder]) -> dict[str, str]:
    """What a plan's settings say of the precision that encoders compute in."""
    chosen = {modality: precision_of(encoder) for modality, encoder in encoders.items()}
    return {
        f"precision of {modality}": dtype for modality, dtype in chosen.items() if dtype is not None
    }


def embedder_of(plan: Plan, places: Places) -> Embedder:
    """The encoders of a plan, on the GPU where there is one; kept in memory from shard to shard.

    What is kept is known by its content, never by where it lies: encoders by their configurations
    and fingerprints, a trained model by its SHA-256. Another plan in the same folder gets its own.

    Raises:
        JobError: If an encoder, or the trained model, is not the one that the job was planned with,
            or would compute in another precision here.
        BundleError: If the trained model is damaged, or an encoder cannot be made here.
        ConfigError: If there is no trained model where it should lie.
    """
    has_bfloat16 = processor_has_bfloat16()
    for modality, entry in plan.encoders.items():
        if entry["config"].get("dtype") == "bfloat16" and not has_bfloat16:
            raise JobError(_mixed(f"precision of {modality}", "bfloat16", "float32"))
    encoders = json.dumps(plan.encoders, sort_keys=True)
    sha256 = plan.settings["bundle"]
    found = _kept_embedder(
        encoders,
        sha256,
        bundle=places.bundle,
        places=places.encoders,
        has_bfloat16=has_bfloat16,
    )
    if found.bundle is not None:
        for name, here in precisions_of(found.encoders).items():
            if here != plan.settings.get(name):
                raise JobError(_mixed(name, str(plan.settings.get(name)), here))
    return found


@lru_cache(maxsize=MOST_KEPT)
def _kept_embedder(
    encoders: str,
    sha256: str | None,
    *,
    bundle: Path | None,
    places: EncoderPlaces,
    has_bfloat16: bool,
) -> Embedder:
    del has_bfloat16  # a part of the key: a bundle is loaded as the processor can compute it
    if sha256 is None:
        return Embedder(_rebuilt(json.loads(encoders)))
    if bundle is None:
        raise JobError("bundle must be given, as the job was planned with a trained model.")
    if bundle_sha256(bundle) != sha256:
        raise JobError(
            f"bundle must be the trained model that the job was planned with, got another in "
            f"{bundle}. Put it back, or begin a new output folder."
        )
    loaded = load_bundle(bundle, places=places)
    model = loaded.model
    return Embedder({name: model.encoder(name) for name in model.modalities}, loaded)


def _rebuilt(entries: Mapping[str, dict[str, Any]]) -> dict[str, Encoder]:
    encoders = {}
    for modality, entry in entries.items():
        encoder = rebuild(ENCODERS, entry, what=f"encoder of {modality}")
        if (encoder.modality, encoder.fingerprint) != (modality, entry["fingerprint"]):
            raise JobError(
                f"encoder of {modality} must have the weights that the job was begun with, got "
                "others. Put them back, or begin a new output folder."
            )
        encoders[modality] = encoder.cuda() if torch.cuda.is_available() else encoder
    return encoders


def _mixed(name: str, begun: str, here: str) -> str:
    return (
        f"{name} must be {begun}, in which the job was begun, got a processor that computes in "
        f"{here}. Go on on processors of one kind, or begin a new output folder with {SWITCH}=no, "
        "which all compute alike."
    )

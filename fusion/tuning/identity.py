"""What decides a tuning, as one hash: no other one goes on from its states."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoders.base import Encoder, state_hash
from fusion.data.batch import ModelInputs
from fusion.network import FusionNetwork
from fusion.store import keyed_values
from fusion.tuning.settings import TuningSettings

ASIDE = {"save_steps", "tensorboard", "workers"}
"""Settings that change no weight."""


def identity_of(
    model: FusionNetwork,
    inputs: ModelInputs,
    targets: Mapping[str, NDArray[np.float64]],
    *,
    rows: Sequence[NDArray[np.int64]],
    settings: TuningSettings,
) -> str:
    """SHA-256 (hex) of everything that decides the weights: model, contents, rows, settings.

    Args:
        model: Before it is tuned.
        inputs: Model inputs of all rows; of photos, what their files hold now.
        targets: Targets `[n, *target_shape]` of each head.
        rows: Positions of rows, by what they are for.
        settings: How it is tuned.

    Raises:
        ValueError, OSError: If a photo cannot be read any more.
    """
    digest = hashlib.sha256(settings.model_dump_json(exclude=ASIDE).encode())
    digest.update(state_hash(model.trained_part().delta_state_dict()).encode())
    parts = [(model.heads[name], model.decoder(name)) for name in sorted(targets)]
    configs = [model.fusion.config, *(part.config for pair in parts for part in pair)]
    digest.update(json.dumps(configs, sort_keys=True).encode())
    for modality in sorted(inputs.values):
        encoder = model.encoder(modality)
        digest.update(f"{modality} {encoder.fingerprint}".encode())
        digest.update(inputs.present[modality].numpy().tobytes())
        digest.update(_contents(encoder, inputs.values[modality]))
    for positions in rows:
        digest.update(np.ascontiguousarray(positions).tobytes())
    for name in sorted(targets):
        digest.update(name.encode() + np.ascontiguousarray(targets[name]).tobytes())
    return digest.hexdigest()


def _contents(encoder: Encoder, values: Sequence[Any]) -> bytes:
    digest = hashlib.sha256()
    for found in keyed_values(encoder, values):
        if isinstance(found, Exception):
            raise found
        digest.update(len(found).to_bytes(4) + b"".join(key for key, _ in found))
    return digest.digest()

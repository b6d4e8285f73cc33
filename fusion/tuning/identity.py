"""What decides a tuning, as one hash: no other one goes on from its states."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from encoders.base import Encoder, state_hash
from fusion.network import FusionNetwork
from fusion.store import keyed_values
from fusion.tuning.rows import TuningRows
from fusion.tuning.settings import TuningSettings

ASIDE = {"save_steps", "tensorboard", "workers"}
"""Settings that change no weight."""


def identity_of(model: FusionNetwork, rows: TuningRows, *, settings: TuningSettings) -> str:
    """SHA-256 (hex) of everything that decides the weights: model, contents, rows, settings.

    Args:
        model: Before it is tuned.
        rows: What they hold, and which are learned from.
        settings: How it is tuned.

    Raises:
        ValueError, OSError: If a photo cannot be read any more.
    """
    inputs, targets = rows.inputs, rows.targets
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
    for positions in (rows.learn, rows.validation):
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

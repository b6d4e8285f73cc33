"""Bundles: one folder is one trained model, readable by anyone, loadable without code of its own.

```
BUNDLE/bundle.json            format, schema, encoders, fusion, heads, metrics, SHA-256 of the rest
BUNDLE/bundle.sha256          SHA-256 of bundle.json
BUNDLE/weights.safetensors    every weight that was trained or fitted
BUNDLE/reference.safetensors  fused vectors of the training items, for `similar`
```

Pretrained encoders are not copied: their name, configuration and fingerprint are, and loading
refuses an encoder whose weights are not the same any more. Classes are looked up in the registries
by name; nothing in a bundle is ever executed.
"""

import hashlib
import json
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, from_numpy

from encoders import ENCODERS
from encoders.base import Encoder
from encoders.dtype import TwoPrecisions, processor_has_bfloat16
from fusion.build import own_encoder
from fusion.data.schema import Schema
from fusion.ensemble import ProductEnsemble
from fusion.errors import BundleError, unknown_name
from fusion.files import json_bytes, write_atomically
from fusion.linear import LinearPart
from fusion.model import ProductModel
from fusion.neighbours import NeighbourPart
from fusion.parameters import EncoderPlaces
from fusion.progress import say_once
from fusion.strategies import FUSIONS
from heads import HEADS

FORMAT = 4
PACKAGES = ("torch", "torchvision", "transformers", "scikit-learn", "numpy")


@dataclass
class Bundle:
    """A trained model with all that is needed to use it.

    Args:
        model: The networks and what stands beside them, in eval mode.
        schema: Which columns it reads.
        targets: Target column of each head.
        info: What is worth knowing, JSON-serialisable: metrics, training, problems found.
        reference_ids: Ids of the training items.
        reference: Their fused vectors `[n, fused_dim]`, float32.
    """

    model: ProductEnsemble
    schema: Schema
    targets: dict[str, str]
    info: dict[str, Any] = field(default_factory=dict)
    reference_ids: list[str] = field(default_factory=list)
    reference: NDArray[np.float32] = field(
        default_factory=lambda: np.zeros((0, 0), dtype=np.float32)
    )


def save_bundle(bundle: Bundle, folder: Path) -> None:
    """Writes a bundle; the folder is there as a whole or not at all.

    Raises:
        BundleError: If the folder exists and is no bundle, or a part is in no registry.
    """
    check_bundle_folder(folder)
    files = {
        "weights.safetensors": _pack(bundle.model.state()),
        "reference.safetensors": _pack({"vectors": from_numpy(bundle.reference)}),
    }
    document = {**_describe(bundle), "files": {name: _sha256(files[name]) for name in files}}
    files["bundle.json"] = json.dumps(document, indent=1, allow_nan=False).encode()
    files["bundle.sha256"] = _sha256(files["bundle.json"]).encode()
    scratch = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    scratch.mkdir(parents=True)
    for name, content in files.items():
        write_atomically(scratch / name, content)
    old = scratch.with_suffix(".old")
    if folder.exists():
        folder.replace(old)
    scratch.replace(folder)
    shutil.rmtree(old, ignore_errors=True)


def check_bundle_folder(folder: Path) -> None:
    """Refuses a folder that a bundle must not be written to, since it holds something else.

    Raises:
        BundleError: If it exists and is no bundle.
    """
    if folder.is_dir() and ((folder / "bundle.json").is_file() or not any(folder.iterdir())):
        return
    if folder.exists():
        raise BundleError(f"folder must be new, empty or a bundle, got {folder}. Choose another.")


def load_bundle(folder: Path, *, places: EncoderPlaces | None = None) -> Bundle:
    """A bundle, checked byte by byte; needs neither the training data nor a network.

    Args:
        folder: The bundle.
        places: Where checkpoints lie now, if they have moved; other weights are refused.

    Raises:
        BundleError: If a file is absent or changed, the format is unknown, or an encoder's weights
            are not those that the model was trained with.
    """
    document, files = _read(folder)
    if places is not None:
        document["encoders"] = places.applied(document["encoders"])
    model = _rebuild_ensemble(document)
    try:
        model.load_state(_unpack(files["weights.safetensors"]))
    except RuntimeError as error:
        raise BundleError(f"weights of {folder} must fit its description: {error}") from error
    encoders = {name: model.encoder(name) for name in model.modalities}
    _check_fingerprints(encoders, document["encoders"], folder=folder)
    _tell_of_other_precision(document, folder=folder)
    model.eval()
    return Bundle(
        model=model,
        schema=Schema.from_dict(document["schema"]),
        targets={name: entry["target"] for name, entry in document["heads"].items()},
        info=document["info"],
        reference_ids=document["reference_ids"],
        reference=_unpack(files["reference.safetensors"])["vectors"].numpy(),
    )


def _describe(bundle: Bundle) -> dict[str, Any]:
    model = bundle.model
    return {
        "format": FORMAT,
        "made_with": {name: version(name) for name in PACKAGES},
        "schema": bundle.schema.to_dict(),
        "encoders": {name: _describe_encoder(model.encoder(name)) for name in model.modalities},
        "n_members": len(model.members),
        "fusion": name_and_config(FUSIONS, model.first.fusion),
        "linear": None
        if model.linear is None
        else {**model.linear.config, "network_shares": model.linear.network_shares},
        "neighbours": None
        if model.neighbours is None
        else {**model.neighbours.config, "shares": model.neighbours.neighbour_shares},
        "heads": {
            name: {
                **name_and_config(HEADS, model.head(name)),
                "target": bundle.targets[name],
                "statement": model.head(name).statement(),
            }
            for name in model.heads
        },
        "info": json.loads(json_bytes(bundle.info)),  # of what is not defined: null
        "reference_ids": bundle.reference_ids,
    }


def _rebuild_ensemble(document: Mapping[str, Any]) -> ProductEnsemble:
    """The ensemble that a description tells of, its weights not loaded yet."""
    encoders = {
        modality: _rebuild_encoder(modality, _computable(entry))
        for modality, entry in document["encoders"].items()
    }
    members = []
    for _ in range(document["n_members"]):
        fusion = rebuild(FUSIONS, document["fusion"], what="fusion")
        heads = {
            name: rebuild(HEADS, entry, what=f"head {name}")
            for name, entry in document["heads"].items()
        }
        own = {name: own_encoder(encoder) for name, encoder in encoders.items()}
        members.append(ProductModel(own, fusion=fusion, heads=heads))
    linear, neighbours = document["linear"], document["neighbours"]
    named = members[0].named_heads
    return ProductEnsemble(
        members,
        linear=None if linear is None else LinearPart(linear["dims"], named),
        neighbours=None
        if neighbours is None
        else NeighbourPart(heads=named, **{k: v for k, v in neighbours.items() if k != "shares"}),
    )


def _rebuild_encoder(modality: str, entry: dict[str, Any]) -> Encoder:
    try:
        encoder: Encoder = rebuild(ENCODERS, entry, what=f"encoder of {modality}")
    except BundleError as error:
        option = {"bert": "text_encoder", "resnet": "image_weights"}.get(entry["name"])
        if option is None:
            raise
        raise BundleError(
            f"{error} Where it lies elsewhere now, say where: load(..., {option}=PLACE) or "
            f"--{option.replace('_', '-')} PLACE."
        ) from error
    return encoder


def _describe_encoder(encoder: Encoder) -> dict[str, Any]:
    return {
        **name_and_config(ENCODERS, encoder),
        "origin": encoder.origin,
        "fingerprint": encoder.fingerprint,
    }


def name_and_config(registry: Mapping[str, Any], part: Any) -> dict[str, Any]:
    """Registry name and configuration of a part: what `rebuild` needs.

    Raises:
        BundleError: If the part is in no registry.
    """
    names = [name for name, kind in registry.items() if kind is type(part)]
    if not names:
        raise BundleError(
            f"{type(part).__name__} must be in its room's table to be saved. "
            "Add it there under a name of its own, also where the bundle is loaded."
        )
    return {"name": names[0], "config": part.config}


def rebuild(registry: Mapping[str, Any], entry: dict[str, Any], *, what: str) -> Any:
    """A part from what `name_and_config` gave; `what` names it in messages.

    Raises:
        BundleError: If the name is in no registry or the part cannot be made.
    """
    if entry["name"] not in registry:
        raise BundleError(unknown_name(what, entry["name"], registry))
    try:
        return registry[entry["name"]](**entry["config"])
    except (ValueError, TypeError, OSError, ImportError) as error:
        raise BundleError(f"{what} ({entry['name']}) cannot be loaded: {error}") from error


def _check_fingerprints(
    encoders: Mapping[str, Encoder], entries: Mapping[str, Any], *, folder: Path
) -> None:
    for modality, encoder in encoders.items():
        if _fingerprint_as_made(encoder, entries[modality]) != entries[modality]["fingerprint"]:
            raise BundleError(
                f"encoder of {modality} must be the one that {folder.name} was trained with "
                f"({entries[modality]['origin']}), got other weights or settings "
                f"({encoder.origin}). Put the original weights back or train again."
            )


def _computable(entry: dict[str, Any]) -> dict[str, Any]:
    """The description of an encoder, in float32 where bfloat16 would have to be emulated here."""
    if not _is_in_bfloat16(entry) or processor_has_bfloat16():
        return entry
    return {**entry, "config": {**entry["config"], "dtype": "float32"}}


def _is_in_bfloat16(entry: Mapping[str, Any]) -> bool:
    kind = ENCODERS.get(entry["name"])
    return hasattr(kind, "fingerprint_in") and entry["config"]["dtype"] == "bfloat16"


def _fingerprint_as_made(encoder: Encoder, entry: Mapping[str, Any]) -> str:
    """The fingerprint that an encoder has in the precision that it was trained with."""
    if isinstance(encoder, TwoPrecisions):
        return encoder.fingerprint_in(entry["config"]["dtype"])
    return encoder.fingerprint


def _tell_of_other_precision(document: Mapping[str, Any], *, folder: Path) -> None:
    """Says which encoders compute in float32 but were made in bfloat16, and what that changes."""
    made = [name for name, entry in document["encoders"].items() if _is_in_bfloat16(entry)]
    if not made or processor_has_bfloat16():
        return
    measured = document["info"].get("bfloat16")
    moved = "by how much that changes answers was not measured."
    if measured is not None:
        changes = measured["largest_change"].items()
        moved = (
            f"on {measured['n_rows']} validation rows that changed no answer by more than "
            f"{', '.join(f'{change:.3g} ({column})' for column, change in changes)}."
        )
    say_once(
        f"The {' and '.join(made)} encoder of {folder.name} was made in bfloat16, which this "
        f"processor lacks: it computes in float32, which is slower; {moved}"
    )


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    described = _read_file(folder, "bundle.json")
    if _sha256(described).encode() != _read_file(folder, "bundle.sha256"):
        raise BundleError(f"bundle.json of {folder} has changed since it was saved. {_RESTORE}")
    document = json.loads(described)
    if document.get("format") != FORMAT:
        raise BundleError(f"format must be {FORMAT}, got {document.get('format')!r} in {folder}.")
    files = {name: _read_file(folder, name) for name in document["files"]}
    for name, content in files.items():
        if _sha256(content) != document["files"][name]:
            raise BundleError(f"{name} of {folder} has changed since it was saved. {_RESTORE}")
    return document, files


_RESTORE = "Restore the folder from a copy or train again."


def _read_file(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        hint = _RESTORE
        if (folder / "bundle" / name).is_file():
            hint = f"Did you mean {folder / 'bundle'}?"
        elif name == "bundle.json":
            hint = "Give the folder `bundle` that a training wrote."
        raise BundleError(
            f"{folder} must be a bundle, but {name} cannot be read. {hint}"
        ) from error


def _pack(tensors: Mapping[str, Tensor]) -> bytes:
    return save_tensors({name: tensor.contiguous() for name, tensor in tensors.items()})


def _unpack(content: bytes) -> dict[str, Tensor]:
    try:
        return load_tensors(content)
    except SafetensorError as error:
        raise BundleError(f"weights must be a safetensors file: {error}.") from error


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

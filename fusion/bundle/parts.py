"""Parts of a model as names and configurations, and back."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from math import prod
from typing import Any

from encoders import ENCODERS
from encoders.base import Encoder
from encoders.dtype import TwoPrecisions, processor_has_bfloat16
from encoders.names import KNOWN, PLACES, Known
from fusion.bundle.budget import AllocationBudget
from fusion.bundle.document import Document
from fusion.choices.build import own_encoder
from fusion.ensemble import ProductEnsemble
from fusion.errors import BundleError
from fusion.members.neighbours import NeighbourMember
from fusion.members.ridge import RidgeMember
from fusion.network import FusionNetwork
from fusion.plugins import load_plugins
from fusion.saved_parts import SHOWN_NAME, described, name_and_config, rebuild
from fusion.strategies import FUSIONS
from heads import HEADS
from heads.base import Head
from heads.decoders import DECODERS

PACKAGES = ("torch", "torchvision", "transformers", "scikit-learn", "numpy")
SPARE_BYTES = 2**26
"""What building may take beside a multiple of the weights: 64 MiB."""
TIMES_WEIGHTS = 16
"""Numbers are counted as 8 bytes, and some are made twice."""


def described_parts(model: ProductEnsemble, targets: Mapping[str, Sequence[str]]) -> Document:
    """What the parts of a model are rebuilt from, besides their weights.

    Raises:
        BundleError: If a part is in no registry.
    """
    return {
        "made_with": {name: version(name) for name in PACKAGES},
        "encoders": {name: _describe_encoder(model.encoder(name)) for name in model.modalities},
        "n_networks": len(model.members),
        "fusion": name_and_config(FUSIONS, model.first.fusion),
        "linear": None
        if model.linear is None
        else {**model.linear.config, "network_weights": model.linear.network_weights},
        "neighbours": None
        if model.neighbours is None
        else {**model.neighbours.config, "blend_weights": model.neighbours.neighbour_weights},
        "heads": {
            name: {
                **name_and_config(HEADS, head),
                "target": list(targets[name]),
                "decoder": name_and_config(DECODERS, model.first.decoder(name)),
                "description": head.describe(),
            }
            for name, head in model.heads.items()
        },
    }


def rebuild_ensemble(document: Document, *, n_weight_bytes: int) -> ProductEnsemble:
    """The ensemble that a description tells of, its weights not loaded yet.

    Args:
        document: The description.
        n_weight_bytes: Size of the weights, which what is built must not exceed by far.

    Raises:
        BundleError: Naming the part that cannot be built.
        ConfigError: If an installed package that brings parts cannot be loaded.
    """
    load_plugins()
    encoders = {
        modality: _rebuild_encoder(modality, _computable(entry), n_weight_bytes=n_weight_bytes)
        for modality, entry in document["encoders"].items()
    }
    with described("description"), _budget(n_weight_bytes):
        heads = {name: _rebuild_head(name, entry) for name, entry in document["heads"].items()}
        members = []
        for _ in range(document["n_networks"]):
            fusion = rebuild(FUSIONS, document["fusion"], what="fusion")
            decoders = {
                name: rebuild(
                    DECODERS,
                    document["heads"][name]["decoder"],
                    fusion.fused_dim,
                    head,
                    what=f"decoder of {name[:SHOWN_NAME]}",
                )
                for name, head in heads.items()
            }
            with described("encoders"):
                own = {name: own_encoder(encoder) for name, encoder in encoders.items()}
            with described("fusion, heads and encoders together"):
                members.append(FusionNetwork(own, fusion=fusion, heads=heads, decoders=decoders))
        linear, neighbours = document["linear"], document["neighbours"]
        with described("linear"):
            line = None if linear is None else RidgeMember(linear["dims"], heads)
        with described("neighbours"):
            near = (
                None
                if neighbours is None
                else NeighbourMember(
                    heads=heads, **{k: v for k, v in neighbours.items() if k != "blend_weights"}
                )
            )
        return ProductEnsemble(members, linear=line, neighbours=near)


def _rebuild_head(name: str, entry: dict[str, Any]) -> Head:
    """A head whose target has as many numbers as there are target columns."""
    what = f"head {name[:SHOWN_NAME]}"
    head: Head = rebuild(HEADS, entry, what=what)
    with described(what):
        n_columns, n_numbers = len(entry["target"]), prod(head.target_shape)
    if n_columns != n_numbers:
        raise BundleError(f"{what} must have {n_numbers} target columns, got {n_columns}.")
    return head


def _budget(n_weight_bytes: int) -> AllocationBudget:
    return AllocationBudget(SPARE_BYTES + TIMES_WEIGHTS * n_weight_bytes)


def _rebuild_encoder(modality: str, entry: dict[str, Any], *, n_weight_bytes: int) -> Encoder:
    what = f"encoder of {modality[:SHOWN_NAME]}"
    kind = ENCODERS.get(entry["name"])
    try:
        if kind is not None and kind.cacheable:  # its weights are a checkpoint's, of any size
            encoder: Encoder = rebuild(ENCODERS, entry, what=what)
        else:
            with described(what), _budget(n_weight_bytes):
                encoder = rebuild(ENCODERS, entry, what=what)
    except BundleError as error:
        option = next((name for name in PLACES if entry["config"].get(name)), None)
        if option is None:
            raise
        is_name = kind is not None and KNOWN.get(entry["name"], Known("")).named_by == option
        choice, word = ("PLACE", "") if is_name else (f"{{'{option}': PLACE}}", f".{option}")
        raise BundleError(
            f"{error} Where it lies elsewhere now, say where: load(..., encoders={{'{modality}': "
            f"{choice}}}) or --encoder {modality}{word}=PLACE."
        ) from error
    return encoder


def _describe_encoder(encoder: Encoder) -> dict[str, Any]:
    return {
        **name_and_config(ENCODERS, encoder),
        "origin": encoder.origin,
        "fingerprint": encoder.fingerprint,
    }


def check_fingerprints(
    encoders: Mapping[str, Encoder], entries: Mapping[str, Any], *, folder: str
) -> None:
    """Refuses encoders that are not those of the training.

    Raises:
        BundleError: Naming the first one.
    """
    for modality, encoder in encoders.items():
        if _fingerprint_as_made(encoder, entries[modality]) != entries[modality]["fingerprint"]:
            raise BundleError(
                f"encoder of {modality} must be the one that {folder} was trained with "
                f"({entries[modality]['origin']}), got other weights or settings "
                f"({encoder.origin}). Put the original weights back or train again."
            )


def is_in_bfloat16(entry: Mapping[str, Any]) -> bool:
    """True for the description of an encoder that computed in bfloat16."""
    kind = ENCODERS.get(entry["name"])
    return hasattr(kind, "fingerprint_in") and entry["config"].get("dtype") == "bfloat16"


def _computable(entry: dict[str, Any]) -> dict[str, Any]:
    """The description of an encoder, in float32 where bfloat16 would have to be emulated here."""
    if not is_in_bfloat16(entry) or processor_has_bfloat16():
        return entry
    return {**entry, "config": {**entry["config"], "dtype": "float32"}}


def _fingerprint_as_made(encoder: Encoder, entry: Mapping[str, Any]) -> str:
    """The fingerprint that an encoder has in the precision that it was trained with."""
    if isinstance(encoder, TwoPrecisions):
        return encoder.fingerprint_in(entry["config"]["dtype"])
    return encoder.fingerprint

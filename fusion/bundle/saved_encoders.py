"""Encoders as names, configurations and fingerprints, and back."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from encoders import ENCODERS
from encoders.base import Encoder
from encoders.dtype import TwoPrecisions, processor_has_bfloat16
from encoders.names import KNOWN, PLACES, Known
from fusion.bundle.budget import weights_budget
from fusion.bundle.kinds import EncoderEntry
from fusion.bundle.weights import Tensors, load_encoder
from fusion.choices.parameters import EncoderPaths
from fusion.errors import BundleError
from fusion.progress import say_once
from fusion.saved_parts import SHOWN_NAME, described, name_and_config, rebuild


def described_encoders(encoders: Mapping[str, Encoder]) -> dict[str, Any]:
    """What encoders are rebuilt from, besides what they learned; JSON types.

    Raises:
        BundleError: If an encoder is in no registry.
    """
    return {
        modality: {
            **name_and_config(ENCODERS, encoder),
            "origin": encoder.origin,
            "fingerprint": encoder.fingerprint,
        }
        for modality, encoder in encoders.items()
    }


def moved_encoders(
    entries: Mapping[str, EncoderEntry], paths: EncoderPaths | None
) -> dict[str, EncoderEntry]:
    """Descriptions of encoders that look for their weights where they lie now.

    Raises:
        BundleError: If a path suits no encoder.
    """
    if paths is None:
        return dict(entries)
    moved = paths.applied({modality: vars(entry) for modality, entry in entries.items()})
    return {modality: EncoderEntry(**entry) for modality, entry in moved.items()}


def rebuild_encoders(
    entries: Mapping[str, EncoderEntry], weights: Tensors, *, n_weight_bytes: int
) -> dict[str, Encoder]:
    """Encoders out of their descriptions, with what they learned.

    Args:
        entries: Modality -> description.
        weights: Tensors of the saved model.
        n_weight_bytes: Size of what was learned, which what is built must not exceed by far.

    Raises:
        BundleError: Naming the encoder that cannot be built.
    """
    encoders = {
        modality: _rebuild_encoder(modality, _computable(entry), n_weight_bytes=n_weight_bytes)
        for modality, entry in entries.items()
    }
    with described("description"), weights_budget(n_weight_bytes):
        for modality, encoder in encoders.items():
            load_encoder(encoder, weights, modality=modality)
    return encoders


def _rebuild_encoder(modality: str, entry: EncoderEntry, *, n_weight_bytes: int) -> Encoder:
    what = f"encoder of {modality[:SHOWN_NAME]}"
    kind = ENCODERS.get(entry.name)
    try:
        if kind is not None and kind.cacheable:  # its weights are a checkpoint's, of any size
            encoder: Encoder = rebuild(ENCODERS, vars(entry), what=what)
        else:
            with described(what), weights_budget(n_weight_bytes):
                encoder = rebuild(ENCODERS, vars(entry), what=what)
    except BundleError as error:
        option = next((name for name in PLACES if entry.config.get(name)), None)
        if option is None:
            raise
        is_name = kind is not None and KNOWN.get(entry.name, Known("")).named_by == option
        choice, word = ("PLACE", "") if is_name else (f"{{'{option}': PLACE}}", f".{option}")
        raise BundleError(
            f"{error} Where it lies elsewhere now, say where: load(..., encoders={{'{modality}': "
            f"{choice}}}) or --encoder {modality}{word}=PLACE."
        ) from error
    return encoder


def check_fingerprints(
    encoders: Mapping[str, Encoder], entries: Mapping[str, EncoderEntry], *, folder: str
) -> None:
    """Refuses encoders that are not those of the training.

    Raises:
        BundleError: Naming the first one.
    """
    for modality, encoder in encoders.items():
        if _fingerprint_as_made(encoder, entries[modality]) != entries[modality].fingerprint:
            raise BundleError(
                f"encoder of {modality} must be the one that {folder} was trained with "
                f"({entries[modality].origin}), got other weights or settings "
                f"({encoder.origin}). Put the original weights back or train again."
            )


def is_in_bfloat16(entry: EncoderEntry) -> bool:
    """True for the description of an encoder that computed in bfloat16."""
    kind = ENCODERS.get(entry.name)
    return hasattr(kind, "fingerprint_in") and entry.config.get("dtype") == "bfloat16"


def _computable(entry: EncoderEntry) -> EncoderEntry:
    """The description of an encoder, in float32 where bfloat16 would have to be emulated here."""
    if not is_in_bfloat16(entry) or processor_has_bfloat16():
        return entry
    return replace(entry, config={**entry.config, "dtype": "float32"})


def _fingerprint_as_made(encoder: Encoder, entry: EncoderEntry) -> str:
    """The fingerprint that an encoder has in the precision that it was trained with."""
    if isinstance(encoder, TwoPrecisions):
        return encoder.fingerprint_in(entry.config["dtype"])
    return encoder.fingerprint


def tell_of_other_precision(
    entries: Mapping[str, EncoderEntry], info: Mapping[str, Any], *, name: str
) -> None:
    """Says which encoders compute in float32 but were made in bfloat16, and what that changes.

    Args:
        entries: Descriptions of encoders by modality.
        info: What is told of the model; `bfloat16` in it says what was measured.
        name: What the model is called.

    Raises:
        BundleError: If the info has something else there.
    """
    made = [modality for modality, entry in entries.items() if is_in_bfloat16(entry)]
    if not made or processor_has_bfloat16():
        return
    measured = info.get("bfloat16")
    moved = "by how much that changes answers was not measured."
    if measured is not None:
        with described("bfloat16 in the info"):
            changes = measured["largest_change"].items()
            moved = (
                f"on {measured['n_rows']} validation rows that changed no answer by more than "
                f"{', '.join(f'{change:.3g} ({column})' for column, change in changes)}."
            )
    say_once(
        f"The {' and '.join(made)} encoder of {name} was made in bfloat16, which this "
        f"processor lacks: it computes in float32, which is slower; {moved}"
    )

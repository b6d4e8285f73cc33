"""Parts of a model as names and configurations, and back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from math import prod
from typing import Any

from encoders import ENCODERS
from encoders.base import Encoder
from encoders.dtype import TwoPrecisions, processor_has_bfloat16
from encoders.names import KNOWN, PLACES, Known
from fusion.bundle.budget import AllocationBudget
from fusion.bundle.document import Document, EncoderEntry, HeadEntry, MemberEntry
from fusion.bundle.weights import Tensors, check_owners, load_encoder, member_state
from fusion.errors import BundleError
from fusion.members import MEMBERS, Member
from fusion.members.base import State
from fusion.model import ProductModel
from fusion.plugins import load_plugins
from fusion.saved_parts import SHOWN_NAME, described, name_and_config, rebuild
from fusion.stack import Stack
from heads import HEADS
from heads.base import Head

PACKAGES = ("torch", "torchvision", "transformers", "scikit-learn", "lightgbm", "numpy")
SPARE_BYTES = 2**26
"""What building may take beside a multiple of the weights: 64 MiB."""
TIMES_WEIGHTS = 16
"""Numbers are counted as 8 bytes, and some are made twice."""


def described_parts(
    model: ProductModel, targets: Mapping[str, Sequence[str]], *, files: Iterable[str]
) -> dict[str, Any]:
    """What the parts of a model are rebuilt from, besides what they learned; JSON types.

    Args:
        model: A trained model.
        targets: Target columns of each head.
        files: Names of the files of its members.

    Raises:
        BundleError: If a part is in no registry.
    """
    load_plugins()
    names = sorted(files)
    return {
        "made_with": {name: version(name) for name in PACKAGES},
        "encoders": {name: _describe_encoder(model.encoder(name)) for name in model.modalities},
        "heads": {
            name: {
                **name_and_config(HEADS, head),
                "target": list(targets[name]),
                "description": head.describe(),
            }
            for name, head in model.heads.items()
        },
        "members": {
            called: {
                **name_and_config(MEMBERS, member),
                "files": [name for name in names if name.startswith(f"{called}.")],
            }
            for called, member in model.members.items()
        },
        "stack": model.stack.config,
    }


def rebuild_model(
    document: Document,
    weights: Tensors,
    files: Mapping[str, bytes],
    *,
    n_weight_bytes: int,
) -> ProductModel:
    """The model that a description and its weights tell of.

    Args:
        document: The description.
        weights: Tensors of its encoders and members.
        files: Contents of the files of its members.
        n_weight_bytes: Size of all of these, which what is built must not exceed by far.

    Raises:
        BundleError: Naming the part that cannot be built.
        ConfigError: If an installed package that brings parts cannot be loaded.
    """
    load_plugins()
    check_owners(weights, modalities=document.encoders, members=document.members)
    encoders = {
        modality: _rebuild_encoder(modality, _computable(entry), n_weight_bytes=n_weight_bytes)
        for modality, entry in document.encoders.items()
    }
    with described("description"), _budget(n_weight_bytes):
        for modality, encoder in encoders.items():
            load_encoder(encoder, weights, modality=modality)
        heads = {name: _rebuild_head(name, entry) for name, entry in document.heads.items()}
        members: dict[str, Member] = {}
        for called, entry in document.members.items():
            state = member_state(called, weights, files)
            members[called] = _rebuild_member(called, entry, state, heads=heads, encoders=encoders)
        with described("stack"):
            stack = Stack(**vars(document.stack))
        with described("encoders, heads, members and stack together"):
            return ProductModel(encoders, heads=heads, members=members, stack=stack)


def _rebuild_member(
    called: str,
    entry: MemberEntry,
    state: State,
    *,
    heads: Mapping[str, Head],
    encoders: Mapping[str, Encoder],
) -> Member:
    member: Member = rebuild(MEMBERS, vars(entry), what=f"member {called}")
    with described(f"member {called}"):
        try:
            member.load_state(state, heads=heads, encoders=encoders)
        except ValueError as error:
            if isinstance(error, BundleError):
                raise
            raise BundleError(
                f"weights of member {called} must fit its description: {error}"
            ) from error
    return member


def _rebuild_head(name: str, entry: HeadEntry) -> Head:
    """A head whose target has as many numbers as there are target columns."""
    what = f"head {name[:SHOWN_NAME]}"
    head: Head = rebuild(HEADS, vars(entry), what=what)
    with described(what):
        n_columns, n_numbers = len(entry.target), prod(head.target_shape)
    if n_columns != n_numbers:
        raise BundleError(f"{what} must have {n_numbers} target columns, got {n_columns}.")
    return head


def _budget(n_weight_bytes: int) -> AllocationBudget:
    return AllocationBudget(SPARE_BYTES + TIMES_WEIGHTS * n_weight_bytes)


def _rebuild_encoder(modality: str, entry: EncoderEntry, *, n_weight_bytes: int) -> Encoder:
    what = f"encoder of {modality[:SHOWN_NAME]}"
    kind = ENCODERS.get(entry.name)
    try:
        if kind is not None and kind.cacheable:  # its weights are a checkpoint's, of any size
            encoder: Encoder = rebuild(ENCODERS, vars(entry), what=what)
        else:
            with described(what), _budget(n_weight_bytes):
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


def _describe_encoder(encoder: Encoder) -> dict[str, Any]:
    return {
        **name_and_config(ENCODERS, encoder),
        "origin": encoder.origin,
        "fingerprint": encoder.fingerprint,
    }


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

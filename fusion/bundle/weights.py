"""What was learned: tensors by names that tell whose they are, and files of members."""

import re
from collections.abc import Mapping
from typing import Protocol

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from encoders.base import Encoder
from fusion.bundle.kinds import FILE_NAME
from fusion.choices.members import MEMBER_NAME
from fusion.errors import BundleError
from fusion.members.base import State
from fusion.saved_parts import RESTORE, SHOWN_NAME, described

Tensors = dict[str, Tensor]
WEIGHTS = "weights.safetensors"
"""The file of what was learned."""
ENCODERS = "encoders."
MEMBERS = "members."
TOLD = 5
LARGEST = 1e18
"""Bound of a number in single precision or less: squares stay finite. The largest of 92 trained
models was 1,900. Numbers in double precision may be in the units of the data, which have no bound.
"""
MOST_DOUBLE = torch.finfo(torch.float64).max


class Learned(Protocol):
    """What has a state, such as a member."""

    def state(self) -> State:
        """What was learned."""


def packed(tensors: Tensors) -> bytes:
    """The content of a safetensors file."""
    return save_tensors({name: tensor.contiguous() for name, tensor in tensors.items()})


def unpacked(content: bytes, file: str, *, most_double: float = MOST_DOUBLE) -> Tensors:
    """The tensors of a file; each number is finite and within its bound, see `check_numbers`.

    Raises:
        BundleError: If the file is no safetensors file, or holds what `check_numbers` refuses.
    """
    with described(file):
        tensors = load_tensors(content)
        check_numbers(tensors, file, most_double=most_double)
        return tensors


def check_numbers(tensors: Tensors, file: str, *, most_double: float = MOST_DOUBLE) -> None:
    """Refuses numbers that no training gives, of which answers would be made that are none.

    Args:
        tensors: By name.
        file: Where they stand.
        most_double: Bound of a number in double precision.

    Raises:
        BundleError: If a float is not finite, or beyond `LARGEST` in single precision or less.
    """
    odd = [
        name[:SHOWN_NAME] for name, tensor in tensors.items() if not _is_sound(tensor, most_double)
    ]
    if odd:
        double = "" if most_double == MOST_DOUBLE else f", in double up to {most_double:.0e}"
        raise BundleError(
            f"{file} must hold finite numbers, in single precision up to {LARGEST:.0e}{double}, "
            f"got others in {', '.join(odd[:TOLD])} ({len(odd)}). {RESTORE}"
        )


def _is_sound(tensor: Tensor, most_double: float) -> bool:
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    is_double = tensor.dtype == torch.float64
    low, high = (tensor if is_double else tensor.float()).aminmax()  # NaN where any is NaN
    most = most_double if is_double else LARGEST
    return bool((-low <= most) & (high <= most))


def learned_state(
    encoders: Mapping[str, Encoder],
    members: Mapping[str, Learned],
    *,
    most_double: float = MOST_DOUBLE,
) -> tuple[Tensors, dict[str, bytes]]:
    """Tensors of encoders and members by their names in a folder, and contents of members' files.

    Args:
        encoders: By modality.
        members: By name.
        most_double: Bound of a number in double precision.

    Raises:
        BundleError: If a name of a member or of its file is none that a file can have, or a number
            that was learned is not finite, so that the model could not be loaded.
    """
    tensors = {
        f"{ENCODERS}{modality}.{name}": tensor
        for modality, encoder in encoders.items()
        for name, tensor in encoder.delta_state_dict().items()
    }
    files: dict[str, bytes] = {}
    for called, member in members.items():
        if not re.fullmatch(MEMBER_NAME, called):
            raise BundleError(
                f"member name must be letters a to z, digits and _ to be saved, got {called!r}. "
                "Choose another."
            )
        for name, learned in member.state().items():
            if isinstance(learned, Tensor):
                tensors[f"{MEMBERS}{called}.{name}"] = learned
            elif re.fullmatch(FILE_NAME, f"{called}.{name}"):
                files[f"{called}.{name}"] = learned
            else:
                raise BundleError(
                    f"file of member {called} must be named by letters, digits, _ and dots before "
                    f".txt, got {name!r}. Name it so in {type(member).__name__}.state."
                )
    check_numbers(tensors, WEIGHTS, most_double=most_double)
    return tensors, files


def check_owners(
    tensors: Tensors, *, modalities: Mapping[str, object], members: Mapping[str, object]
) -> None:
    """Refuses tensors that belong to nothing of the description.

    Raises:
        BundleError: With their names.
    """
    known = tuple(
        [*(f"{ENCODERS}{name}." for name in modalities), *(f"{MEMBERS}{name}." for name in members)]
    )
    odd = [name[:SHOWN_NAME] for name in sorted(tensors) if not name.startswith(known)]
    if odd:
        raise BundleError(
            f"weights must be those of the description, got {', '.join(odd[:TOLD])} ({len(odd)})."
        )


def load_encoder(encoder: Encoder, tensors: Tensors, *, modality: str) -> None:
    """Puts the weights that no checkpoint holds into an encoder.

    Raises:
        BundleError: If one is missing, left over or of another shape.
    """
    own = encoder.delta_state_dict()
    given = _of(f"{ENCODERS}{modality}.", tensors)
    odd = sorted(own.keys() ^ given.keys()) or [
        name for name in own if own[name].shape != given[name].shape
    ]
    if odd:
        raise BundleError(
            f"weights of the encoder of {modality[:SHOWN_NAME]} must fit its description, got "
            f"{', '.join(name[:SHOWN_NAME] for name in odd[:TOLD])} missing, left over or of "
            f"another shape ({len(odd)})."
        )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(given[name])


def member_state(called: str, tensors: Tensors, files: Mapping[str, bytes]) -> State:
    """What a member gave as its state."""
    own = {
        name.removeprefix(f"{called}."): content
        for name, content in files.items()
        if name.startswith(f"{called}.")
    }
    return {**_of(f"{MEMBERS}{called}.", tensors), **own}


def _of(owner: str, tensors: Tensors) -> Tensors:
    return {
        name.removeprefix(owner): tensor
        for name, tensor in tensors.items()
        if name.startswith(owner)
    }

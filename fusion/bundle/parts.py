"""Heads, members and the whole of a model as names and configurations, and back."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from math import prod
from typing import Any, TypeVar

from fusion.bundle.budget import weights_budget
from fusion.bundle.document import Document, HeadEntry
from fusion.bundle.kinds import MemberEntry
from fusion.bundle.saved_encoders import described_encoders, rebuild_encoders
from fusion.bundle.weights import Tensors, check_owners, member_state
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
M = TypeVar("M")


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
    encoders = {name: model.encoder(name) for name in model.modalities}
    return {
        "made_with": made_with(),
        "encoders": described_encoders(encoders),
        "heads": {
            name: {
                **name_and_config(HEADS, head),
                "target": list(targets[name]),
                "description": head.describe(),
            }
            for name, head in model.heads.items()
        },
        "members": described_members(MEMBERS, model.members, files=files),
        "stack": model.stack.config,
    }


def made_with() -> dict[str, str]:
    """Versions of the packages that saved models depend on."""
    return {name: version(name) for name in PACKAGES}


def described_members(
    registry: Mapping[str, Any], members: Mapping[str, Any], *, files: Iterable[str]
) -> dict[str, Any]:
    """Registry name, configuration and files of each member.

    Args:
        registry: Every kind of member by name.
        members: By name.
        files: Names of the files of all of them.

    Raises:
        BundleError: If a member is in no registry.
    """
    names = sorted(files)
    return {
        called: {
            **name_and_config(registry, member),
            "files": [name for name in names if name.startswith(f"{called}.")],
        }
        for called, member in members.items()
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
    encoders = rebuild_encoders(document.encoders, weights, n_weight_bytes=n_weight_bytes)
    with described("description"), weights_budget(n_weight_bytes):
        heads = {name: _rebuild_head(name, entry) for name, entry in document.heads.items()}

        def load(member: Member, state: State) -> None:
            member.load_state(state, heads=heads, encoders=encoders)

        states = {name: member_state(name, weights, files) for name in document.members}
        members = rebuild_members(MEMBERS, document.members, states, load=load)
        with described("stack"):
            stack = Stack(**vars(document.stack))
        with described("encoders, heads, members and stack together"):
            return ProductModel(encoders, heads=heads, members=members, stack=stack)


def rebuild_members(
    registry: Mapping[str, type[M]],
    entries: Mapping[str, MemberEntry],
    states: Mapping[str, State],
    *,
    load: Callable[[M, State], None],
) -> dict[str, M]:
    """Members out of their descriptions and states.

    Args:
        registry: Every kind of member by name.
        entries: Name -> description.
        states: Name -> what the member gave as its state.
        load: Gives a new member its state.

    Raises:
        BundleError: Naming the member that cannot be built.
    """
    members: dict[str, M] = {}
    for called, entry in entries.items():
        what = f"member {called}"
        members[called] = rebuild(registry, vars(entry), what=what)
        with described(what):
            try:
                load(members[called], states[called])
            except ValueError as error:
                if isinstance(error, BundleError):
                    raise
                raise BundleError(f"weights of {what} must fit its description: {error}") from error
    return members


def _rebuild_head(name: str, entry: HeadEntry) -> Head:
    """A head whose target has as many numbers as there are target columns."""
    what = f"head {name[:SHOWN_NAME]}"
    head: Head = rebuild(HEADS, vars(entry), what=what)
    with described(what):
        n_columns, n_numbers = len(entry.target), prod(head.target_shape)
    if n_columns != n_numbers:
        raise BundleError(f"{what} must have {n_numbers} target columns, got {n_columns}.")
    return head

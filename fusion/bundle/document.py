"""What `bundle.json` must look like: one schema, and one error that names what does not fit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, with_config

from encoders.spelling import unknown_name
from fusion.bundle.kinds import (
    MOST_PARTS,
    EncoderEntries,
    FileEntries,
    Kind,
    MadeWith,
    MemberEntries,
    Shares,
    or_null,
)
from fusion.data.schema import Schema
from fusion.errors import BundleError
from fusion.modalities import input_roles
from fusion.saved_parts import INSTALL, SHOWN_NAME, described
from fusion.system.documents import EXACT, Nested, Text

FORMAT = 10
FILES = ("weights.safetensors", "reference.safetensors")
"""Files of every bundle, beside its description; members may have files of their own."""


@with_config(EXACT)
@dataclass(frozen=True)
class HeadEntry:
    """Registry name and configuration of a head, its target columns, and what it answers."""

    name: Text
    config: Nested
    target: Annotated[list[Text], Field(min_length=1, max_length=MOST_PARTS)]
    description: Text


@with_config(EXACT)
@dataclass(frozen=True)
class StackEntry:
    """Head -> member -> how much it counts; of rows with a category never seen where it differs."""

    weights: Shares
    new_weights: Annotated[Shares, or_null]


@with_config(EXACT)
@dataclass(frozen=True)
class Document:
    """The content of `bundle.json`, version 10.

    Members, like encoders and heads, stand under the names that the model has for them; the name
    inside is the one in the table of their room.
    """

    format: Literal[10]
    made_with: MadeWith
    schema: Nested
    encoders: EncoderEntries
    heads: Annotated[dict[Text, HeadEntry], Field(min_length=1, max_length=MOST_PARTS)]
    members: MemberEntries
    stack: StackEntry
    info: Nested
    files: FileEntries


BUNDLE = Kind(
    name="bundle",
    schema=Document,
    format=FORMAT,
    files=FILES,
    keys=frozenset({"format", "schema", "encoders", "heads", "files"}),
)
"""Trained models of items."""


def saved_schema(given: Mapping[str, Any]) -> Schema:
    """The schema of a saved model, as its description holds it.

    Raises:
        BundleError: If it is damaged, or has a role of a modality that is not here.
    """
    with described("schema"):
        for role in given.get("columns", {}):
            if role not in input_roles():
                said = unknown_name("role of columns", str(role)[:SHOWN_NAME], input_roles())
                raise BundleError(f"{said} {INSTALL}")
        return Schema.from_dict(given)

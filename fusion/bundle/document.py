"""What `bundle.json` must look like: one schema, and one error that names what does not fit."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, Strict, TypeAdapter, ValidationError, WrapValidator, with_config

from encoders.spelling import unknown_name
from fusion.choices.members import MEMBER_NAME
from fusion.data.problems import shown
from fusion.data.schema import Schema
from fusion.errors import BundleError
from fusion.modalities import input_roles
from fusion.saved_parts import INSTALL, RESTORE, SHOWN_NAME, described
from fusion.system.documents import EXACT, MOST_TOLD, Count, Nested, Sha256, Text, strict_json

FORMAT = 10
FILES = ("weights.safetensors", "reference.safetensors")
"""Files of every bundle, beside its description; members may have files of their own."""
MOST_VALUES = 2**22
"""Values that a description may hold: each takes some 100 bytes when it is read."""
MOST_PARTS = 1000
MOST_FILES = 10_000
FILE_NAME = rf"{MEMBER_NAME}(?:\.[A-Za-z0-9_]{{1,100}}){{1,5}}\.txt"

MemberName = Annotated[Text, Field(pattern=rf"^{MEMBER_NAME}$")]
FileName = Annotated[
    Text, Field(pattern=rf"^(?:{FILE_NAME}|weights\.safetensors|reference\.safetensors)$")
]
Share = Annotated[float, Strict(), Field(ge=0.0, le=1.0)]
Shares = Annotated[
    dict[Text, Annotated[dict[MemberName, Share], Field(max_length=MOST_PARTS)]],
    Field(max_length=MOST_PARTS),
]


_or_null = WrapValidator(lambda value, check: None if value is None else check(value))


@with_config(EXACT)
@dataclass(frozen=True)
class EncoderEntry:
    """Registry name and configuration of an encoder, and which weights it had."""

    name: Text
    config: Nested
    fingerprint: Text
    origin: Annotated[Nested, _or_null]


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
class MemberEntry:
    """Registry name and configuration of a member, and the files that it has beside its tensors."""

    name: Text
    config: Nested
    files: Annotated[list[FileName], Field(max_length=MOST_FILES)]


@with_config(EXACT)
@dataclass(frozen=True)
class StackEntry:
    """Head -> member -> how much it counts; of rows with a category never seen where it differs."""

    weights: Shares
    new_weights: Annotated[Shares, _or_null]


@with_config(EXACT)
@dataclass(frozen=True)
class FileEntry:
    """What a file must be for the bundle to be whole."""

    sha256: Sha256
    size_bytes: Count


@with_config(EXACT)
@dataclass(frozen=True)
class Document:
    """The content of `bundle.json`, version 10.

    Members, like encoders and heads, stand under the names that the model has for them; the name
    inside is the one in the table of their room.
    """

    format: Literal[10]
    made_with: Annotated[dict[Text, Text], Field(max_length=100)]
    schema: Nested
    encoders: Annotated[dict[Text, EncoderEntry], Field(min_length=1, max_length=MOST_PARTS)]
    heads: Annotated[dict[Text, HeadEntry], Field(min_length=1, max_length=MOST_PARTS)]
    members: Annotated[dict[MemberName, MemberEntry], Field(min_length=1, max_length=MOST_PARTS)]
    stack: StackEntry
    info: Nested
    files: Annotated[dict[FileName, FileEntry], Field(max_length=MOST_FILES)]


_ADAPTER = TypeAdapter(Document)


def parsed_document(content: bytes) -> Document:
    """The description of a bundle, complete and of the known format.

    Raises:
        BundleError: With the first parts that are missing, left over or of the wrong kind.
    """
    with described("bundle.json"):
        if content.count(b",") + content.count(b"[") > MOST_VALUES:
            raise BundleError(f"bundle.json must hold at most {MOST_VALUES:,} values. {RESTORE}")
        values = strict_json(content)
        if not isinstance(values, dict) or "format" not in values:
            raise BundleError("bundle.json must be an object with a format, got another document.")
        if values["format"] != FORMAT or isinstance(values["format"], bool | float):
            raise BundleError(
                f"format must be {FORMAT}, got {shown(values['format'])}. Another version of "
                "product-fusion saved this bundle: load it there, or train again with this one."
            )
        try:
            document = _ADAPTER.validate_python(values)
        except ValidationError as error:
            faults = [_told(one, values) for one in error.errors()[:MOST_TOLD]]
            more = "; and more" if error.error_count() > MOST_TOLD else ""
            raise BundleError(f"{'; '.join(faults)}{more}. {RESTORE}") from None
        _check_files(document)
    return document


def _check_files(document: Document) -> None:
    """Refuses files that belong to no member, and those of a member that are not there.

    Raises:
        BundleError: With the names.
    """
    wanted = [*FILES]
    for name, member in document.members.items():
        foreign = [file for file in member.files if not file.startswith(f"{name}.")]
        if foreign:
            raise BundleError(
                f"files of member {name} must begin with its name, got {foreign[0]}. {RESTORE}"
            )
        wanted += member.files
    found = document.files.keys()
    if found != set(wanted) or len({file.lower() for file in wanted}) < len(wanted):
        raise BundleError(
            f"files of bundle.json must be {', '.join(wanted[: MOST_TOLD + 2])}, each once, got "
            f"{', '.join(list(found)[: MOST_TOLD + 2]) or 'none'}. {RESTORE}"
        )


def saved_schema(document: Document) -> Schema:
    """The schema of a bundle.

    Raises:
        BundleError: If it is damaged, or has a role of a modality that is not here.
    """
    with described("schema"):
        for role in document.schema.get("columns", {}):
            if role not in input_roles():
                said = unknown_name("role of columns", str(role)[:SHOWN_NAME], input_roles())
                raise BundleError(f"{said} {INSTALL}")
        return Schema.from_dict(document.schema)


_MUST = {
    "missing": "be there",
    "unexpected_keyword_argument": "not be there",
    "dataclass_type": "be an object",
    "dict_type": "be an object",
    "list_type": "be a list",
    "int_type": "be a whole number",
    "int_from_float": "be a whole number",
    "is_instance_of": "be a text",
    "string_type": "be a text",
    "string_pattern_mismatch": "match {pattern}",
    "too_short": "have at least {min_length}",
    "too_long": "have at most {max_length}",
    "greater_than_equal": "be at least {ge}",
    "less_than_equal": "be at most {le}",
    "float_type": "be a number",
    "less_than": "be below {lt}",
}


def _told(fault: Any, values: Any) -> str:
    """One fault of a document: where it is, what must be there and what is."""
    kind, message = fault["type"], fault["msg"].removeprefix("Value error, ")
    rule = _MUST[kind].format(**fault.get("ctx", {})) if kind in _MUST else message
    names: list[str] = []
    for key in fault["loc"]:  # keys that lead to it, and behind them what was tried there
        held = range(len(values)) if isinstance(values, list) else values
        if not isinstance(values, dict | list) or key not in held:
            break
        values = values[key]
        names.append(
            shown(key) if not str(key).isidentifier() and isinstance(key, str) else str(key)
        )
    got = shown(values)
    if fault["loc"][-1] == "[key]":  # the name itself
        got = names.pop()
        names.append("names")
    if kind == "missing":
        names, got = [*names, str(fault["loc"][-1])], "none"
    where = ".".join(names)[:SHOWN_NAME]
    return f"{where} of bundle.json must {rule.removeprefix('must ')}, got {got}"

"""Kinds of saved models, each one folder with a description of one schema, read in one way."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Generic, Protocol, TypeVar

from pydantic import Field, Strict, TypeAdapter, ValidationError, WrapValidator, with_config

from fusion.choices.members import MEMBER_NAME
from fusion.data.problems import shown
from fusion.errors import BundleError
from fusion.saved_parts import RESTORE, SHOWN_NAME, described
from fusion.system.documents import EXACT, MOST_TOLD, Count, Nested, Sha256, Text, strict_json

MOST_VALUES = 2**22
"""Values that a description may hold: each takes some 100 bytes when it is read."""
MOST_PARTS = 1000
MOST_FILES = 10_000
FILE_NAME = rf"{MEMBER_NAME}(?:\.[A-Za-z0-9_]{{1,100}}){{1,5}}\.txt"
TAKEN_BY = {
    "bundle": "`fusion predict`, FusionRegressor.load or load_bundle",
    "forecast": "`fusion forecast`, FusionForecaster.load or load_forecast",
}
"""Name of each kind of saved model -> what takes it."""

MemberName = Annotated[Text, Field(pattern=rf"^{MEMBER_NAME}$")]
FileName = Annotated[
    Text, Field(pattern=rf"^(?:{FILE_NAME}|(?:weights|reference|histories)\.safetensors)$")
]
Share = Annotated[float, Strict(), Field(ge=0.0, le=1.0)]
Shares = Annotated[
    dict[Text, Annotated[dict[MemberName, Share], Field(max_length=MOST_PARTS)]],
    Field(max_length=MOST_PARTS),
]
or_null = WrapValidator(lambda value, check: None if value is None else check(value))


@with_config(EXACT)
@dataclass(frozen=True)
class EncoderEntry:
    """Registry name and configuration of an encoder, and which weights it had."""

    name: Text
    config: Nested
    fingerprint: Text
    origin: Annotated[Nested, or_null]


@with_config(EXACT)
@dataclass(frozen=True)
class MemberEntry:
    """Registry name and configuration of a member, and the files that it has beside its tensors."""

    name: Text
    config: Nested
    files: Annotated[list[FileName], Field(max_length=MOST_FILES)]


@with_config(EXACT)
@dataclass(frozen=True)
class FileEntry:
    """What a file must be for the folder to be whole."""

    sha256: Sha256
    size_bytes: Count


MadeWith = Annotated[dict[Text, Text], Field(max_length=100)]
EncoderEntries = Annotated[dict[Text, EncoderEntry], Field(min_length=1, max_length=MOST_PARTS)]
MemberEntries = Annotated[dict[MemberName, MemberEntry], Field(min_length=1, max_length=MOST_PARTS)]
FileEntries = Annotated[dict[FileName, FileEntry], Field(max_length=MOST_FILES)]


class Description(Protocol):
    """What the description of every saved model has; `format` is there too."""

    @property
    def members(self) -> Mapping[str, MemberEntry]:
        """Its members by name."""

    @property
    def files(self) -> Mapping[str, FileEntry]:
        """Its files by name, beside the description and its checksum."""


D = TypeVar("D", bound=Description)


@dataclass(frozen=True)
class Kind(Generic[D]):
    """One kind of saved model.

    Args:
        name: One of `TAKEN_BY`; its description is `<name>.json`.
        schema: What the description must be.
        format: Version of the schema.
        files: Files that are always there; members may have files of their own.
        keys: Keys of the description by which a folder of any format is known.
        optional: Files that may be there.
    """

    name: str
    schema: type[D]
    format: int
    files: tuple[str, ...]
    keys: frozenset[str]
    optional: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """File of the description."""
        return f"{self.name}.json"

    @property
    def checksum(self) -> str:
        """File of the SHA-256 of the description."""
        return f"{self.name}.sha256"

    @cached_property
    def adapter(self) -> TypeAdapter[D]:
        """What checks a description."""
        return TypeAdapter(self.schema)


def parsed_document(content: bytes, kind: Kind[D]) -> D:
    """The description of a saved model, complete and of the known format.

    Raises:
        BundleError: With the first parts that are missing, left over or of the wrong kind.
    """
    file = kind.description
    with described(file):
        if content.count(b",") + content.count(b"[") > MOST_VALUES:
            raise BundleError(f"{file} must hold at most {MOST_VALUES:,} values. {RESTORE}")
        values = strict_json(content)
        if not isinstance(values, dict) or "format" not in values:
            raise BundleError(f"{file} must be an object with a format, got another document.")
        if values["format"] != kind.format or isinstance(values["format"], bool | float):
            raise BundleError(
                f"format must be {kind.format}, got {shown(values['format'])}. Another version "
                f"of product-fusion saved this {kind.name}: load it there, or train again with "
                "this one."
            )
        try:
            document = kind.adapter.validate_python(values)
        except ValidationError as error:
            faults = [_told(one, values, file) for one in error.errors()[:MOST_TOLD]]
            more = "; and more" if error.error_count() > MOST_TOLD else ""
            raise BundleError(f"{'; '.join(faults)}{more}. {RESTORE}") from None
        _check_files(document, kind)
    return document


def _check_files(document: Description, kind: Kind[D]) -> None:
    """Refuses files that belong to no member, and those of a member that are not there.

    Raises:
        BundleError: With the names.
    """
    wanted = [*kind.files, *(name for name in kind.optional if name in document.files)]
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
            f"files of {kind.description} must be {', '.join(wanted[: MOST_TOLD + 2])}, each "
            f"once, got {', '.join(list(found)[: MOST_TOLD + 2]) or 'none'}. {RESTORE}"
        )


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
    "greater_than": "be above {gt}",
    "literal_error": "be {expected}",
}


def _told(fault: Any, values: Any, file: str) -> str:
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
    return f"{where} of {file} must {rule.removeprefix('must ')}, got {got}"

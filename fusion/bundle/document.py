"""What `bundle.json` must look like, and errors that name the part which does not."""

from collections.abc import Mapping
from types import NoneType
from typing import Any

from encoders.spelling import unknown_name
from fusion.data.problems import shown
from fusion.data.schema import Schema
from fusion.errors import BundleError
from fusion.modalities import input_roles
from fusion.saved_parts import INSTALL, RESTORE, SHOWN_NAME, described
from fusion.system.documents import strict_json

Document = dict[str, Any]
FORMAT = 9
MOST_MEMBERS = 1000

_KEYS: dict[str, tuple[type, ...]] = {
    "format": (int,),
    "made_with": (dict,),
    "schema": (dict,),
    "encoders": (dict,),
    "n_networks": (int,),
    "fusion": (dict,),
    "linear": (dict, NoneType),
    "neighbours": (dict, NoneType),
    "heads": (dict,),
    "info": (dict,),
    "files": (dict,),
}
_PART: dict[str, tuple[type, ...]] = {"name": (str,), "config": (dict,)}
_ENCODER = {**_PART, "fingerprint": (str,), "origin": (dict, NoneType)}
_HEAD = {**_PART, "target": (list,), "decoder": (dict,)}
_FILE: dict[str, tuple[type, ...]] = {"sha256": (str,), "size_bytes": (int,)}


def parsed_document(content: bytes) -> Document:
    """The description of a bundle, complete and of the known format.

    Raises:
        BundleError: Naming the first part that is missing or of the wrong kind.
    """
    with described("bundle.json"):
        document = strict_json(content)
    if not isinstance(document, dict) or "format" not in document:
        raise BundleError("bundle.json must be an object with a format, got another document.")
    if document["format"] != FORMAT:
        raise BundleError(
            f"format must be {FORMAT}, got {shown(document['format'])}. Another version of "
            "product-fusion saved this bundle: load it there, or train again with this one."
        )
    _check("bundle.json", document, _KEYS)
    _check("fusion", document["fusion"], _PART)
    for kind, keys in (("encoders", _ENCODER), ("heads", _HEAD), ("files", _FILE)):
        for name, entry in document[kind].items():
            _check(f"{kind} {shown(name)}", entry, keys)
    for name, entry in document["heads"].items():
        _check(f"decoder of {shown(name)}", entry["decoder"], _PART)
        if not entry["target"] or not all(isinstance(one, str) for one in entry["target"]):
            raise BundleError(
                f"'target' of heads {shown(name)} must be names of columns, got "
                f"{shown(entry['target'])}. {RESTORE}"
            )
    if not 1 <= document["n_networks"] <= MOST_MEMBERS:
        got = shown(document["n_networks"])
        raise BundleError(f"n_networks must be from 1 to {MOST_MEMBERS}, got {got}. {RESTORE}")
    return document


def saved_schema(document: Document) -> Schema:
    """The schema of a bundle.

    Raises:
        BundleError: If it is damaged, or has a role of a modality that is not here.
    """
    with described("schema"):
        for role in document["schema"].get("columns", {}):
            if role not in input_roles():
                said = unknown_name("role of columns", str(role)[:SHOWN_NAME], input_roles())
                raise BundleError(f"{said} {INSTALL}")
        return Schema.from_dict(document["schema"])


def _check(what: str, found: object, keys: Mapping[str, tuple[type, ...]]) -> None:
    if not isinstance(found, dict):
        raise BundleError(f"{what} must be an object, got {shown(found)}. {RESTORE}")
    for key, kinds in keys.items():
        if key not in found:
            raise BundleError(f"{what} must have {key!r}, got none. {RESTORE}")
        value = found[key]
        if not isinstance(value, kinds) or isinstance(value, bool):
            names = " or ".join(_JSON[kind] for kind in kinds)
            raise BundleError(f"{key!r} of {what} must be {names}, got {shown(value)}. {RESTORE}")


_JSON = {
    int: "a whole number",
    str: "a text",
    dict: "an object",
    list: "a list",
    NoneType: "null",
}

"""JSON documents that are written and read back: each sealed, and of one schema.

A document begins with the SHA-256 of all that follows, so that one that was edited, cut or damaged
is not taken for what was written. Its schema holds where somebody wrote a fitting SHA-256: types,
counts and lengths. A schema is a class with type hints; those below are exact (`true` is no 1).
"""

import hashlib
import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    InstanceOf,
    Strict,
    TypeAdapter,
    ValidationError,
)

from fusion.system.files import read_regular_file

T = TypeVar("T")

MOST_TOLD = 3  # faults of one document
MOST_NESTED = 30
EXACT = ConfigDict(extra="forbid")
"""For classes of documents: unknown keys are refused."""

Whole = Annotated[int, Strict(), Field(ge=-(2**63), lt=2**63)]
Count = Annotated[int, Strict(), Field(ge=0, lt=2**53)]
Positive = Annotated[int, Strict(), Field(ge=1, lt=2**53)]
Finite = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Text = Annotated[InstanceOf[str], Field(max_length=100_000)]
"""Any text: pydantic's own refuses lone surrogates, which names of files may hold."""
Nested = Annotated[
    dict[Text, Any], AfterValidator(lambda found: _checked_depth(found, MOST_NESTED))
]
"""An object of any content, nested no deeper than `MOST_NESTED`."""
Sha256 = Annotated[str, Strict(), Field(pattern=r"^[0-9a-f]{64}$")]

_SEAL = b'{"sha256": "%b",'
_SEAL_BYTES = len(_SEAL % b"") + 64


def sealed(document: bytes) -> bytes:
    """A JSON object with the SHA-256 of all that follows as its first key.

    Example:
        >>> sealed(b'{"n_rows": 3}')[:22]
        b'{"sha256": "fcc41b3798'
    """
    return _seal(document[1:]) + document[1:]


def seal_of(document: bytes) -> str:
    """The SHA-256 with which `sealed` bytes begin.

    Example:
        >>> seal_of(sealed(b'{"n_rows": 3}'))[:8]
        'fcc41b37'
    """
    return document[len(_SEAL) - 4 : _SEAL_BYTES - 2].decode("ascii", errors="replace")


def _seal(rest: bytes) -> bytes:
    return _SEAL % hashlib.sha256(rest).hexdigest().encode()


def read_document(path: Path, kind: type[T], *, max_bytes: int = 1_000_000) -> T:
    """What `sealed` bytes in a file say.

    Args:
        path: The file.
        kind: Class that the object must fit.
        max_bytes: Size that the file may have.

    Raises:
        OSError: If there is no file, or it cannot be read.
        ValueError: If it is no regular file, too large, damaged, or does not fit.
    """
    return parse_document(read_regular_file(path, max_bytes=max_bytes), kind)


def parse_document(content: bytes, kind: type[T]) -> T:
    """What `sealed` bytes say.

    Raises:
        ValueError: If they are damaged or do not fit.
    """
    seal, rest = content[:_SEAL_BYTES], content[_SEAL_BYTES:]
    if not seal.startswith(_SEAL[:-4]):
        raise ValueError('must begin with the key "sha256", as this version writes it')
    if seal != _seal(rest):
        raise ValueError("must hold the bytes that were written, got others")
    return checked(strict_json(b"{" + rest), kind)


def strict_json(content: bytes) -> Any:
    """What JSON says, where each key stands once and each number is finite.

    Raises:
        ValueError: If it is anything else, or nested too deeply to be read.
    """
    try:
        return json.loads(
            content, object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refused
        )
    except RecursionError as error:
        raise ValueError("must not be nested so deeply") from error


def checked(values: Mapping[str, Any], kind: type[T]) -> T:
    """An object of a document as what it should be.

    Raises:
        ValueError: If it does not fit.
    """
    schema: Any = kind
    try:
        found: T = _adapter(schema).validate_python(values)
    except ValidationError as error:
        raise ValueError("; ".join(map(_told, error.errors()[:MOST_TOLD]))) from error
    except RecursionError as error:
        raise ValueError("must not be nested so deeply") from error
    return found


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _checked_depth(value: Any, left: int) -> Any:
    if not left:
        raise ValueError(f"must not be nested more than {MOST_NESTED} deep")
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            _checked_depth(inner, left - 1)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("must have each key once, got one twice")
    return found


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refused(digits)


def _refused(word: str) -> NoReturn:
    raise ValueError(f"must hold finite numbers, got {word[:20]}")


def _told(detail: Any) -> str:
    place = ".".join(map(str, detail["loc"]))[:100]
    return f"{place}: {detail['msg']}" if place else str(detail["msg"])

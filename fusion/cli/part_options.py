"""`--encoder`, `--column` and `--member`: what a user chooses, as words of a shell."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fusion.choices.parameters import EncoderPaths

Encoders = Annotated[
    list[str] | None,
    typer.Option(
        "--encoder",
        metavar="MODALITY[.OPTION]=VALUE",
        help="What reads a modality, and its options; repeatable: text=minilm, a hub id or a "
        "folder, text.backend=onnx, image=resnet50, image.weights=imagenet, image.decoder=fast.",
    ),
]
MovedEncoders = Annotated[
    list[str] | None,
    typer.Option(
        "--encoder",
        metavar="MODALITY[.OPTION]=PLACE",
        help="Where weights of the model's encoders lie now, if they moved: text=FOLDER, "
        "image.weights=FILE; repeatable.",
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="ROLE=NAME",
        help="A column and its role: id=sku, text=title, image=photo; repeatable. Roles that are "
        "not named are found.",
    ),
]
Members = Annotated[
    list[str] | None,
    typer.Option(
        "--member",
        metavar="NAME",
        help="A model that answers beside others: network, kernel, ridge, trees; repeatable. "
        "How much each counts is found on rows held out.",
    ),
]


def encoder_words(words: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """`text=minilm`, `image.weights=imagenet` -> options by modality, as `EncoderChoices` takes.

    Raises:
        ConfigError: With every word of another form, or what is said twice.
    """
    from fusion.errors import ConfigError

    found: dict[str, dict[str, Any]] = {}
    twice: list[str] = []

    def take(left: str, right: str) -> bool:
        modality, dot, option = left.partition(".")
        if not modality or (dot and not option) or option == "name":
            return False
        if (option or "name") in found.get(modality, {}):
            twice.append(left)
            return True
        found.setdefault(modality, {})[option or "name"] = _value(right) if dot else right
        return True

    _take_each("encoder", words, take, "MODALITY=NAME", "text=minilm or image.weights=imagenet")
    if twice:
        got = ", ".join(dict.fromkeys(twice))
        raise ConfigError(f"--encoder must say each thing once, got {got} more than once.")
    return found


def column_words(words: Sequence[str] | None) -> dict[str, list[str]]:
    """`text=title`, `text=brand` -> columns by role.

    Raises:
        ConfigError: With every word of another form.
    """
    found: dict[str, list[str]] = {}

    def take(role: str, name: str) -> bool:
        found.setdefault(role, []).append(name)
        return bool(role)

    _take_each("column", words, take, "ROLE=NAME", "text=title")
    return found


def member_words(words: Sequence[str] | None) -> list[str]:
    """Names of members, each once.

    Raises:
        ConfigError: With the names that are said twice.
    """
    from fusion.errors import ConfigError

    names = list(words or ())
    twice = dict.fromkeys(name for name in names if names.count(name) > 1)
    if twice:
        raise ConfigError(
            f"--member must name each member once, got {', '.join(twice)} more than once."
        )
    return names


def moved_encoders(words: Sequence[str] | None) -> "EncoderPaths":
    """Where weights of a trained model's encoders lie now; its encoders themselves are its own.

    Raises:
        ConfigError: With every word that says anything else.
    """
    from fusion.choices.parameters import EncoderPaths
    from fusion.errors import ConfigError

    given = encoder_words(words)
    encoder_paths = EncoderPaths.of(given)
    others = [f"{name}.{option}" for name, option in _no_places(given, encoder_paths)]
    if others:
        raise ConfigError(
            f"encoder must say where weights lie now (text=FOLDER, image.weights=FILE), got "
            f"{', '.join(others)}. Leave it out: a trained model has its own encoders."
        )
    return encoder_paths


def _no_places(
    given: Mapping[str, Mapping[str, Any]], encoder_paths: "EncoderPaths"
) -> list[tuple[str, str]]:
    """Modality and option of everything that is given and is no place."""
    moved = {(modality, option) for modality, option, _ in encoder_paths.moved}
    named = {modality for modality, option in moved if option not in given[modality]}
    return [
        (modality, option)
        for modality, options in given.items()
        for option in options
        if not ((modality, option) in moved or (option == "name" and modality in named))
    ]


def _take_each(
    option: str,
    words: Sequence[str] | None,
    take: Callable[[str, str], bool],
    form: str,
    example: str,
) -> None:
    from fusion.errors import ConfigError

    wrong = []
    for word in words or ():
        left, equals, right = word.partition("=")
        if not (equals and right and take(left, right)):
            wrong.append(word)
    if wrong:
        got = ", ".join(map(repr, wrong))
        raise ConfigError(f"--{option} must be written {form}, such as {example}, got {got}.")


def _value(word: str) -> Any:
    """A value as it is meant: `none`, `true`, `false`, a number, or text."""
    plain = {"none": None, "true": True, "false": False}
    if word in plain:
        return plain[word]
    for number in (int, float):
        try:
            return number(word)
        except ValueError:
            continue
    return word

"""Which encoder reads which modality, as a user chose: checked by names, usual ones without torch.

A choice is a name (`minilm`, `resnet50`, a hub id, a folder), a built encoder, or a mapping with
options of that encoder: `{"name": "resnet50", "weights": "imagenet"}`. Without a `name`, options go
to the modality's default encoder.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encoders.names import KNOWN, PLACES, Known
from encoders.spelling import unknown_name
from fusion.choices.mistakes import Mistakes, option_names
from fusion.errors import ConfigError
from fusion.first_use import modules_of_table
from fusion.modalities import MODALITIES
from fusion.plugins import load_plugins

if TYPE_CHECKING:
    from encoders.base import Encoder

HUB = ("a hub id such as google-bert/bert-base-uncased", "a folder")
SET_ELSEWHERE = {"values", "transform", "adapter"}
"""Parameters of encoders that come from the training rows, the head and the tuning."""


@dataclass(frozen=True)
class EncoderChoice:
    """The encoder of one modality.

    Args:
        encoder: Its name in `ENCODERS`, or a built one.
        options: Keyword arguments that build it, or that its `fitted` takes.
        learns: It is fitted on the training rows.
    """

    encoder: "str | Encoder"
    options: Mapping[str, Any] = field(default_factory=dict)
    learns: bool = False

    def to_dict(self) -> dict[str, Any]:
        """What can be compared later, JSON types: a built encoder by its fingerprint."""
        if isinstance(self.encoder, str):
            return {"name": self.encoder, **self.options}
        return {"name": type(self.encoder).__name__, "fingerprint": self.encoder.fingerprint}


@dataclass(frozen=True)
class EncoderChoices:
    """The encoders of all modalities: those that were chosen, the others by default.

    Args:
        given: Modality -> name, built encoder, or mapping of a `name` and options.

    Raises:
        ConfigError: With every modality, name and option that is unknown, and every encoder that
            reads something else.

    Example:
        >>> choices = EncoderChoices({"image": {"name": "resnet50", "weights": "imagenet"}})
        >>> choices["image"].encoder, choices["image"].options
        ('resnet', {'architecture': 'resnet50', 'weights': 'imagenet'})
        >>> choices["text"].options
        {'checkpoint': 'minilm'}
    """

    given: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        load_plugins()
        given = self.given
        if not isinstance(given, Mapping):
            raise ConfigError(
                "encoders must be choices by modality, such as {'text': 'minilm'}, got "
                f"{given!r}."
            )
        mistakes = Mistakes()
        mistakes.add(
            unknown_name("a modality of encoders", name, MODALITIES)
            for name in given
            if name not in MODALITIES
        )
        plain = {name: _plain(choice) for name, choice in given.items() if name in MODALITIES}
        for modality, choice in plain.items():
            with mistakes.gathered():
                _chosen(modality, choice)
        mistakes.refuse()
        object.__setattr__(self, "given", plain)

    def __getitem__(self, modality: str) -> EncoderChoice:
        """The choice for a modality of `MODALITIES`."""
        return _chosen(modality, self.given.get(modality, {}))


def _plain(choice: Any) -> dict[str, Any]:
    """A choice as a mapping; paths as text."""
    given = dict(choice) if isinstance(choice, Mapping) else {"name": choice}
    return {name: str(one) if isinstance(one, Path) else one for name, one in given.items()}


def _chosen(modality: str, given: Mapping[str, Any]) -> EncoderChoice:
    """The encoder that a choice names, with all its options.

    Raises:
        ConfigError: With everything that is wrong.
    """
    what, kind = f"encoders.{modality}", MODALITIES[modality].kind
    options = {name: value for name, value in given.items() if name != "name"}
    name = given.get("name", MODALITIES[modality].default_encoder)
    if _is_built(name):
        _check_built(what, name, options, kind=kind)
        return EncoderChoice(name)
    known = {each: known for each, known in _known().items() if known.kind == kind}
    encoder = _entry_of(name, known)
    if encoder is None:
        raise ConfigError(unknown_name(what, name, _choosable(known)))
    if encoder not in KNOWN:
        from encoders import ENCODERS

        known[encoder] = described(ENCODERS[encoder])
    mistakes = Mistakes()
    mistakes.add(_option_mistakes(what, name, options, known[encoder].options))
    mistakes.refuse()
    implied = {known[encoder].named_by: name} if known[encoder].named_by else {}
    return EncoderChoice(encoder, {**implied, **options}, learns=known[encoder].learns)


def _is_built(choice: object) -> bool:
    if "encoders.base" not in sys.modules:  # then nobody has built any
        return False
    from encoders import Encoder

    return isinstance(choice, Encoder)


def _check_built(what: str, encoder: "Encoder", options: Mapping[str, Any], *, kind: str) -> None:
    mistakes = Mistakes()
    if encoder.modality != kind:
        got = f"{type(encoder).__name__}, which reads {encoder.modality}"
        mistakes.add([f"{what} must be an encoder that reads {kind}, got {got}."])
    if options:
        mistakes.add(
            [
                f"{what} must have no options beside a built encoder, got {', '.join(options)}. "
                "Build it with them."
            ]
        )
    mistakes.refuse()


def _entry_of(name: object, known: Mapping[str, Known]) -> str | None:
    """The entry of `ENCODERS` that a name chooses; None where it chooses none."""
    if not isinstance(name, str):
        return None
    for entry, each in known.items():
        if name in each.names or (name == entry and not each.named_by):
            return entry
    is_place = "/" in name or Path(name).is_dir()
    return next(
        (entry for entry, each in known.items() if is_place and each.reads_checkpoints), None
    )


def _choosable(known: Mapping[str, Known]) -> list[str]:
    names = [name for entry, each in known.items() for name in each.names or (entry,)]
    return [*names, *(HUB if any(each.reads_checkpoints for each in known.values()) else ())]


def _option_mistakes(
    what: str,
    name: str,
    options: Mapping[str, Any],
    valid: Mapping[str, tuple[str, ...] | None] | None,
) -> list[str]:
    """Options that an encoder does not have, and values that cannot be right."""
    unknown = [option for option in options if valid is not None and option not in valid]
    if unknown and not valid:
        return [
            f"options of {what} ({name}) must be none, got {', '.join(map(str, unknown))}. "
            "Leave them out."
        ]
    found = [unknown_name(f"options of {what} ({name})", each, valid or ()) for each in unknown]
    for option, value in options.items():
        values = (valid or {}).get(option)
        if values is not None and value not in values:
            found.append(unknown_name(f"{what}.{option}", value, values))
        if option in PLACES and not isinstance(value, str | None):
            found.append(f"{what}.{option} must be a name, a file or None, got {value!r}.")
    return found


def _known() -> dict[str, Known]:
    """What is known of each entry of `ENCODERS`; where `KNOWN` has none, what kind it reads."""
    load_plugins()
    if "encoders.registry" not in sys.modules:  # then nobody has added any
        modules = modules_of_table("encoders.registry", "ENCODERS")
        kinds = {name: module.split(".")[1] for name, module in modules.items()}  # their folders
    else:
        from encoders import ENCODERS

        kinds = {name: encoder.modality for name, encoder in ENCODERS.items()}
    return {name: KNOWN.get(name) or Known(kind) for name, kind in kinds.items()}


def described(kind: "type[Encoder]") -> Known:
    """What the class of an encoder says by itself."""
    from encoders import Encoder

    fitted = getattr(kind, "fitted", None)  # what learns from rows has it
    has_none = fitted is None and kind.__init__ is Encoder.__init__  # which is that of torch
    names = set[str]() if has_none else option_names(kind)
    if names is not None:
        names -= SET_ELSEWHERE | {role for each in MODALITIES.values() for role in each.roles}
    options = None if names is None else dict.fromkeys(sorted(names))
    return Known(kind.modality, learns=fitted is not None, options=options)

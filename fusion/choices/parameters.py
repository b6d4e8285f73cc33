"""What a loaded model keeps of its estimator, and where weights of its encoders lie now."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from encoders.names import PLACES
from encoders.spelling import unknown_name
from fusion.choices.encoders import EncoderChoice, EncoderChoices
from fusion.data.panel.columns import SalesColumns
from fusion.errors import BundleError, ConfigError

USED_AFTER_TRAINING = ("photos", "store", "tuning_folder", "on_bad_rows", "verbose")
"""Parameters that say where things lie and what to do, not what is learned."""


@dataclass(frozen=True)
class NotKept:
    """Stands for a parameter that a bundle could not keep; `fit` refuses it.

    Args:
        why: What it was, or who made the bundle.
    """

    why: str


def kept_parameters(parameters: Mapping[str, Any], *, estimator: str) -> dict[str, Any]:
    """What a bundle keeps of the parameters of an estimator, JSON types.

    Paths become text; a value that JSON cannot hold, such as an encoder, is kept by its type's
    name alone.
    """
    values, lost = {}, {}
    for name, value in parameters.items():
        try:
            values[name] = _plain(value)
        except _NoJsonError as error:
            lost[name] = value.why if isinstance(value, NotKept) else str(error)
    return {"estimator": estimator, "values": values, "lost": lost}


def restored_parameters(
    kept: Mapping[str, Any] | None, *, estimator: str, valid: list[str]
) -> dict[str, Any]:
    """Parameters from what `kept_parameters` gave; `NotKept` for those that are not known.

    Args:
        kept: What the bundle has; None where no estimator made it.
        estimator: Name of the class that gets them.
        valid: Names of its parameters.

    Raises:
        BundleError: If the bundle has something else in their place.
    """
    if kept is not None and not _is_kept(kept):
        raise BundleError(
            "parameters of the bundle must be an estimator with values and lost ones, got "
            f"{str(kept)[:200]}. Restore the folder from a copy or train again."
        )
    if kept is None or kept["estimator"] != estimator:
        maker = "the command line" if kept is None else kept["estimator"]
        learned = [name for name in valid if name not in USED_AFTER_TRAINING]
        return {name: NotKept(f"made by {maker}") for name in learned}
    lost = {name: NotKept(why) for name, why in kept["lost"].items()}
    return {name: value for name, value in {**kept["values"], **lost}.items() if name in valid}


def loaded_parameters(
    kept: Mapping[str, Any] | None,
    given: Mapping[str, Any],
    *,
    estimator: str,
    valid: list[str],
) -> dict[str, Any]:
    """Parameters that an estimator was saved with, and in their place those that are given now.

    Args:
        kept: What the saved model has; None where no estimator made it.
        given: Names and values; `encoders` are merged with those of the saved model.
        estimator: Name of the class that gets them.
        valid: Names of its parameters.

    Raises:
        BundleError: If the saved model has something else in their place.
        ConfigError: If encoders are none.
    """
    restored = restored_parameters(kept, estimator=estimator, valid=valid)
    if "encoders" not in given:
        return {**restored, **given}
    merged = merged_encoders(restored.get("encoders"), given["encoders"])
    EncoderChoices({} if merged is None else merged)
    return {**restored, **given, "encoders": merged}


def _is_kept(kept: Any) -> bool:
    """True for what `kept_parameters` gives."""
    return (
        isinstance(kept, dict)
        and isinstance(kept.get("estimator"), str)
        and isinstance(kept.get("values"), dict)
        and isinstance(kept.get("lost"), dict)
        and all(isinstance(why, str) for why in kept["lost"].values())
    )


def check_known(parameters: Mapping[str, Any], valid: list[str]) -> None:
    """Refuses parameters that an estimator does not have.

    Raises:
        ConfigError: With the nearest valid names.
    """
    unknown = [unknown_name("parameter", name, valid) for name in parameters if name not in valid]
    if unknown:
        raise ConfigError("\n".join(unknown))


def check_kept(parameters: Mapping[str, Any]) -> None:
    """Refuses to fit with parameters that a bundle could not keep.

    Raises:
        ConfigError: With their names.
    """
    lost = {name: value.why for name, value in parameters.items() if isinstance(value, NotKept)}
    if lost:
        raise ConfigError(
            f"{', '.join(lost)} must be given to fit a loaded estimator again, got a bundle that "
            f"does not keep them ({', '.join(dict.fromkeys(lost.values()))}). Give them to load() "
            "or set_params(), or fit a new estimator."
        )


def merged_encoders(kept: Any, given: Any) -> Any:
    """The encoders that a model was saved with, those that are given now in their place.

    Options without a name go to the encoder that was there; so a new place keeps the rest.
    """
    if not isinstance(kept, Mapping) or not isinstance(given, Mapping):
        return given
    merged = dict(kept)
    for modality, choice in given.items():
        before = kept.get(modality)
        if isinstance(choice, Mapping) and "name" not in choice and before is not None:
            before = before if isinstance(before, Mapping) else {"name": before}
            choice = {**before, **choice}
        merged[modality] = choice
    return merged


@dataclass(frozen=True)
class EncoderPaths:
    """Where weights of encoders lie now that lay elsewhere when a model was saved.

    Args:
        moved: Modality, option and place of each; a place is a path or a name.
    """

    moved: tuple[tuple[str, str, str], ...] = ()

    @classmethod
    def of(cls, encoders: Any) -> Self:
        """The places that a choice of encoders names; none of one that says nothing of places.

        Args:
            encoders: As `EncoderChoices` takes them.

        Raises:
            ConfigError: As `EncoderChoices`.
        """
        nameless = _nameless(encoders)  # of whatever encoder is there
        named = {**encoders, **{name: {} for name in nameless}} if nameless else encoders
        choices = EncoderChoices({} if named is None else named)
        found = []
        for modality in choices.given:
            options = nameless.get(modality) or _options(choices[modality])
            found += [(modality, name, str(options[name])) for name in PLACES if options.get(name)]
        return cls(tuple(found))

    def applied(self, entries: Mapping[str, Any]) -> dict[str, Any]:
        """Descriptions of encoders, by modality, that look for their weights there.

        Raises:
            BundleError: If an encoder has no such option, so that the place would say nothing.
        """
        found = {modality: dict(entry) for modality, entry in entries.items()}
        unknown = []
        for modality, option, place in self.moved:
            config = found.get(modality, {}).get("config", {})
            if option not in config:
                unknown.append(_no_such_place(modality, option, place, entries))
                continue
            config = {**config, option: place}
            if "revision" in config and (place == "minilm" or Path(place).is_dir()):
                config["revision"] = None  # only hub models have one
            found[modality]["config"] = config
        if unknown:
            raise BundleError("\n".join(unknown))
        return found


def _nameless(encoders: Any) -> dict[str, Mapping[str, Any]]:
    """The choices that are options alone."""
    items = encoders.items() if isinstance(encoders, Mapping) else ()
    return {name: one for name, one in items if isinstance(one, Mapping) and "name" not in one}


def _options(choice: EncoderChoice) -> Mapping[str, Any]:
    return choice.options if isinstance(choice.encoder, str) else choice.encoder.config


def _no_such_place(modality: str, option: str, place: str, entries: Mapping[str, Any]) -> str:
    used = ", ".join(f"{entries[name]['name']} ({name})" for name in sorted(entries))
    return (
        f"encoders.{modality}.{option} must be left out for a bundle whose encoders are {used}, "
        f"got {place!r}: it says where weights lie now."
    )


class _NoJsonError(TypeError):
    """A value has no JSON form."""


def _plain(value: Any) -> Any:
    """The value as JSON types.

    Raises:
        _NoJsonError: If it has none.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise _NoJsonError("was a mapping by other names than text")
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, SalesColumns):
        return _plain(asdict(value))
    if hasattr(value, "tolist"):  # numbers and arrays of numpy, columns of pandas
        return _plain(value.tolist())
    raise _NoJsonError(f"was a {type(value).__name__}")

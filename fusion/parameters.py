"""What a loaded model keeps of its estimator, and where its checkpoints lie now."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusion.errors import BundleError, ConfigError, unknown_name

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
        except TypeError:
            lost[name] = (
                value.why if isinstance(value, NotKept) else f"was a {type(value).__name__}"
            )
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
        maker = "fusion train" if kept is None else kept["estimator"]
        learned = [name for name in valid if name not in USED_AFTER_TRAINING]
        return {name: NotKept(f"made by {maker}") for name in learned}
    lost = {name: NotKept(why) for name, why in kept["lost"].items()}
    return {name: value for name, value in {**kept["values"], **lost}.items() if name in valid}


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


def checkpoint_place(choice: Any) -> str | None:
    """Where a chosen checkpoint or weight file lies; None for a choice that has no place.

    Args:
        choice: A path, a name, an encoder, or None.
    """
    if choice is None:
        return None
    from encoders import ENCODERS, Encoder  # torch: only where something was chosen

    if isinstance(choice, Encoder):
        choice = choice.config.get("checkpoint")
    if choice is None or (choice in ENCODERS and not Path(choice).exists()):
        return None
    return str(choice)


@dataclass(frozen=True)
class EncoderPlaces:
    """Where checkpoints lie now that lay elsewhere when a model was saved.

    Args:
        text: Folder or hub id of the text checkpoint; None: where the bundle says.
        photo_weights: Weight file of the photo encoder, or its name; None: where the bundle says.
    """

    text: str | None = None
    photo_weights: str | None = None

    def applied(self, entries: Mapping[str, Any]) -> dict[str, Any]:
        """Descriptions of encoders, by modality, that look for their checkpoints there.

        Raises:
            BundleError: If there is no encoder of that kind, so that the place would say nothing.
        """
        found = dict(entries)
        for option, kind, key, place in (
            ("text_encoder", "bert", "checkpoint", self.text),
            ("image_weights", "resnet", "weights", self.photo_weights),
        ):
            moved = [name for name, entry in entries.items() if entry["name"] == kind]
            if place is not None and not moved:
                used = ", ".join(sorted(entry["name"] for entry in entries.values()))
                raise BundleError(
                    f"{option} must be left out for a bundle whose encoders are {used}, got "
                    f"{place!r}: it says where a checkpoint lies now."
                )
            for name in moved if place is not None else ():
                config = {**entries[name]["config"], key: place}
                if kind == "bert" and (place == "minilm" or Path(str(place)).is_dir()):
                    config["revision"] = None  # only hub models have one
                found[name] = {**entries[name], "config": config}
        return found


def _plain(value: Any) -> Any:
    """The value as JSON types.

    Raises:
        TypeError: If it has none.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise TypeError("keys must be text")
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if hasattr(value, "tolist"):  # numbers and arrays of numpy, columns of pandas
        return _plain(value.tolist())
    raise TypeError(f"{type(value).__name__} has no JSON form")

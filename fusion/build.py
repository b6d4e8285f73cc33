"""Turns choices (names, options) into built encoders, fusions and heads."""

import copy
import inspect
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoders import ENCODERS
from encoders.base import Encoder
from encoders.names import RESNETS
from fusion.data.catalogue import Catalogue
from fusion.data.known import known_rows
from fusion.encoder_choice import EncoderChoice, is_checkpoint
from fusion.errors import ConfigError, unknown_name
from fusion.head_choice import HeadChoice
from fusion.mistakes import Mistakes
from fusion.store import as_kept
from fusion.strategies import FUSIONS, Fusion
from heads import HEADS
from heads.base import Head

CLOSED_FORM_FUSION = "join"


def pretrained_encoders(
    choice: EncoderChoice, modalities: Mapping[str, str], *, store: Path | None = None
) -> dict[str, Encoder]:
    """Encoders that need no fitting, for the modalities that read text or photos with them.

    Args:
        choice: Names or built encoders; the latter compute in the precision they were built in.
        modalities: Modality name -> kind (`text`, `image`, `table`).
        store: Folder of the embedding store, whose precision is kept.

    Raises:
        ValueError, OSError, ImportError: If weights cannot be found or used; those of several
            encoders are told together.
    """
    built: dict[str, Encoder] = {}
    mistakes = Mistakes()
    for modality, kind in modalities.items():
        with mistakes.gathered():
            if modality == "text" and choice.text != "tfidf":
                built[modality] = _text_encoder(choice.text, backend=choice.backend)
            elif kind == "image":
                built[modality] = _image_encoder(choice)
    mistakes.refuse()
    given = (choice.text, choice.image)
    return {
        modality: encoder if encoder in given else as_kept(encoder, store)
        for modality, encoder in built.items()
    }


def fitted_encoders(
    catalogue: Catalogue,
    *,
    modalities: Collection[str],
    transform: str,
) -> dict[str, Encoder]:
    """Encoders that learn from the training rows: TF-IDF texts, numbers and categories.

    Why TF-IDF for `row`: model names and sizes are words that no pretrained encoder knows, and it
    costs next to nothing beside one.

    Args:
        catalogue: The training rows, checked.
        modalities: Those that no pretrained encoder reads.
        transform: `squash` or `linear`, see `NumericEncoder`.
    """
    schema = catalogue.schema
    built: dict[str, Encoder] = {}
    for modality in modalities:
        kind = schema.modalities[modality]
        values = catalogue.values[modality]
        if kind == "text":
            built[modality] = ENCODERS["tfidf"].fitted(values)
        elif modality == "history":
            built[modality] = ENCODERS["numeric"].fitted(
                values, numeric=schema.history, transform=transform
            )
        elif kind == "table":
            built[modality] = ENCODERS["numeric"].fitted(
                values,
                numeric=schema.numeric,
                categorical=schema.categorical,
                dates=schema.dates,
                transform=transform,
            )
    return built


def own_encoder(encoder: Encoder) -> Encoder:
    """The encoder itself where it does not train; else a copy for one network to train.

    What was fitted (levels, medians) or pretrained stays; vectors that come from nowhere else are
    drawn anew.
    """
    if not encoder.trains:
        return encoder
    if encoder.origin is not None or encoder.adapter is not None:
        return copy.deepcopy(encoder)
    fresh = type(encoder)(**encoder.config)
    fresh.load_state_dict({**fresh.state_dict(), **dict(encoder.named_buffers())})
    return fresh


def build_heads(
    choices: Mapping[str, HeadChoice], targets: Mapping[str, NDArray[np.float64]], *, in_dim: int
) -> dict[str, Head]:
    """Heads fitted on the targets of the training rows that have one (NaN: none).

    Raises:
        ConfigError: If a head or an option is unknown.
    """
    built = {}
    for name, choice in choices.items():
        try:
            known = targets[name][known_rows(targets[name])]
            built[name] = HEADS[choice.head].fitted(known, in_dim=in_dim, **choice.options)
        except TypeError as error:
            raise ConfigError(f"options of head {choice.head} must be its own: {error}.") from error
    return built


def build_fusion(
    strategy: str,
    dims: Mapping[str, int],
    options: Mapping[str, Any],
    *,
    suited: Mapping[str, Any],
) -> Fusion:
    """A fusion for some modalities.

    Args:
        strategy: Name in `FUSIONS`.
        dims: Length of each modality's embedding.
        options: Options that were asked for.
        suited: Options that suit the data; taken where the strategy has them and none is asked for.

    Raises:
        ConfigError: If the strategy or an option is unknown.
    """
    if strategy not in FUSIONS:
        raise ConfigError(unknown_name("strategy", strategy, FUSIONS))
    known = inspect.signature(FUSIONS[strategy]).parameters
    defaults = {name: value for name, value in suited.items() if name in known}
    try:
        return FUSIONS[strategy](dims, **{**defaults, **options})
    except TypeError as error:
        raise ConfigError(f"options of strategy {strategy} must be its own: {error}.") from error


def _text_encoder(choice: str | Encoder, *, backend: str) -> Encoder:
    if isinstance(choice, Encoder):
        return choice
    return (
        ENCODERS["bert"](choice, backend=backend) if is_checkpoint(choice) else ENCODERS[choice]()
    )


def _image_encoder(choice: EncoderChoice) -> Encoder:
    if isinstance(choice.image, Encoder):
        return choice.image
    if choice.image not in RESNETS:
        return ENCODERS[choice.image]()
    weights = str(choice.weights) if isinstance(choice.weights, Path) else choice.weights
    return ENCODERS["resnet"](choice.image, weights=weights, decoder=choice.decoder)

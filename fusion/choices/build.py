"""Turns choices (names, options) into built encoders, fusions, heads and decoders."""

import copy
import inspect
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from encoders import ENCODERS
from encoders.base import Encoder, LearnsFromRows
from encoders.spelling import unknown_name
from fusion.choices.encoders import EncoderChoice, EncoderChoices
from fusion.choices.heads import HeadChoice
from fusion.choices.mistakes import Mistakes, parameter_names
from fusion.data.catalogue import Catalogue
from fusion.data.known import known_rows
from fusion.data.readers import Values
from fusion.errors import ConfigError
from fusion.store import as_kept
from fusion.strategies import FUSIONS, Fusion
from heads import HEADS
from heads.base import Head
from heads.decoders import DECODERS, Decoder

CLOSED_FORM_FUSION = "join"


def decoder_name(choice: HeadChoice) -> str:
    """Name of the decoder that answers a known head: the one asked for, else the head's own."""
    return choice.decoder or HEADS[choice.head].decoder


def pretrained_encoders(
    choices: EncoderChoices, modalities: Iterable[str], *, store: Path | None = None
) -> dict[str, Encoder]:
    """Encoders that need no fitting, for the modalities that have such a one.

    Args:
        choices: Which encoders; one that is built, or is told its `dtype`, keeps its precision.
        modalities: Those that are there.
        store: Folder of the embedding store, whose precision is kept.

    Raises:
        ValueError, OSError, ImportError: If weights cannot be found or used; those of several
            encoders are told together.
    """
    built: dict[str, Encoder] = {}
    mistakes = Mistakes()
    for modality in modalities:
        choice = choices[modality]
        if not choice.learns:
            with mistakes.gathered():
                built[modality] = built_encoder(choice, modality)
    mistakes.refuse()
    return {
        modality: as_kept(encoder, store) if _is_free(choices[modality]) else encoder
        for modality, encoder in built.items()
    }


def _is_free(choice: EncoderChoice) -> bool:
    """True where nobody asked for a precision."""
    return isinstance(choice.encoder, str) and choice.options.get("dtype", "auto") == "auto"


def built_encoder(choice: EncoderChoice, modality: str) -> Encoder:
    """An encoder that needs no fitting.

    Raises:
        ConfigError: If an option has a value of a wrong type.
        ValueError, OSError, ImportError: If its weights cannot be found or used.
    """
    if isinstance(choice.encoder, Encoder):
        return choice.encoder
    with _own_options(choice, modality):
        return ENCODERS[choice.encoder](**choice.options)


def fitted_encoders(
    catalogue: Catalogue,
    choices: EncoderChoices,
    *,
    modalities: Collection[str],
    transform: str,
) -> dict[str, Encoder]:
    """Encoders that learn from the training rows, as TF-IDF and the one of tables do.

    Args:
        catalogue: The training rows, checked.
        choices: Which encoders.
        modalities: Those that no pretrained encoder reads.
        transform: `squash` or `linear`, see `NumericEncoder`.

    Raises:
        ConfigError: If an option has a value of a wrong type.
    """
    built: dict[str, Encoder] = {}
    for modality in modalities:
        choice, values = choices[modality], catalogue.values[modality]
        kind = cast(LearnsFromRows, ENCODERS[str(choice.encoder)])
        suited = {"transform": transform, **_columns_by_type(values)}
        names = parameter_names(kind.fitted) or ()
        given = {name: value for name, value in suited.items() if name in names}
        with _own_options(choice, modality):
            built[modality] = kind.fitted(values, **{**given, **choice.options})
    return built


@contextmanager
def _own_options(choice: EncoderChoice, modality: str) -> Iterator[None]:
    """Tells of options that an encoder cannot take as what they are."""
    try:
        yield
    except TypeError as error:
        raise ConfigError(
            f"options of encoders.{modality} must be values that {choice.encoder} takes, got "
            f"{dict(choice.options)}: {error}."
        ) from error


def _columns_by_type(values: Values) -> dict[str, list[str]]:
    """Columns of a frame as an encoder of tables names them; none of other values."""
    if not isinstance(values, pd.DataFrame):
        return {}
    roles = {"M": "dates", "O": "categorical"}  # by the kinds of NumPy; all others are numbers
    columns: dict[str, list[str]] = {"numeric": [], "categorical": [], "dates": []}
    for name, dtype in values.dtypes.items():
        columns[roles.get(dtype.kind, "numeric")].append(str(name))
    return columns


def own_encoder(encoder: Encoder) -> Encoder:
    """The encoder itself where it does not train; else a copy for one network to train.

    What was fitted (levels, medians) or pretrained stays; vectors that come from nowhere else are
    drawn anew.
    """
    if not encoder.is_trainable:
        return encoder
    if encoder.origin is not None or encoder.adapter is not None:
        return copy.deepcopy(encoder)
    fresh = type(encoder)(**encoder.config)
    fresh.load_state_dict({**fresh.state_dict(), **dict(encoder.named_buffers())})
    return fresh


def build_heads(
    choices: Mapping[str, HeadChoice], targets: Mapping[str, NDArray[np.float64]]
) -> dict[str, Head]:
    """Heads fitted on the targets of the training rows that have one (NaN: none).

    Args:
        choices: Heads by name.
        targets: Targets `[n, *target_shape]` of each.

    Raises:
        ConfigError: If a head or an option is unknown.
    """
    built = {}
    for name, choice in choices.items():
        try:
            known = targets[name][known_rows(targets[name])]
            built[name] = HEADS[choice.head].fitted(known, **choice.options)
        except TypeError as error:
            raise ConfigError(f"options of head {choice.head} must be its own: {error}.") from error
    return built


def build_decoders(
    heads: Mapping[str, Head],
    *,
    fused_dim: int,
    names: Mapping[str, str | None] = MappingProxyType({}),
) -> dict[str, Decoder]:
    """Decoders of one network.

    Args:
        heads: By name.
        fused_dim: Length of a fused vector.
        names: Name in `DECODERS` of what answers a head, where it is not the head's own.
    """
    return {
        name: DECODERS[names.get(name) or head.decoder](fused_dim, head)
        for name, head in heads.items()
    }


def targets_by_column(
    choices: Mapping[str, HeadChoice], targets: Mapping[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    """Target columns `[n]` out of the targets `[n, *target_shape]` of heads."""
    return {
        column: np.ascontiguousarray(values)
        for name, choice in choices.items()
        for column, values in zip(
            choice.columns,
            targets[name].reshape(len(targets[name]), len(choice.columns)).T,
            strict=True,
        )
    }


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


def suited_projection(n_rows: int) -> int:
    """Length of a projected embedding for a number of rows: a 40th of it, in 16..64.

    Why: wide projections overfit a few hundred products.
    """
    return min(max(n_rows // 40, 16), 64)

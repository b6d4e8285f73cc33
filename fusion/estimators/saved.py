"""Estimators in folders: what is kept of their parameters, and how they come back with them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sklearn.base import BaseEstimator

from fusion.choices.parameters import (
    EncoderPaths,
    check_known,
    kept_parameters,
    loaded_parameters,
)


class HasInfo(Protocol):
    """A bundle or a trained forecast: it keeps what is worth knowing."""

    @property
    def info(self) -> dict[str, Any]:
        """JSON types by name."""


Saved = TypeVar("Saved", bound=HasInfo)
Estimator = TypeVar("Estimator", bound=BaseEstimator)


def info_to_save(estimator: BaseEstimator, info: Mapping[str, Any]) -> dict[str, Any]:
    """What a model is saved with: what it knows, and the parameters of its estimator."""
    kept = kept_parameters(estimator.get_params(deep=False), estimator=type(estimator).__name__)
    return {**info, "parameters": kept}


def loaded_estimator(
    kind: type[Estimator],
    folder: str | Path,
    parameters: Mapping[str, Any],
    *,
    load: Callable[..., Saved],
) -> tuple[Estimator, Saved]:
    """An estimator with the parameters it was saved with, and the model that it was saved for.

    Args:
        kind: Its class.
        folder: Where it was saved.
        parameters: Parameters that take the place of the saved ones.
        load: Loads the model of a folder; takes `encoder_paths`.

    Raises:
        BundleError: If the folder is damaged, or an encoder cannot be found or is another.
        ConfigError: If a parameter or a choice of encoders is unknown.
    """
    valid = sorted(kind().get_params(deep=False))
    check_known(parameters, valid)
    saved = load(folder, encoder_paths=EncoderPaths.of(parameters.get("encoders")))
    kept = saved.info.get("parameters")
    return (
        kind(**loaded_parameters(kept, parameters, estimator=kind.__name__, valid=valid)),
        saved,
    )

"""Predict how products will sell from their texts, photos, numbers and sales history.

Start with `FusionRegressor` or `FusionClassifier`; the composable layer lies under them. Names are
imported when they are first used, so that `fusion --help` does not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from fusion.bundle import Bundle, load_bundle, save_bundle
    from fusion.data import Catalogue, Schema, build_catalogue, infer_schema, read_table
    from fusion.embedding import prepare_inputs
    from fusion.errors import BundleError, CatalogueError, ConfigError, FusionError, StoreError
    from fusion.estimators import FusionClassifier, FusionRegressor
    from fusion.model import ProductModel
    from fusion.predictor import Predictor
    from fusion.store import embed_values
    from fusion.strategies import FUSIONS
    from fusion.training import TrainingSettings, fit_model

_PLACES = {
    "FUSIONS": "fusion.strategies",
    "Bundle": "fusion.bundle",
    "BundleError": "fusion.errors",
    "Catalogue": "fusion.data",
    "CatalogueError": "fusion.errors",
    "ConfigError": "fusion.errors",
    "FusionClassifier": "fusion.estimators",
    "FusionError": "fusion.errors",
    "FusionRegressor": "fusion.estimators",
    "Predictor": "fusion.predictor",
    "ProductModel": "fusion.model",
    "Schema": "fusion.data",
    "StoreError": "fusion.errors",
    "TrainingSettings": "fusion.training",
    "build_catalogue": "fusion.data",
    "embed_values": "fusion.store",
    "fit_model": "fusion.training",
    "infer_schema": "fusion.data",
    "load_bundle": "fusion.bundle",
    "prepare_inputs": "fusion.embedding",
    "read_table": "fusion.data",
    "save_bundle": "fusion.bundle",
}

__all__ = [
    "FUSIONS",
    "Bundle",
    "BundleError",
    "Catalogue",
    "CatalogueError",
    "ConfigError",
    "FusionClassifier",
    "FusionError",
    "FusionRegressor",
    "Predictor",
    "ProductModel",
    "Schema",
    "StoreError",
    "TrainingSettings",
    "build_catalogue",
    "embed_values",
    "fit_model",
    "infer_schema",
    "load_bundle",
    "prepare_inputs",
    "read_table",
    "save_bundle",
]


def __getattr__(name: str) -> Any:
    """A public name, imported now; `__version__` is that of the installed distribution."""
    if name == "__version__":
        from importlib.metadata import version

        return version("product-fusion")
    if name not in _PLACES:
        raise AttributeError(f"module 'fusion' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)

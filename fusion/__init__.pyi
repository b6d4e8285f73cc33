"""The public names, each with the room that has it. `__init__.py` reads them from here."""

from fusion.bundle import Bundle as Bundle
from fusion.bundle import load_bundle as load_bundle
from fusion.bundle import save_bundle as save_bundle
from fusion.data import Catalogue as Catalogue
from fusion.data import Schema as Schema
from fusion.data import TrainingRows as TrainingRows
from fusion.data import build_catalogue as build_catalogue
from fusion.data import infer_schema as infer_schema
from fusion.data import read_table as read_table
from fusion.embedding import prepare_inputs as prepare_inputs
from fusion.errors import BundleError as BundleError
from fusion.errors import CatalogueError as CatalogueError
from fusion.errors import ConfigError as ConfigError
from fusion.errors import FusionError as FusionError
from fusion.errors import StoreError as StoreError
from fusion.estimators import FusionClassifier as FusionClassifier
from fusion.estimators import FusionRegressor as FusionRegressor
from fusion.estimators.forecaster import FusionForecaster as FusionForecaster
from fusion.members import MEMBERS as MEMBERS
from fusion.members import Member as Member
from fusion.members import check_member as check_member
from fusion.modalities import MODALITIES as MODALITIES
from fusion.modalities import Modality as Modality
from fusion.model import ProductModel as ProductModel
from fusion.network import FusionNetwork as FusionNetwork
from fusion.plugins import register as register
from fusion.predictor import Predictor as Predictor
from fusion.store import embed_values as embed_values
from fusion.strategies import FUSIONS as FUSIONS
from fusion.training import TrainingSettings as TrainingSettings
from fusion.training import fit_networks as fit_networks

__version__: str

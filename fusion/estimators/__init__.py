"""scikit-learn estimators on DataFrames: the shortest way from a catalogue to a forecast."""

from fusion.estimators.base import FusionEstimator
from fusion.estimators.classifier import FusionClassifier
from fusion.estimators.regressor import FusionRegressor

__all__ = ["FusionClassifier", "FusionEstimator", "FusionRegressor"]

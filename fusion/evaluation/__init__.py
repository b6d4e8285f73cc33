"""Evaluation: scores on the test rows, simple predictors to beat, and how sure a gain is."""

from fusion.evaluation.baselines import BASELINES, Baseline
from fusion.evaluation.bootstrap import paired_bootstrap
from fusion.evaluation.evaluate import FUSION, evaluate_head, format_table
from fusion.evaluation.primary import primary_metric
from fusion.evaluation.result import Evaluation, Kind, Score
from fusion.evaluation.rows import BaselineRows, baseline_rows

__all__ = [
    "BASELINES",
    "FUSION",
    "Baseline",
    "BaselineRows",
    "Evaluation",
    "Kind",
    "Score",
    "baseline_rows",
    "evaluate_head",
    "format_table",
    "paired_bootstrap",
    "primary_metric",
]

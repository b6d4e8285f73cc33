"""scikit-learn's contract: every check of `check_estimator`, and a list of those that may fail."""

from functools import partial
from typing import Any
from unittest import SkipTest

from sklearn.utils.estimator_checks import estimator_checks_generator

from benchmarks.promises.base import Outcome, Promise, Settings
from fusion import FusionClassifier, FusionRegressor

OPTIONS: dict[str, Any] = {
    "training": {"epochs": 2, "batch_size": 32, "folds": 2},
    "strategy_options": {"n_networks": 2, "width": 32},
    "random_state": 0,
}
EXPECTED_FAILED_CHECKS: dict[str, str] = {}
"""Name of a check -> why it may fail; none does."""
LEARNING = {"check_regressors_train", "check_classifiers_train", "check_classifiers_classes"}
"""They ask for good answers, and so for more than two epochs."""


def run(settings: Settings) -> Outcome:
    """All checks of both estimators."""
    outcome = Outcome()
    skipped = 0
    for estimator in (FusionRegressor(**OPTIONS), FusionClassifier(**OPTIONS)):
        checks = list(
            estimator_checks_generator(
                estimator, legacy=True, expected_failed_checks=EXPECTED_FAILED_CHECKS, mark="skip"
            )
        )
        for own, check in settings.some(checks):
            name = check.func.__name__ if isinstance(check, partial) else check.__name__
            if name in LEARNING:
                own = own.set_params(training={**OPTIONS["training"], "epochs": 40})
            try:
                check(own)
            except SkipTest:
                skipped += 1
            except Exception as error:
                outcome.case(f"{type(own).__name__}, {name}", f"{type(error).__name__}: {error}")
            else:
                outcome.case(f"{type(own).__name__}, {name}")
    expected = ", ".join(EXPECTED_FAILED_CHECKS) or "none"
    outcome.detail.append(f"{skipped} skipped by scikit-learn; may fail: {expected}")
    return outcome


PROMISE = Promise("scikit-learn's `check_estimator`, no exception", run)

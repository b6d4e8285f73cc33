"""Blend, rounding and ranges found anew on the latest dates; members stay as they are."""

from functools import partial

import numpy as np

from fusion.data.known import is_known
from fusion.forecasting.blending import MIN_OF_STAGE, fit_blend
from fusion.forecasting.calibration import MIN_ROWS, fit_calibration
from fusion.forecasting.examples import Floats, Ints
from fusion.forecasting.fit import out_of_fold_paths
from fusion.forecasting.model import ForecastModel
from fusion.forecasting.pool import Pool
from heads.sales_path import SalesPathHead
from heads.sales_units import SalesUnits, answers_in_units, path_in_units

NOTHING = (0, 0)
"""No periods."""


def recalibrated(
    model: ForecastModel, pool: Pool, *, seed: int, without: tuple[int, int] = NOTHING
) -> ForecastModel:
    """The same members, joined and corrected by what came at the latest dates.

    The distribution of units stays that of the training: to choose it again takes most of the time
    of a calibration. Blend weights stay where fewer than 50 whole paths are known, and all where
    fewer than 50 answers are.

    Args:
        model: Its members gave the answers.
        pool: Answers out of fold.
        seed: Of the examples that are drawn.
        without: First and last but one period of which nothing is read.
    """
    training = pool.training(*without)
    known = ~np.isnan(training.targets).all(axis=1) & (training.weight > 0)
    if known.sum() < MIN_ROWS:
        return model
    head = type(model.head)(**model.head.config)
    blend = model.blend
    if (is_known(training.targets) & known).sum() >= MIN_OF_STAGE:
        told, stages = pool.out_of_fold, pool.examples.stages()
        blend = fit_blend(head, training, told.answers, knows=told.knows, stages=stages, seed=seed)
    out_of_fold = out_of_fold_paths(blend, pool.examples, training, pool.out_of_fold)
    refit = partial(_refit_units, head)
    calibration = fit_calibration(head, out_of_fold, fit_units=refit, before=model.calibration)
    return ForecastModel(
        head,
        members=model.members,
        blend=blend,
        calibration=calibration,
        new_level=model.new_level,
        hot=model.hot,
    )


def _refit_units(
    head: SalesPathHead, raw: Floats, path: Floats, *, level: Floats, stages: Ints, parts: Ints
) -> None:
    """Finds the numbers of the distribution that the head has anew, see `SalesPathHead.fit_units`.

    They stay where a step or the window is known of fewer than 50 rows.
    """
    del parts
    values, sold = answers_in_units(raw, level), path_in_units(path, level)
    if np.isfinite(sold).sum(axis=0).min() >= MIN_ROWS:
        head.units = SalesUnits.fitted(
            head.units.family, values, sold, levels=head.grid, stages=stages
        )

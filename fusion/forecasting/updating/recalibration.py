"""Blend, rounding and ranges found anew on the latest dates; members stay as they are."""

import numpy as np

from fusion.data.known import is_known
from fusion.forecasting.blending import MIN_OF_STAGE, fit_blend
from fusion.forecasting.calibration import MIN_ROWS, fit_calibration
from fusion.forecasting.fit import held_out_of
from fusion.forecasting.model import ForecastModel
from fusion.forecasting.updating.pool import Pool

NOTHING = (0, 0)
"""No periods."""


def recalibrated(
    model: ForecastModel, pool: Pool, *, seed: int, without: tuple[int, int] = NOTHING
) -> ForecastModel:
    """The same members, joined and corrected by what came at the latest dates.

    The distribution of units stays that of the training: to choose it again takes most of the time
    of a calibration. Blend weights stay where fewer than 50 whole paths are known, and all where fewer than 50
    answers are.

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
        told, stages = pool.held_out, pool.examples.stages()
        blend = fit_blend(head, training, told.answers, knows=told.knows, stages=stages, seed=seed)
    held_out = held_out_of(blend, pool.examples, training, pool.held_out)
    calibration = fit_calibration(head, held_out, fit_units=head.refit_units)
    return ForecastModel(
        head,
        members=model.members,
        blend=blend,
        calibration=calibration,
        new_level=model.new_level,
        hot=model.hot,
    )

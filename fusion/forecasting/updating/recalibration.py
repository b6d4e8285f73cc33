"""Blend, rounding and ranges found anew on the latest dates; members stay as they are."""

import numpy as np

from fusion.data.known import is_known
from fusion.forecasting.blending import MIN_OF_STAGE, fit_blend
from fusion.forecasting.calibration import MIN_ROWS
from fusion.forecasting.fit import calibrated_anew
from fusion.forecasting.model import ForecastModel
from fusion.forecasting.updating.pool import Pool

NOTHING = (0, 0)
"""No periods."""


def recalibrated(
    model: ForecastModel, pool: Pool, *, seed: int, without: tuple[int, int] = NOTHING
) -> ForecastModel:
    """The same members, joined and corrected by what came at the latest dates.

    Blend weights stay where fewer than 50 whole paths are known, and all where fewer than 50
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
        held_out, stages = pool.held_out, pool.examples.stages()
        blend = fit_blend(
            head, training, held_out.answers, knows=held_out.knows, stages=stages, seed=seed
        )
    calibration = calibrated_anew(head, blend, pool.examples, training, pool.held_out)
    return ForecastModel(
        head,
        members=model.members,
        blend=blend,
        calibration=calibration,
        new_level=model.new_level,
        hot=model.hot,
    )

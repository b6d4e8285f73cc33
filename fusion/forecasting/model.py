"""The heart of a forecast: members that answer the same questions, joined by life stage."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fusion.data.batch import chunks
from fusion.forecasting.blending import Answers, Known, StageBlend
from fusion.forecasting.calibration import PathCalibration
from fusion.forecasting.examples import Examples, Ints
from fusion.forecasting.members.base import ForecastMember, Paths
from heads.sales_distribution import SalesDistribution
from heads.sales_path import SalesPathHead
from heads.trend import HotRule

CHUNK_EXAMPLES = 8192
"""Examples that are answered at once."""


class ForecastModel:
    """Forecasts sales of items with a long history, a short one or none.

    The way of the data: `Examples` say what was known of each item at its date. Each member answers
    a path on a relative scale: units by the level of the item. The blend joins them by life stage,
    the calibration moves quantiles so that they hold, and the head turns them into units.

    Args:
        head: Horizon and levels.
        members: By name; those that the blend asks.
        blend: How much each counts.
        calibration: What means and quantiles are corrected by.
        new_level: Level of items without a history, > 0.
        hot: Which items are hot; None of prices.

    Raises:
        ValueError: If the blend asks a member that is not there, or hot items are told of prices.
    """

    def __init__(
        self,
        head: SalesPathHead,
        *,
        members: Mapping[str, ForecastMember],
        blend: StageBlend,
        calibration: PathCalibration,
        new_level: float,
        hot: HotRule | None,
    ) -> None:
        if missing := [name for name in blend.asked if name not in members]:
            raise ValueError(
                f"members must be those that the blend asks, got none called "
                f"{', '.join(missing)}. Give them, or a blend without them."
            )
        if (hot is None) != (head.unit == "price"):
            raise ValueError(
                f"hot must be given for units and for nothing else, got {hot}. Give None of prices."
            )
        self.head = head
        self.members = dict(members)
        self.blend = blend
        self.calibration = calibration
        self.new_level = new_level
        self.hot = hot

    def distribution(self, examples: Examples) -> SalesDistribution:
        """What is sold in each step and in the window, with how sure that is."""
        examples = replace(examples, new_level=self.new_level)
        raw = self.raw(examples)
        return self.head.distribution(raw, examples.levels(), stages=examples.stages())

    def raw(self, examples: Examples) -> Paths:
        """Relative answers `[n, horizon + 1, raw_dim]`: blended and calibrated."""
        examples = replace(examples, new_level=self.new_level)
        pieces = [self._raw(examples.take(rows)) for rows in chunks(len(examples), CHUNK_EXAMPLES)]
        return np.concatenate(pieces)

    def _raw(self, examples: Examples) -> Paths:
        asked = {name: self.members[name] for name in self.blend.asked}
        answers = {name: member.raw(examples) for name, member in asked.items()}
        knows = {name: member.knows(examples) for name, member in asked.items()}
        return self.joined(answers, knows, examples.stages())

    def joined(self, answers: Answers, knows: Known, stages: Ints) -> Paths:
        """Answers `[n, horizon + 1, raw_dim]` of members that were asked: blended and calibrated.

        Args:
            answers: Of the members that the blend asks, others are not read.
            knows: Of the same members.
            stages: Position of the life stage of each example, `[n]`.
        """
        blended = self.blended(answers, knows, stages)
        return self.calibration.calibrated(blended, stages, middle=self.head.middle)

    def blended(self, answers: Answers, knows: Known, stages: Ints) -> Paths:
        """As `joined`, not calibrated."""
        asked = {name: answers[name] for name in self.blend.asked}
        return self.blend.blend(asked, {name: knows[name] for name in asked}, stages)

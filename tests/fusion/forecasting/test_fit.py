"""How a forecast is fitted: what learns when."""

from typing import Any

import numpy as np

from fusion.forecasting.examples import Examples
from fusion.forecasting.fit import fit_forecast
from fusion.forecasting.members.base import Paths
from fusion.forecasting.members.example import example_examples
from fusion.forecasting.members.ridge import RidgePathMember


class Counted(RidgePathMember):
    """A ridge that tells how often it has learned."""

    def __init__(self, fits: list[str], name: str) -> None:
        super().__init__()
        self.fits, self.name = fits, name

    def fit(self, examples: Examples, **options: Any) -> None:
        """Learns, and notes it."""
        self.fits.append(self.name)
        super().fit(examples, **options)


class FarOff(Counted):
    """One whose answers are far too high."""

    def raw(self, examples: Examples) -> Paths:
        """A hundred times what they are."""
        return 100.0 * (1.0 + np.abs(super().raw(examples)))


def test_a_member_that_counts_nothing_does_not_learn_again_from_all_dates() -> None:
    fits: list[str] = []
    model, _ = fit_forecast(
        example_examples(),
        lambda: {"good": Counted(fits, "good"), "far off": FarOff(fits, "far off")},
        levels=(0.1, 0.5, 0.9),
        seed=0,
    )
    assert list(model.members) == ["good"]
    assert fits.count("good") == fits.count("far off") + 1

"""The fracast member: a small pretrained forecaster, which learns nothing of these sales."""

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np

from encoders.series.windows import UNITS
from fusion.data.batch import chunks
from fusion.errors import MissingExtraError
from fusion.forecasting.examples import Examples, Floats
from fusion.forecasting.members.base import ForecastMember, Paths, PathTraining
from fusion.forecasting.members.path_answers import PathAnswers, evenly
from fusion.forecasting.time_folds import latest_origins
from fusion.members.base import State
from fusion.members.view import Mask
from fusion.progress import Stage, silent
from heads.sales_path import SalesPathHead

LEAST_KNOWN = 8
"""Known periods that the forecaster needs."""
MOST_STEPS = 48
"""Steps that it tells; beyond them it would feed on its own medians."""
CONTEXT = 2048
"""The latest periods that it reads."""
BATCH_EXAMPLES = 8
"""Examples that are answered at once: more are no quicker."""
ASKED_SHARE = 0.2
MOST_ASKED = 1_000
"""Examples, evenly over the latest fifth of the dates, that ranges of the window are learned on."""
WEIGHTS = Path("weights") / "model.safetensors"
SHA256 = "0d678f123f3d1f91c5065cca2b5d40eccc469360afc2381b27290486011ded2c"
"""Of the published weights in 32 bits."""


class FracastMember(ForecastMember):
    """Quantiles of each step by Fracast-0, pretrained on many series of other kinds.

    When: where a history is long and the table small. It reads the history of the one item alone:
    no content, no price, no other item. Steps are its own quantiles at nine levels, straight lines
    between them; what mean goes with them, and the window, which it does not tell, is learned
    around its medians.

    It is slow: about 30 examples a second on one thread, as it always computes 2,048 periods.

    *Source:* package `fracast` 0.1.0 (extra `fracast`, Apache-2.0, 85,001 parameters, its weights
    lie in the package); its code and weights come from https://github.com/ztxtech/fracast-0.

    Raises:
        MissingExtraError: If the package is not installed.
    """

    def __init__(self) -> None:
        if find_spec("fracast") is None:
            raise MissingExtraError("fracast", extra="fracast")
        self._answers: PathAnswers | None = None

    @property
    def config(self) -> dict[str, Any]:
        """It has no options."""
        return {}

    def fit(
        self,
        examples: Examples,
        *,
        head: SalesPathHead,
        training: PathTraining,
        seed: int,
        stage: Stage = silent,
    ) -> None:
        """Learns what mean and which window go with the medians.

        Raises:
            ValueError: If the horizon is longer than 48.
        """
        del seed
        if head.horizon > MOST_STEPS:
            raise ValueError(
                f"horizon must be at most {MOST_STEPS} for fracast, got {head.horizon}. Leave this "
                "member out."
            )
        _, asked = latest_origins(examples, ASKED_SHARE)
        rows = asked if len(asked) else np.arange(len(examples))
        rows = evenly(rows[self.knows(examples.take(rows))], MOST_ASKED)
        some = examples.take(rows)
        points = _points(_quantiles(some, stage))
        self._answers = PathAnswers(horizon=head.horizon, levels=head.grid)
        self._answers.fit(points, training.take(rows), some.stages())

    def raw(self, examples: Examples) -> Paths:
        """Relative answers, see `ForecastMember.raw`; those of short histories say nothing."""
        assert self._answers is not None, "fit first"
        known = np.flatnonzero(self.knows(examples))
        points = np.zeros((len(examples), examples.horizon + 1))
        quantiles = _quantiles(examples.take(known), silent)
        points[known] = _points(quantiles)
        raw = self._answers.raw(points, examples.stages())
        raw[known, :-1, 1:] = _at_levels(quantiles, self._answers.levels)
        return raw

    def knows(self, examples: Examples) -> Mask:
        """Mask `[n]` of the examples with 8 known periods."""
        lengths = examples.windows.lengths
        past = examples.windows.past(UNITS, min(CONTEXT, int(lengths.max(initial=1))))
        return np.asarray((~np.isnan(past)).sum(axis=1) >= LEAST_KNOWN)

    def state(self) -> State:
        """What is answered around the medians; the weights stay in their package."""
        assert self._answers is not None, "fit first"
        return dict(self._answers.state())

    def load_state(self, state: State, *, head: SalesPathHead) -> None:
        """Takes back what `state` gave, see `ForecastMember`."""
        answers = PathAnswers(horizon=head.horizon, levels=head.grid)
        if left := answers.load_state(state):
            raise ValueError(f"state must hold nothing else, got {', '.join(left)}.")
        self._answers = answers

    @classmethod
    def tiny(cls) -> Self:
        """As it is: there is no smaller one."""
        return cls()


@cache
def _forecaster() -> Any:
    """The forecaster of the package, in 32 bits.

    Raises:
        ValueError: If its weights are not those that were published.
    """
    import fracast

    folder = Path(str(fracast.__file__)).parent
    found = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    if found != SHA256:
        raise ValueError(
            f"the SHA-256 of the weights of fracast must be {SHA256}, got {found}. Run: pip "
            "install --force-reinstall fracast==0.1.0"
        )
    return fracast.FracastModel.from_pretrained(weights="fp32")


def _quantiles(examples: Examples, stage: Stage) -> Floats:
    """Relative quantiles `[n, horizon, 9]` at the levels .1, .2, ... .9, >= 0."""
    horizon, levels = examples.horizon, examples.levels()
    found = np.zeros((len(examples), horizon, 9))
    with stage("asking fracast", len(examples), "examples") as work:
        for rows in chunks(len(examples), BATCH_EXAMPLES):
            windows = examples.windows.take(rows)
            length = int(windows.lengths.max(initial=LEAST_KNOWN))
            past = windows.past(UNITS, min(CONTEXT, length))
            if len(rows):
                found[rows] = _forecaster().forecast_batch(past, horizon=horizon)
            work(len(rows))
    return np.maximum(found / levels[:, None, None], 0.0)


def _points(quantiles: Floats) -> Floats:
    """Medians of the steps, and their mean: `[n, horizon + 1]`."""
    medians = quantiles[..., 4]
    return np.concatenate([medians, medians.mean(axis=1, keepdims=True)], axis=1)


def _at_levels(quantiles: Floats, levels: Floats) -> Floats:
    """Quantiles `[n, horizon, n_levels]` at other levels, on straight lines through the nine."""
    own = np.arange(1, 10) / 10
    ordered = np.sort(quantiles, axis=-1)
    left = np.clip(np.searchsorted(own, levels, side="right") - 1, 0, len(own) - 2)
    share = (levels - own[left]) / 0.1  # below 0, or above 1, outside of the nine
    found = ordered[..., left] * (1.0 - share) + ordered[..., left + 1] * share
    return np.maximum(found, 0.0)

"""The fracast member: a small pretrained forecaster, which learns nothing of these sales."""

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fusion.errors import MissingExtraError
from fusion.forecasting.examples import Examples, Floats
from fusion.forecasting.members.base import ForecastMember, Paths, PathTraining
from fusion.forecasting.members.pretrained import Forecaster, PretrainedAnswers
from fusion.members.base import State
from fusion.members.view import Mask
from fusion.progress import Stage, silent
from heads.sales_path import SalesPathHead

MOST_STEPS = 48
"""Steps that it tells; beyond them it would feed on its own medians."""
CONTEXT = 2048
"""The latest periods that it reads."""
BATCH_EXAMPLES = 8
"""Examples that are answered at once: more are no quicker."""
WEIGHTS = Path("weights") / "model.safetensors"
SHA256 = "0d678f123f3d1f91c5065cca2b5d40eccc469360afc2381b27290486011ded2c"
"""Of the published weights in 32 bits."""


class FracastMember(ForecastMember):
    """Quantiles of each step by Fracast-0, pretrained on many series of other kinds.

    When: where histories are long and examples few. It reads the history of the one item alone: no
    content, no price, no other item: on the weekly sales of online_retail it erred more than the
    classical member (WAPE .689 and .667). It is slow: about 30 examples a second on one idle
    thread, as it always computes 2,048 periods. `PretrainedAnswers` tells of mean and window.

    *Source:* package `fracast` 0.1.0 (extra `fracast`, Apache-2.0, 85,001 parameters, weights in
    the package), https://github.com/ztxtech/fracast-0.

    Raises:
        MissingExtraError: If the package is not installed.
    """

    def __init__(self) -> None:
        if find_spec("fracast") is None:
            raise MissingExtraError("fracast", extra="fracast")
        self._fitted: PretrainedAnswers | None = None

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
        self._fitted = PretrainedAnswers.fitted(
            FORECASTER, examples, head=head, training=training, stage=stage
        )

    def raw(self, examples: Examples) -> Paths:
        """Relative answers, see `ForecastMember.raw`; those of short histories say nothing."""
        assert self._fitted is not None, "fit first"
        return self._fitted.raw(examples)

    def knows(self, examples: Examples) -> Mask:
        """Mask `[n]` of the examples with 8 known periods."""
        assert self._fitted is not None, "fit first"
        return self._fitted.knows(examples)

    def state(self) -> State:
        """What is answered around the medians; the weights stay in their package."""
        assert self._fitted is not None, "fit first"
        return dict(self._fitted.answers.state())

    def load_state(self, state: State, *, head: SalesPathHead) -> None:
        """Takes back what `state` gave, see `ForecastMember`."""
        self._fitted = PretrainedAnswers.of_state(FORECASTER, state, head=head)

    @classmethod
    def tiny(cls) -> Self:
        """As it is: there is no smaller one."""
        return cls()


@cache
def loaded() -> Any:
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


def _quantiles(past: NDArray[np.float32], n_steps: int) -> Floats:
    return np.asarray(loaded().forecast_batch(past, horizon=n_steps), dtype=np.float64)


FORECASTER = Forecaster("fracast", _quantiles, context=CONTEXT, batch=BATCH_EXAMPLES)

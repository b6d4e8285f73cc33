"""The chronos member: a pretrained forecaster whose weights lie in a folder of your own."""

import hashlib
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from fusion.forecasting.examples import Examples, Floats
from fusion.forecasting.members.base import ForecastMember, Paths, PathTraining
from fusion.forecasting.members.pretrained import LEVELS, Forecaster, PretrainedAnswers
from fusion.members.base import State
from fusion.members.view import Mask
from fusion.progress import Stage, silent
from heads.sales_path import SalesPathHead

WEIGHTS = "model.safetensors"
BATCH_EXAMPLES = 64
INSTALL = "pip install chronos-forecasting"


class ChronosMember(ForecastMember):
    """Quantiles of each step by Chronos-Bolt or Chronos-2, of weights that you have downloaded.

    **Its accuracy was never measured here**, as no published weights were at hand: tests run it
    with weights drawn at random. It reads the history of the one item alone. Chronos of the first
    kind, which draws samples, is refused: it answers otherwise each time. See `PretrainedAnswers`
    for the mean and the window.

    *Source:* Ansari et al. (2024), Chronos; package `chronos-forecasting` (Apache-2.0), which you
    install yourself.

    Args:
        folder: Folder with `config.json` and `model.safetensors`.
        sha256: Of `model.safetensors`; `fit` sets it, and other weights are refused then.

    Raises:
        ImportError: If the package is not installed.
        ValueError: If the folder holds no such weights, or others than those it was fitted with.
    """

    set_by_fit: ClassVar[frozenset[str]] = frozenset({"sha256"})

    def __init__(self, *, folder: str, sha256: str | None = None) -> None:
        if find_spec("chronos") is None:
            raise ImportError(f"chronos is not installed. Run: {INSTALL}")
        path = Path(folder) / WEIGHTS
        if not path.is_file():
            raise ValueError(f"folder must hold {WEIGHTS}, got {folder}. Download a model there.")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if sha256 not in (None, found):
            raise ValueError(f"{WEIGHTS} must have the SHA-256 {sha256}, got {found} in {folder}.")
        self._config = {"folder": str(folder), "sha256": found}
        self._fitted: PretrainedAnswers | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The folder, and which weights it held."""
        return self._config

    def fit(
        self,
        examples: Examples,
        *,
        head: SalesPathHead,
        training: PathTraining,
        seed: int,
        stage: Stage = silent,
    ) -> None:
        """Learns what mean and which window go with the medians."""
        del seed
        self._fitted = PretrainedAnswers.fitted(
            self._forecaster, examples, head=head, training=training, stage=stage
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
        """What is answered around the medians; the weights stay in their folder."""
        assert self._fitted is not None, "fit first"
        return dict(self._fitted.answers.state())

    def load_state(self, state: State, *, head: SalesPathHead) -> None:
        """Takes back what `state` gave, see `ForecastMember`."""
        self._fitted = PretrainedAnswers.of_state(self._forecaster, state, head=head)

    @classmethod
    def tiny(cls) -> Self:
        """There is none: give a folder.

        Raises:
            ValueError: Always.
        """
        raise ValueError("folder must be given, got none. Give the folder of a downloaded model.")

    @cached_property
    def _forecaster(self) -> Forecaster:
        from chronos import BaseChronosPipeline

        pipeline: Any = BaseChronosPipeline.from_pretrained(self._config["folder"])
        if pipeline.forecast_type.value != "quantiles":
            raise ValueError("folder must hold Chronos-Bolt or Chronos-2, got one that samples.")

        def quantiles(past: NDArray[np.float32], n_steps: int) -> Floats:
            import torch

            found, _ = pipeline.predict_quantiles(
                [torch.from_numpy(row) for row in past],
                prediction_length=n_steps,
                quantile_levels=list(LEVELS),
            )
            rows = [np.asarray(one, dtype=np.float64) for one in found]  # [n_steps, 9] or [1, ..]
            return np.reshape(rows, (len(past), n_steps, len(LEVELS)))

        context = int(pipeline.model_context_length)
        return Forecaster("chronos", quantiles, context=context, batch=BATCH_EXAMPLES)

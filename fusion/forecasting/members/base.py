"""What every member of a forecast can do: learn from examples, and answer paths of steps."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fusion.forecasting.examples import Examples, Floats, Ints
from fusion.members.base import State
from fusion.members.view import Mask
from fusion.progress import Stage, silent
from heads.sales_path import SalesPathHead

Paths = NDArray[np.float64]
"""Relative answers `[n, horizon + 1, raw_dim]`: of each step and of the window the mean, then the
quantiles by ascending level."""


@dataclass(frozen=True, eq=False)
class PathTraining:
    """What examples to learn from bring beside what was known of them.

    Args:
        targets: Relative paths `[n, horizon + 1]`, NaN where a step is not known.
        weight: `[n]`, how much each counts, >= 0, of mean 1: its level, and how recent it is. So a
            relative error counts as the units that it is.
        at_least: Relative lower bounds `[n, horizon + 1]` of targets that are NaN, NaN where there
            is none; None without any. A member that cannot learn from bounds leaves them out.
    """

    targets: Floats
    weight: Floats
    at_least: Floats | None = None

    def take(self, rows: Ints) -> "PathTraining":
        """Some of the examples, in the given order."""
        at_least = None if self.at_least is None else self.at_least[rows]
        return PathTraining(self.targets[rows], self.weight[rows], at_least)


class ForecastMember(ABC):
    """One kind of model of sales over time: its state and its fitting.

    It is fitted on the examples before some dates and asked about those at them; how much it counts
    is found so. Where it holds examples out itself, `time_folds.latest_origins` says which.

    Law: `member.config` is JSON, and `type(member)(**member.config)` with `load_state` of `state`
    answers as the member does. What of these arguments is no option, as `fit` alone sets it, stands
    in `set_by_fit`.
    """

    set_by_fit: ClassVar[frozenset[str]] = frozenset()
    reads_bounds: ClassVar[bool] = False
    """Whether it learns from steps of which a lower bound alone is known."""

    @abstractmethod
    def fit(
        self,
        examples: Examples,
        *,
        head: SalesPathHead,
        training: PathTraining,
        seed: int,
        stage: Stage = silent,
    ) -> None:
        """Learns from all examples.

        Args:
            examples: What was known.
            head: Horizon and levels; it is not changed.
            training: Targets and weights of these examples.
            seed: The same seed gives the same member.
            stage: Opens progress bars.
        """

    @abstractmethod
    def raw(self, examples: Examples) -> Paths:
        """Relative answers `[n, horizon + 1, raw_dim]`; finite, also where it knows nothing.

        What was not known at the date of an example, or is absent, changes nothing. No example
        depends on another.
        """

    @abstractmethod
    def knows(self, examples: Examples) -> Mask:
        """Mask `[n]` of the examples of which it can say anything: in others it has no say."""

    @property
    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Keyword arguments, JSON-serialisable, that rebuild it, besides its state."""

    @abstractmethod
    def state(self) -> State:
        """What was learned; every number of a tensor is finite."""

    @abstractmethod
    def load_state(self, state: State, *, head: SalesPathHead) -> None:
        """Takes back what `state` gave.

        Args:
            state: Of a member of this configuration; it may come from a stranger.
            head: The head that it answers.

        Raises:
            ValueError: If something is missing, left over or of another shape.
        """

    @classmethod
    @abstractmethod
    def tiny(cls) -> Self:
        """A small and fast instance for contract tests."""


@runtime_checkable
class TrainsFurther(Protocol):
    """A member that can go on from what it has learned, which is quicker than to begin anew."""

    def trained_further(
        self,
        examples: Examples,
        *,
        training: PathTraining,
        seed: int,
        stage: Stage = silent,
    ) -> ForecastMember:
        """Another member that began with the weights of this one; this one stays as it is.

        Args:
            examples: What was known, of the latest dates.
            training: Targets and weights of these examples.
            seed: The same seed gives the same member.
            stage: Opens progress bars.
        """

"""What every member can do: learn from rows, and answer every head from blocks of numbers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from encoders.base import Encoder
from fusion.data.training_rows import TrainingRows
from fusion.members.view import Mask, View
from fusion.network import Raw
from fusion.progress import Stage, silent
from heads.base import Head

Floats = NDArray[np.float64]
State = dict[str, Tensor | bytes]
"""Name -> tensor, or content of a file of the member's own, whose name then ends in `.txt`."""


class Member(ABC):
    """One kind of model: its state and its fitting. It answers all heads, in their raw units.

    Law: `member.config` is JSON, and `type(member)(**member.config)` with `load_state` of `state`
    answers as the member does. What of these arguments is no option, as `fit` alone sets it, stands
    in `set_by_fit`: users neither see nor give it.
    """

    set_by_fit: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def fit(
        self,
        view: View,
        *,
        heads: Mapping[str, Head],
        training: TrainingRows,
        seed: int,
        stage: Stage = silent,
    ) -> Raw:
        """Learns from all rows; gives back what models that never saw a row answer to it.

        Args:
            view: All rows.
            heads: By name; a member changes none of them.
            training: Targets, folds and weights of these rows; no row stands in two folds, and
                the mean weight is 1.
            seed: The same seed gives the same member.
            stage: Opens progress bars.

        Returns:
            For each head raw outputs `[n, n_networks, *target_shape, raw_dim]`, of a fold by what
            did not learn from it; finite, and without meaning in rows of no fold.
        """

    @abstractmethod
    def raw(self, view: View) -> Raw:
        """Raw outputs `[n, n_networks, *target_shape, raw_dim]` of every head.

        What is absent, even NaN, changes nothing. No row depends on another.
        """

    @abstractmethod
    def knows(self, view: View) -> Mask:
        """Mask `[n]` of the rows of which it knows anything: in the others it has no say."""

    def is_heavy(self, n_rows: int) -> bool:
        """Whether single operations of its fitting take seconds, so that threads pay (default: no).

        Args:
            n_rows: Rows that it learns from.
        """
        del n_rows
        return False

    @property
    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Keyword arguments, JSON-serialisable, that rebuild it, besides its state."""

    @abstractmethod
    def state(self) -> State:
        """What was learned; every number of a tensor is finite."""

    @abstractmethod
    def load_state(
        self, state: State, *, heads: Mapping[str, Head], encoders: Mapping[str, Encoder]
    ) -> None:
        """Takes back what `state` gave.

        Args:
            state: Of a member of this configuration; it may come from a stranger.
            heads: The heads that it answers.
            encoders: By modality; networks copy those that train.

        Raises:
            ValueError: If something is missing, left over or of another shape.
        """

    @classmethod
    @abstractmethod
    def tiny(cls) -> Self:
        """A small and fast instance for contract tests."""

"""Which head a user chose, checked by its name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from encoders.spelling import unknown_name
from fusion.choices.mistakes import Mistakes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class HeadChoice:
    """One question: which head states it, on which target, with which options.

    Args:
        head: Name in `HEADS`.
        target: Target column; of a head with several steps the columns of all steps, in order.
        options: Options of `Head.fitted`.
        decoder: Name in `DECODERS` of what answers it; None takes that of the head.
    """

    head: str
    target: str | tuple[str, ...]
    options: Mapping[str, Any]
    decoder: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Its target columns."""
        return (self.target,) if isinstance(self.target, str) else self.target

    @property
    def target_name(self) -> str:
        """What its target is called."""
        return target_name(self.columns)

    @property
    def target_shape(self) -> tuple[int, ...]:
        """Shape of the target of one row: `()`, or `(n_steps,)`."""
        return () if isinstance(self.target, str) else (len(self.target),)

    def values_of(self, by_column: "Mapping[str, NDArray[np.float64]]") -> "NDArray[np.float64]":
        """Its target `[n, *target_shape]` out of target columns `[n]`."""
        return joined_target(by_column, self.columns, shape=self.target_shape)


def chosen_heads(heads: Mapping[Any, Any], given: Any, mistakes: Mistakes) -> dict[str, HeadChoice]:
    """Choices by the name of their target.

    Args:
        heads: Target column, or columns of several steps -> name of the head.
        given: Options by head, see `FusionEstimator`; None: none.
        mistakes: Takes what is wrong with the options.
    """
    options = {} if given is None else given
    if not isinstance(options, Mapping):
        mistakes.add([f"head_options must be options by head, got {options!r}."])
        options = {}
    own: dict[str, Mapping[str, Any]] = {}
    for name, some in options.items():
        if name not in heads.values():
            mistakes.add([unknown_name("head_options", name, set(map(str, heads.values())))])
        elif not isinstance(some, Mapping):
            mistakes.add([f"head_options of {name} must be names and values, got {some!r}."])
        else:
            own[name] = some
    return {
        target if isinstance(target, str) else target_name(target): HeadChoice(
            head, target=target, options=own.get(head, {}) if isinstance(head, str) else {}
        )
        for target, head in heads.items()
    }


def target_name(columns: Sequence[str]) -> str:
    """What a target of some columns is called.

    Example:
        >>> target_name(["price"]), target_name(["week_1", "week_2", "week_3"])
        ('price', 'week_1 to week_3')
    """
    return columns[0] if len(columns) == 1 else f"{columns[0]} to {columns[-1]}"


def joined_target(
    by_column: "Mapping[str, NDArray[np.float64]]", columns: Sequence[str], *, shape: Sequence[int]
) -> "NDArray[np.float64]":
    """A target `[n, *shape]` out of its columns `[n]`."""
    import numpy as np

    return np.stack([by_column[name] for name in columns], axis=1).reshape(-1, *shape)

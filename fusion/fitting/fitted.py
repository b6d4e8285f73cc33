"""A trained model with how it came about, and what is told of it beside its answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fusion.bundle import Bundle
from fusion.choices.build import targets_by_column
from fusion.choices.checks import Targets
from fusion.choices.heads import HeadChoice
from fusion.data.known import missing_target_notes
from fusion.data.leaks import find_leaks
from fusion.fitting.out_of_fold import OutOfFold
from fusion.fitting.rounding import largest_changes
from fusion.ready import ReadyItems
from fusion.training import TrainingHistory

if TYPE_CHECKING:
    from fusion.tuning.crossfit import Tuned

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Fitted:
    """A trained bundle and how it came about.

    Args:
        bundle: The model.
        histories: Losses by epoch of each network.
        targets: Targets of the rows that were learned from, by head; NaN where there is none.
        watched: Rows `[n_watched]` that were held out of a network, which stopped by them.
        tuned: What tuning did; None where nothing was tuned.
        out_of_fold: Answers on rows held out; None where heads were solved in closed form.
        dropped: Row of the table -> why it was left out.
        missing: A sentence for each target that some of these rows lack.
        leaks: Head -> which columns say nearly all of its target; see `fusion.data.leaks`.
    """

    bundle: Bundle
    histories: list[TrainingHistory]
    targets: Targets
    watched: Rows
    tuned: "Tuned | None" = None
    out_of_fold: OutOfFold | None = None
    dropped: Mapping[int, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    leaks: dict[str, str] = field(default_factory=dict)


def with_findings(
    fitted: Fitted, ready: ReadyItems, *, heads: Mapping[str, HeadChoice], store: Path | None
) -> Fitted:
    """Adds what is told of a model that is kept, and need not be known of any other.

    Args:
        fitted: The model.
        ready: The rows that it learned from.
        heads: Its heads.
        store: Folder of the embedding store; None keeps nothing.

    Returns:
        The model with leaks and missing targets; what bfloat16 changes stands in its bundle.
    """
    leaks = find_leaks(ready.catalogue, targets_by_column(heads, fitted.targets))
    moved = largest_changes(fitted.bundle, ready, fitted.watched, store=store)
    if moved is not None:
        fitted.bundle.info["bfloat16"] = moved
    return replace(
        fitted,
        missing=missing_target_notes(
            {heads[name].target_name: values for name, values in fitted.targets.items()}
        ),
        leaks={
            name: " ".join(dict.fromkeys(found))
            for name, choice in heads.items()
            if (found := [leaks[column] for column in choice.columns if column in leaks])
        },
    )

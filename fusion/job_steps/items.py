"""What every job on labelled items does first: read, join sales, check, embed, settle bad rows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.choices.heads import HeadChoice
from fusion.choices.mistakes import Mistakes
from fusion.data.catalogue import Catalogue
from fusion.data.problems import Problem
from fusion.job_steps.check import check_config
from fusion.job_steps.config import TrainConfig
from fusion.job_steps.enough import usable_rows
from fusion.progress import Stage, silent
from fusion.ready import ReadyItems, usable_items
from fusion.store import StoreReport


@dataclass(frozen=True)
class LabelledItems:
    """Items that can be learned from, and what was found wrong on the way.

    Args:
        ready: Rows that stay, counted from 0, checked and embedded.
        heads: What is asked, by name; heads that read labels know them.
        targets: Targets `[n]` of each target column; of labels their positions.
        n_read: Number of rows in the file.
        problems: Everything that was wrong.
        dropped: Row of the file -> why it was left out.
        unknown: How many of them have no target, by the reason.
        notes: What to say of the tables beside problems, a sentence each.
        reports: Counts of the embedding store.
        new_items: Items to be forecast after the training; None where there are none.
        weight: How much each of the rows that stay counts, `[n]`; None where all count alike.
    """

    ready: ReadyItems
    heads: dict[str, HeadChoice]
    targets: dict[str, NDArray[np.float64]]
    n_read: int
    problems: list[Problem]
    dropped: dict[int, str]
    reports: dict[str, StoreReport]
    unknown: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    new_items: pd.DataFrame | None = None
    weight: NDArray[np.float64] | None = None

    @property
    def catalogue(self) -> Catalogue:
        """The rows that stay."""
        return self.ready.catalogue


def labelled_items(
    config: TrainConfig,
    *,
    store: Path | None,
    mistakes: Mistakes | None = None,
    stage: Stage = silent,
) -> LabelledItems:
    """Reads and checks everything that a configuration names, then embeds it.

    Args:
        config: What to do.
        store: Embedding store; None keeps nothing.
        mistakes: What has been found wrong before; it is told together with the rest.
        stage: Opens progress bars.

    Raises:
        CatalogueError, ConfigError, ImportError, OSError, ValueError: With everything that is
            wrong, before anything is embedded; photos that cannot be decoded are found while they
            are, and stop the job then if bad rows must not be.
    """
    checked = check_config(config, mistakes or Mistakes(), store=store)

    def settle(found: Sequence[Problem]) -> tuple[Catalogue, dict[int, str]]:
        problems = [*found, *checked.problems]
        return usable_rows(
            checked.catalogue,
            problems,
            unknown=checked.unknown,
            on_bad_rows=config.data.on_bad_rows,
        )

    usable = usable_items(
        checked.encoders, checked.catalogue, settle=settle, store=store, stage=stage
    )
    return LabelledItems(
        ready=usable.ready,
        heads=checked.heads,
        targets={name: values[usable.rows] for name, values in checked.targets.items()},
        n_read=len(checked.catalogue),
        problems=[*checked.catalogue.problems, *usable.problems, *checked.problems],
        dropped=usable.dropped,
        reports=usable.reports,
        unknown=dict(Counter(checked.unknown.values())),
        notes=checked.notes,
        new_items=checked.new_items,
        weight=None if checked.weight is None else checked.weight[usable.rows],
    )

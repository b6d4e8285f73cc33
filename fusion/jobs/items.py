"""What every job on labelled items does first: read, join sales, check, embed, settle bad rows."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.catalogue import Catalogue
from fusion.data.problems import Problem
from fusion.embedding import prepare_inputs
from fusion.head_choice import HeadChoice
from fusion.jobs.check import check_config, usable_rows
from fusion.jobs.config import TrainConfig
from fusion.mistakes import Mistakes
from fusion.progress import Stage, silent
from fusion.store import StoreReport


@dataclass(frozen=True)
class LabelledItems:
    """Items that can be learned from, and what was found wrong on the way.

    Args:
        frame: Rows that stay, counted from 0.
        catalogue: The same, checked.
        heads: What is asked, by name; heads that read labels know them.
        targets: Targets `[n]` of each target column; of labels their positions.
        n_read: Number of rows in the file.
        problems: Everything that was wrong.
        dropped: Row of the file -> why it was left out.
        unknown: How many of them have no target, by the reason.
        notes: What to say of the tables beside problems, a sentence each.
        reports: Counts of the embedding store.
        new_items: Items to be forecast after the training; None where there are none.
    """

    frame: pd.DataFrame
    catalogue: Catalogue
    heads: dict[str, HeadChoice]
    targets: dict[str, NDArray[np.float64]]
    n_read: int
    problems: list[Problem]
    dropped: dict[int, str]
    reports: dict[str, StoreReport]
    unknown: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    new_items: pd.DataFrame | None = None


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
    catalogue = checked.catalogue
    prepared = prepare_inputs(checked.encoders, catalogue, store=store, stage=stage)
    extra = [*prepared.problems, *checked.problems]
    good, dropped = usable_rows(
        catalogue, extra, unknown=checked.unknown, on_bad_rows=config.data.on_bad_rows
    )
    kept = np.asarray([row for row in range(len(catalogue)) if row not in dropped], dtype=np.int64)
    return LabelledItems(
        frame=catalogue.frame.iloc[kept].reset_index(drop=True),
        catalogue=good,
        heads=checked.heads,
        targets={name: values[kept] for name, values in checked.targets.items()},
        n_read=len(catalogue),
        problems=[*catalogue.problems, *extra],
        dropped=dropped,
        reports=prepared.reports,
        unknown=dict(Counter(checked.unknown.values())),
        notes=checked.notes,
        new_items=checked.new_items,
    )

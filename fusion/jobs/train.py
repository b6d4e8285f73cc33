"""`fusion train` and `fusion fine-tune`: a catalogue in, a trained and measured model out.

Reads: a configuration, its items table, photos and (where given) sales table.
Writes, below the output folder: `bundle/` (the model), `report.html`, `metrics.json`,
`test_predictions.csv`, and `store/` (embeddings, unless the configuration names another place);
where encoders are tuned, `tuning/` (states that a killed run goes on from).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.build import HeadChoice
from fusion.bundle import save_bundle
from fusion.data.duplicates import near_duplicate_groups
from fusion.data.folds import Validation
from fusion.data.split import Split, date_split, group_split
from fusion.data.tables import write_table
from fusion.evaluation import Evaluation
from fusion.files import write_atomically
from fusion.fitting import Recipe, Sources
from fusion.jobs.config import HeadSection, SplitSection, TrainConfig
from fusion.jobs.cost import measured
from fusion.jobs.items import LabelledItems, encoder_choice, labelled_items, split_dates
from fusion.jobs.measure import Experiment, measure, modality_columns
from fusion.jobs.summary import Outcome, training_report
from fusion.jobs.tuned import tuning_summary, untuned
from fusion.progress import Stage, silent
from fusion.report import write_report


@dataclass(frozen=True)
class TrainResult:
    """What a training job made.

    Args:
        folder: The output folder.
        evaluations: Head -> scores of the fusion and of everything it is measured against.
        dropped: Row -> why it was left out.
        unread: Column -> why it could not be used; not those that the configuration leaves out.
    """

    folder: Path
    evaluations: dict[str, Evaluation]
    dropped: dict[int, str]
    unread: dict[str, str]

    @property
    def bundle(self) -> Path:
        """Folder of the trained model."""
        return self.folder / "bundle"

    @property
    def report(self) -> Path:
        """The report page."""
        return self.folder / "report.html"


def train(config: TrainConfig, folder: Path, *, stage: Stage = silent) -> TrainResult:
    """Trains, measures and saves a model, and writes its report.

    Args:
        config: What to do.
        folder: Output folder; made if absent.
        stage: Opens progress bars.

    Raises:
        CatalogueError: If the items have problems and must not.
        ConfigError: If the configuration does not fit the items.
    """
    folder.mkdir(parents=True, exist_ok=True)
    items = labelled_items(config, store=config.store or folder / "store", stage=stage)
    experiment = build_experiment(config, items, folder=folder)
    with measured() as cost:
        fitted = experiment.fit(experiment.recipe, stage=stage)
        table = experiment.predict(fitted.bundle)
    original = untuned(experiment, stage=stage) if fitted.tuned is not None else None
    evaluations = measure(
        experiment,
        fitted.bundle,
        table,
        modalities=config.evaluation.modalities and original is None,
        original=None if original is None else (original.bundle, original.table),
        stage=stage,
    )
    fitted.bundle.info.update(
        title=config.title,
        split=config.split.model_dump(),
        sales=None if config.sales is None else config.sales.model_dump(mode="json"),
        n_rows={"train": len(experiment.split.train), "test": len(experiment.split.test)},
        metrics={name: result.to_dict() for name, result in evaluations.items()},
    )
    tuning = None if original is None else tuning_summary(experiment, fitted, cost, original)
    _write(folder, config, Outcome(items, experiment, fitted, table, evaluations, tuning))
    return TrainResult(folder, evaluations, items.dropped, items.catalogue.schema.unread)


def fine_tune(config: TrainConfig, folder: Path, *, stage: Stage = silent) -> TrainResult:
    """Trains as `train` does, on encoders that are tuned first: the last layers where not said.

    Raises:
        CatalogueError: If the items have problems and must not.
        ConfigError: If the configuration does not fit the items.
        FloatingPointError: If the tuning diverges.
        JobError: If the folder holds states of another tuning.
    """
    if config.tuning.mode == "none":
        tuning = config.tuning.model_copy(update={"mode": "last_layers"})
        config = config.model_copy(update={"tuning": tuning})
    return train(config, folder, stage=stage)


def head_choices(sections: list[HeadSection]) -> dict[str, HeadChoice]:
    """Head choices by a name that tells them apart: the head, with the target where it repeats."""
    heads = [section.head for section in sections]
    return {
        section.head if heads.count(section.head) == 1 else f"{section.head}_{section.target}": (
            HeadChoice(section.head, target=section.target, options=section.options)
        )
        for section in sections
    }


def split_rows(
    section: SplitSection, items: LabelledItems, *, n_folds: int, seed: int
) -> tuple[Split, Validation]:
    """Training, validation and test rows; near-duplicates stay on one side of a random split.

    A split by date has the latest known rows for validation. Otherwise several networks take turns:
    each is stopped by another fold of the known rows, so that none is kept aside.

    Raises:
        ValueError: If there are too few rows.
    """
    if section.kind == "date":
        fractions = (1.0 - section.test - section.validation, section.validation, section.test)
        dates, _ = split_dates(items.frame, section, items.catalogue.schema)
        split = date_split(dates, fractions=fractions, gap_days=section.gap_days)
        return split, Validation(rows=split.validation)
    share = section.validation if n_folds == 1 else 0.0
    groups = _groups(section, items)
    fractions = (1.0 - section.test - share, share, section.test)
    split = group_split(groups, fractions=fractions, seed=seed)
    if n_folds == 1:
        return split, Validation(rows=split.validation)
    return split, Validation(groups=groups)


def _groups(section: SplitSection, items: LabelledItems) -> NDArray[Any]:
    """A label for each row; rows of one label stay on one side."""
    if section.kind == "group":
        return np.asarray(pd.factorize(items.frame[section.column], use_na_sentinel=False)[0])
    values: dict[str, Any] = items.catalogue.values
    if "text" in values or "image" in values:
        return near_duplicate_groups(texts=values.get("text"), photos=values.get("image"))
    return np.arange(len(items.frame))


def build_experiment(config: TrainConfig, items: LabelledItems, *, folder: Path) -> Experiment:
    """Rows, targets, split and recipe of a training job."""
    heads = head_choices(config.heads)
    schema = items.catalogue.schema
    split, validation = split_rows(
        config.split, items, n_folds=config.training.folds, seed=config.training.seed
    )
    recipe = Recipe(
        heads=heads,
        columns=modality_columns(schema, list(schema.modalities)),
        encoders=encoder_choice(config),
        strategy=config.model.strategy,
        strategy_options=config.model.options,
        training=config.training,
        tuning=config.tuning,
        validation_fraction=config.split.validation,
        on_bad_rows=config.data.on_bad_rows,
        formats=schema.formats,
    )
    return Experiment(
        frame=items.frame,
        catalogue=items.catalogue,
        targets={name: items.targets[choice.target] for name, choice in heads.items()},
        split=split,
        validation=validation,
        recipe=recipe,
        sources=Sources(
            photos=config.data.photos,
            store=config.store or folder / "store",
            tuning=folder / "tuning",
            table=config.data.items.name,
        ),
    )


def _write(folder: Path, config: TrainConfig, outcome: Outcome) -> None:
    save_bundle(outcome.fitted.bundle, folder / "bundle")
    metrics = {name: result.to_dict() for name, result in outcome.evaluations.items()}
    write_atomically(folder / "metrics.json", json.dumps(metrics, indent=1).encode())
    test = outcome.experiment.split.test
    actual = {f"actual_{name}": values[test] for name, values in outcome.items.targets.items()}
    write_table(outcome.table.assign(**actual), folder / "test_predictions.csv")
    write_report(training_report(config, outcome), folder / "report.html")

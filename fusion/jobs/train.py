"""`fusion train` and `fusion fine-tune`: a catalogue in, a trained and measured model out.

Reads: a configuration, its items table, photos and (where given) sales table.
Writes, below the output folder: `bundle/` (the model), `report.html`, `metrics.json`,
`test_predictions.csv`, and `store/` (embeddings, unless the configuration names another place);
where encoders are tuned, `tuning/` (states that a killed run goes on from); where the
configuration names new items, `new_items_predictions.csv` and `new_items.html` (for people).
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fusion.bundle import BUNDLE, check_folder, save_bundle
from fusion.choices.checks import few_target_mistakes, head_mistakes
from fusion.choices.encoders import EncoderChoices
from fusion.choices.mistakes import Mistakes
from fusion.choices.paths import folder_mistakes
from fusion.data.policy import left_out
from fusion.data.tables import write_table
from fusion.data.weights import counted
from fusion.evaluation import Evaluation
from fusion.fitting.fitted import with_findings
from fusion.fitting.kept_encoders import state_kept
from fusion.fitting.members import member_choices
from fusion.fitting.spec import MIN_ROWS, TOO_FEW, TrainingPaths, TrainingSpec
from fusion.job_steps.config import TrainConfig
from fusion.job_steps.items import LabelledItems, labelled_items
from fusion.job_steps.measure import Experiment, measure
from fusion.job_steps.new_items import PAGE, forecast_new_items
from fusion.job_steps.sales import horizons, trained_section
from fusion.job_steps.split import row_groups, split_rows
from fusion.job_steps.summary import Outcome, training_report
from fusion.job_steps.tuned import TuningChoice, trained, tuning_choice, tuning_summary
from fusion.progress import Stage, silent
from fusion.report import write_report
from fusion.system.files import json_bytes, write_atomically
from fusion.system.lock import check_free, locked
from fusion.system.platforms import require_posix
from fusion.system.processes import is_first
from fusion.system.words import number_of


@dataclass(frozen=True)
class TrainResult:
    """What a training job made.

    Args:
        folder: The output folder.
        evaluations: Head -> scores of the fusion and of everything it is measured against.
        dropped: Row -> why it was left out.
        unread: Column -> why it could not be used; not those that the configuration leaves out.
        notes: What else to say, a sentence each, the most important first.
        new_items: The page of new items; None where the configuration names none.
    """

    folder: Path
    evaluations: dict[str, Evaluation]
    dropped: dict[int, str]
    unread: dict[str, str]
    notes: tuple[str, ...] = ()
    new_items: Path | None = None

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
        ConfigError: If the configuration does not fit the items, or the system.
        JobError: If another process writes to the folder.
    """
    items = checked_items(config, folder, stage=stage)
    with held(folder):
        return train_checked(config, items, folder, stage=stage)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds the output folder, made if absent; of processes that share a tuning the first does.

    Raises:
        JobError: If another process writes to the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder) if is_first() else nullcontext():
        yield


def checked_items(config: TrainConfig, folder: Path, *, stage: Stage = silent) -> LabelledItems:
    """The items, once nothing that can be seen before the work is wrong.

    Raises:
        CatalogueError, ConfigError, JobError: With every mistake.
    """
    store = config.store or folder / "store"
    mistakes = Mistakes()
    if config.tuning.mode != "none":
        with mistakes.gathered():
            require_posix("a training that compares tuned encoders by time and memory")
    mistakes.add(folder_mistakes("out", folder))
    mistakes.add(folder_mistakes("store", config.store))
    with mistakes.gathered():
        check_folder(folder / "bundle", BUNDLE)
    if is_first():
        with mistakes.gathered():
            check_free(folder)
    return labelled_items(config, store=store, mistakes=mistakes, stage=stage)


def train_checked(
    config: TrainConfig, items: LabelledItems, folder: Path, *, stage: Stage = silent
) -> TrainResult:
    """Trains, measures and saves a model in a folder that is held for it."""
    sales = None if config.sales is None else trained_section(config.sales)
    experiment = build_experiment(config, items, folder=folder)
    first = trained(experiment, stage=stage)
    choice = tuning_choice(first, experiment, stage=stage)
    kept = first if choice is None else choice.kept
    fitted = with_findings(
        kept.fitted,
        experiment.ready.take(experiment.known),
        heads=experiment.spec.heads,
        store=experiment.paths.store,
    )
    table = kept.table
    evaluations = measure(
        experiment,
        fitted.bundle,
        table,
        modalities=config.evaluation.modalities and choice is None,
        other=None if choice is None else choice.other,
        stage=stage,
    )
    if choice is not None:
        state_kept(fitted, choice.verdict)
    fitted.bundle.info.update(
        title=config.title,
        split=config.split.model_dump(),
        sales=sales,
        horizons=horizons(config.sales),
        details=config.data.details,
        n_rows={"train": len(experiment.split.train), "test": len(experiment.split.test)},
        metrics={name: result.to_dict() for name, result in evaluations.items()},
    )
    tuning = None if choice is None else tuning_summary(experiment, choice)
    outcome = Outcome(items, experiment, fitted, table, evaluations, tuning)
    _write(folder, config, outcome, choice, stage=stage)
    said = [] if choice is None else [choice.verdict.description]
    left_out = [
        f"{number_of(count, 'row')} left out: {reason}." for reason, count in items.unknown.items()
    ]
    n_faulty = sum(reason not in items.unknown for reason in items.dropped.values())
    if n_faulty:
        left_out.append(
            f"{number_of(n_faulty, 'row')} left out for their faults; the report says which."
        )
    return TrainResult(
        folder,
        evaluations,
        items.dropped,
        items.catalogue.schema.unread,
        notes=(
            *dict.fromkeys(fitted.leaks.values()),
            *said,
            *left_out,
            *fitted.missing,
            *items.notes,
        ),
        new_items=None if items.new_items is None else folder / PAGE,
    )


def fine_tune(config: TrainConfig, folder: Path, *, stage: Stage = silent) -> TrainResult:
    """Trains as `train` does, on encoders that are tuned first: the last layers where not said.

    Raises:
        CatalogueError: If the items have problems and must not.
        ConfigError: If the configuration does not fit the items.
        FloatingPointError: If the tuning diverges.
        JobError: If another process writes to the folder, or it holds states of another tuning.
    """
    if config.tuning.mode == "none":
        tuning = config.tuning.model_copy(update={"mode": "last_layers"})
        config = config.model_copy(update={"tuning": tuning})
    return train(config, folder, stage=stage)


def build_experiment(config: TrainConfig, items: LabelledItems, *, folder: Path) -> Experiment:
    """Rows, targets, split and spec of a training job.

    Raises:
        ConfigError: If the split leaves too few rows with the target of a head.
    """
    heads = items.heads
    targets = {name: choice.values_of(items.targets) for name, choice in heads.items()}
    groups = row_groups(config.split, items.catalogue)
    split, options = split_rows(
        config.split,
        items.catalogue,
        groups=groups,
        n_folds=config.training.folds,
        seed=config.training.seed,
    )
    mistakes = Mistakes()
    known = counted(np.concatenate([split.train, split.validation]), items.weight)
    for rows, least, what in (
        (known, MIN_ROWS, "rows to learn from"),
        (split.test, 1, "test rows"),
    ):
        some = {name: values[rows] for name, values in targets.items()}
        mistakes.add(few_target_mistakes(heads, some, least=least, rows=what))
    if len(known) < MIN_ROWS:
        mistakes.add([TOO_FEW.format(n_rows=len(known)) + left_out(items.dropped)])
    mistakes.add(head_mistakes(heads, {name: values[known] for name, values in targets.items()}))
    mistakes.refuse()
    spec = TrainingSpec(
        heads=heads,
        encoders=EncoderChoices(config.encoders),
        members=member_choices(config.model.members),
        strategy=config.model.strategy,
        strategy_options=config.model.options,
        training=config.training,
        tuning=config.tuning,
        validation_fraction=config.split.validation,
        on_bad_rows=config.data.on_bad_rows,
    )
    return Experiment(
        ready=items.ready,
        targets=targets,
        split=split,
        groups=groups,
        options=replace(options, weight=items.weight),
        spec=spec,
        paths=TrainingPaths(store=config.store or folder / "store", tuning=folder / "tuning"),
    )


def _write(
    folder: Path,
    config: TrainConfig,
    outcome: Outcome,
    choice: TuningChoice | None,
    *,
    stage: Stage,
) -> None:
    save_bundle(outcome.fitted.bundle, folder / "bundle")
    more = {} if choice is None else {"tuning": choice.verdict.to_dict()}
    metrics = {
        name: {**result.to_dict(), "leak": outcome.fitted.leaks.get(name, ""), **more}
        for name, result in outcome.evaluations.items()
    }
    write_atomically(folder / "metrics.json", json_bytes(metrics))
    test = outcome.experiment.split.test
    actual = {
        f"actual_{name}": outcome.fitted.bundle.told_target(name, values[test])
        for name, values in outcome.items.targets.items()
    }
    write_table(outcome.table.assign(**actual), folder / "test_predictions.csv")
    new = None
    if outcome.items.new_items is not None:
        new = forecast_new_items(
            config,
            outcome.fitted.bundle,
            outcome.items.new_items,
            folder,
            store=config.store or folder / "store",
            stage=stage,
        )
    report = replace(training_report(config, outcome), new_items=new)
    write_report(report, folder / "report.html")

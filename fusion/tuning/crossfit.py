"""Tune, then cache: tuned encoders, and embeddings of rows that they were not tuned on.

A head that learned from embeddings of rows that the encoder was tuned on would trust them too much.
So each part of the rows is embedded by encoders tuned on the other parts, to which it only said
when to stop; the encoders that new items meet are tuned on all of them, for as many epochs as were
best on the parts. Spaces of the two differ, so the former are aligned with the latter on the rows
that both were tuned on.
Source: Chernozhukov et al. (2018), cross-fitting; Wolpert (1992), stacked generalisation.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders.base import Encoder
from encoders.dtype import in_precision
from fusion.data.batch import ModelInputs
from fusion.data.folds import RowOptions, validation_folds
from fusion.embedding import unit_of
from fusion.errors import ConfigError, JobError
from fusion.network import FusionNetwork
from fusion.progress import Stage, silent, within
from fusion.store import embed_values
from fusion.system.processes import is_first, only_the_first_goes_on
from fusion.training.fit import Targets
from fusion.tuning.align import Alignment
from fusion.tuning.guards import lower_rate
from fusion.tuning.rows import TuningRows
from fusion.tuning.settings import TuningSettings
from fusion.tuning.states import TuningRun
from fusion.tuning.trainers import training_alone
from fusion.tuning.tune import tune_model

Rows = NDArray[np.int64]
Build = Callable[[Mapping[str, Encoder]], FusionNetwork]


@dataclass(frozen=True)
class Tuned:
    """Encoders after tuning, and what the head learns from.

    Args:
        encoders: Tuned on all rows that may be learned from; settled.
        learned_from: `{modality: [n, dim]}`: embeddings for training the head.
        embedded: `{modality: [n, dim]}`: embeddings by `encoders`, as new items get them.
        runs: One for each tuning, the last of `encoders`.
        description: What the head has learned from, in one sentence.
        judged: Rows `[n_judged]` that are embedded in `learned_from` by encoders that were not
            tuned on them.
    """

    encoders: dict[str, Encoder]
    learned_from: dict[str, Tensor]
    embedded: dict[str, Tensor]
    runs: list[TuningRun] = field(default_factory=list)
    description: str = ""
    judged: Rows = field(default_factory=lambda: np.empty(0, dtype=np.int64))


@dataclass(frozen=True)
class TuningData:
    """Rows that encoders are tuned on.

    Args:
        values: `{modality: [n]}` raw values of the modalities that are tuned; None is absent.
        present: Mask `[n]` of each of them.
        targets: Targets `[n, *target_shape]` in business units for each head.
    """

    values: Mapping[str, Sequence[Any]]
    present: Mapping[str, Tensor]
    targets: Targets

    def __len__(self) -> int:
        """Number of rows."""
        return len(next(iter(self.present.values())))


class CrossFit:
    """Tunes encoders on parts of the rows and on all of them.

    Args:
        encoders: Pretrained encoders of the modalities that are tuned; they stay as they are.
        build: Makes an untrained model of encoders.
        settings: How to tune.
        store: Folder of the embedding store; None keeps no embeddings.
        folder: Holds states that a killed run goes on from; None keeps none.
        stage: Opens progress bars.
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        build: Build,
        settings: TuningSettings,
        *,
        store: Path | None = None,
        folder: Path | None = None,
        stage: Stage = silent,
    ) -> None:
        self.encoders = encoders
        self.build = build
        self.settings = settings
        self.store = store
        self.folder = folder
        self.stage = stage

    @training_alone()
    def run(self, data: TuningData, *, options: RowOptions, share: float) -> Tuned:
        """Tunes, embeds, and says what was done.

        Args:
            data: The rows.
            options: Rows that early stopping looks at; groups stay in one part.
            share: Share of the rows that early stopping looks at with one fold and none given.

        Raises:
            ConfigError: If all rows are of one group and there are to be several parts.
            JobError: If a text or photo cannot be read any more.
        """
        held_out = self._held_out(data, options, share=share)
        if self.settings.folds == 1:
            return self._once(data, held_out[0])
        return self._in_parts(data, held_out, given=_given(options, n_rows=len(data)))

    def _once(self, data: TuningData, held_out: Rows) -> Tuned:
        """Encoders tuned on all rows but those of early stopping embed all rows."""
        others = np.setdiff1d(np.arange(len(data)), held_out)
        encoders, run = self._tune(data, (others, held_out), "all rows", self.settings)
        only_the_first_goes_on()
        embedded = self._embed(encoders, data, "all rows")
        said = describe_tuning(1, self.settings, [run])
        return Tuned(encoders, embedded, embedded, [run], said, judged=held_out)

    def _in_parts(self, data: TuningData, parts: list[Rows], *, given: Rows) -> Tuned:
        """Each part is embedded by encoders tuned on the others, in the space of the last ones."""
        learn = np.setdiff1d(np.arange(len(data)), given)
        with tempfile.TemporaryDirectory() as scratch:
            kept = [Path(scratch) / str(number) for number in range(len(parts))]
            runs = []
            for i, (part, place) in enumerate(zip(parts, kept, strict=True)):
                rows = np.setdiff1d(learn, part), part
                name = f"part {i + 1}"
                others, run = self._tune(data, rows, name, self.settings)
                if is_first():
                    _write(place, self._embed(others, data, f"all but {name}"))
                del others  # encoders are large: one set at a time
                runs.append(run)
            return self._aligned(data, learn, given, parts=parts, kept=kept, runs=runs)

    def _aligned(
        self,
        data: TuningData,
        learn: Rows,
        given: Rows,
        *,
        parts: Sequence[Rows],
        kept: Sequence[Path],
        runs: Sequence[TuningRun],
    ) -> Tuned:
        """Encoders tuned on all rows, and what those of the parts gave, in their space."""
        epochs = max(1, round(float(np.mean([run.best_epoch for run in runs]))))
        last = self.settings.model_copy(update={"epochs": epochs})
        encoders, run = self._tune(data, (learn, given), "all rows", last)
        only_the_first_goes_on()
        embedded = self._embed(encoders, data, "all rows")
        learned_from = {name: vectors.clone() for name, vectors in embedded.items()}
        for part, place in zip(parts, kept, strict=True):
            for name in embedded:
                vectors = torch.from_numpy(np.load(place / f"{name}.npy"))
                there = np.flatnonzero(data.present[name].numpy())  # zeros say nothing of a space
                both = np.intersect1d(there, np.setdiff1d(learn, part))
                mine = np.intersect1d(there, part)
                if len(both) and len(mine):
                    align = Alignment(vectors[both].numpy(), embedded[name][both].numpy())
                    vectors[mine] = torch.from_numpy(align(vectors[mine].numpy()))
                learned_from[name][part] = vectors[part]
        said = describe_tuning(len(parts), self.settings, runs)
        everything = np.arange(len(data))
        return Tuned(encoders, learned_from, embedded, [*runs, run], said, judged=everything)

    def _held_out(self, data: TuningData, options: RowOptions, *, share: float) -> list[Rows]:
        """Rows that are held out of each tuning."""
        learn = np.arange(len(data))
        given = _given(options, n_rows=len(data))
        if len(given):
            if self.settings.folds == 1:
                return [given]
            learn = np.setdiff1d(learn, given)
        groups = None if options.groups is None else options.groups[learn]
        drawn = validation_folds(
            RowOptions(groups=groups),
            n_rows=len(learn),
            n_folds=self.settings.folds,
            share=share,
            seed=self.settings.seed,
        )
        if len(drawn) < min(self.settings.folds, 2):
            raise ConfigError(
                "rows to tune on must be of at least two groups, as each part is embedded by "
                "encoders tuned on the others, got one group. Set folds=1 in the tuning, or split "
                "by another column."
            )
        return [learn[part] for part in drawn]

    def _tune(
        self,
        data: TuningData,
        rows: tuple[Rows, Rows],
        name: str,
        settings: TuningSettings,
    ) -> tuple[dict[str, Encoder], TuningRun]:
        torch.manual_seed(settings.seed)  # each tuning starts alike: embeddings stay comparable
        adapted = {}
        for modality, encoder in self.encoders.items():
            adapted[modality] = in_precision(encoder, "float32")
            adapted[modality].adapt(settings.adapter)
        logs = settings.tensorboard
        model = self.build(adapted)
        inputs = ModelInputs(dict(data.present), values=dict(data.values), encoders=adapted)
        run = tune_model(
            model,
            TuningRows(inputs, data.targets, *rows),
            settings=settings.model_copy(
                update={"tensorboard": None if logs is None else logs / name.replace(" ", "_")}
            ),
            folder=None if self.folder is None else self.folder / name.replace(" ", "_"),
            stage=within(self.stage, name),
        )
        return {name: model.encoder(name).frozen_copy() for name in adapted}, run

    def _embed(
        self, encoders: Mapping[str, Encoder], data: TuningData, tuned_on: str
    ) -> dict[str, Tensor]:
        """Embeddings of all rows by encoders tuned on some; zeros where absent."""
        embedded = {}
        for modality, encoder in encoders.items():
            values = data.values[modality]
            name = f"embedding {modality}, tuned on {tuned_on}"
            with self.stage(name, int(data.present[modality].sum()), unit_of(encoder)) as work:
                found = embed_values(encoder, values, store=self.store, work=work)
            _check_all_read(found.failures, modality)
            embedded[modality] = torch.from_numpy(found.vectors)
        return embedded


def _write(folder: Path, vectors: Mapping[str, Tensor]) -> None:
    """Puts vectors aside on disk: for many rows they need more memory than encoders."""
    folder.mkdir()
    for name, tensor in vectors.items():
        np.save(folder / f"{name}.npy", tensor.numpy())


def _given(options: RowOptions, *, n_rows: int) -> Rows:
    """Rows that are given for early stopping and leave some to learn from; perhaps none."""
    rows = options.validation
    return rows if rows is not None and len(rows) < n_rows else np.empty(0, dtype=np.int64)


def _check_all_read(failures: Mapping[int, Exception], modality: str) -> None:
    if failures:
        first = next(iter(failures.values()))
        raise JobError(
            f"{modality} must still be readable after tuning, as it was before, got "
            f"{len(failures)} of the rows that are not: {first} Put the files back and run the "
            "same again: what is tuned is kept."
        )


def describe_tuning(n_parts: int, settings: TuningSettings, runs: Sequence[TuningRun]) -> str:
    """What the head has learned from, and in which precision it was tuned, in sentences."""
    losses = [loss for run in runs for loss in run.validation_loss]
    used = sorted({run.precision for run in runs})
    more = f" Tuned in {' and '.join(used)}."
    more += (
        f" No tuning was better than a constant answer on rows held out: {lower_rate(settings)}"
        if min(losses, default=0.0) >= 1.0
        else ""
    )
    if settings.folds > 1:
        return (
            f"The head learned from embeddings of encoders tuned on the other {n_parts - 1} of "
            f"{n_parts} parts of the rows; new items are read by encoders tuned on all of them."
            f"{more}"
        )
    return (
        "The head learned from embeddings of rows that the encoders were tuned on; only the rows "
        f"of early stopping were new to them.{more}"
    )

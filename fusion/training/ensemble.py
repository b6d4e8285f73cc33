"""Trains the members of an ensemble, each stopped on other rows, then blends others in."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders.process_state import OwnGenerators
from fusion.data.batch import ModelInputs
from fusion.data.known import known_rows
from fusion.ensemble import ProductEnsemble
from fusion.network import FusionNetwork
from fusion.progress import Stage, silent
from fusion.training.blend_weights import MIN_HELD_OUT, OutOfFold
from fusion.training.fit import Targets, fit_networks
from fusion.training.loop import TrainingHistory
from fusion.training.neighbours import fit_neighbours
from fusion.training.ridge import fit_ridge
from fusion.training.settings import TrainingSettings
from fusion.training.threads import computing_with, threads_for

Rows = NDArray[np.int64]
CHUNK_ROWS = 4096


def fit_ensemble(
    build: Callable[[], FusionNetwork],
    inputs: ModelInputs,
    targets: Targets,
    *,
    folds: Sequence[Rows],
    settings: TrainingSettings,
    known: ModelInputs | None = None,
    stage: Stage = silent,
) -> tuple[ProductEnsemble, list[TrainingHistory], OutOfFold | None]:
    """Trains one member for each fold; it learns from all rows but the fold and stops by it.

    Args:
        build: Makes an untrained member; what it draws at random follows `settings.seed`. All
            members share their heads.
        inputs: Model inputs of all rows.
        targets: Targets `[n, *target_shape]` in business units for each head, NaN where there is
            none: the row counts for the other heads alone.
        folds: Positions of the rows that each member is stopped by; folds are alike or disjoint.
        settings: How to train; each member takes the next seed.
        known: The same rows as new items are embedded, where that is not how `inputs` are.
        stage: Opens a progress bar for each member.

    Returns:
        The ensemble, in eval mode, the history of each member, and the blended answers on rows
        held out; None of them where all heads are solved in closed form.
    """
    members = []
    for place in range(len(folds)):
        with OwnGenerators((settings.seed + place) % 2**31):
            members.append(build())
    histories = fit_networks(
        members,
        inputs,
        targets,
        folds=folds,
        sample_weight=np.ones(len(inputs)),
        settings=settings,
        stage=stage,
    )
    ensemble = ProductEnsemble(members).eval()
    found: OutOfFold | None = None
    if not ensemble.first.is_closed_form:
        with computing_with(threads_for(settings.threads, inputs)):
            found = _fit_beside(
                ensemble,
                inputs,
                targets,
                folds=folds,
                known=inputs if known is None else known,
                seed=settings.seed,
            )
    return ensemble, histories, found


def _fit_beside(
    ensemble: ProductEnsemble,
    inputs: ModelInputs,
    targets: Targets,
    *,
    folds: Sequence[Rows],
    known: ModelInputs,
    seed: int,
) -> OutOfFold:
    """Linear part and nearest items beside trained networks, and what calibrates the heads."""
    out_of_fold = answers_held_out(ensemble, inputs, folds=folds)
    ensemble.linear, raw = fit_ridge(ensemble, inputs, targets, out_of_fold=out_of_fold, seed=seed)
    ensemble.neighbours, raw = fit_neighbours(
        ensemble, inputs, targets, out_of_fold=OutOfFold(out_of_fold.folds, raw), known=known
    )
    for name, head in ensemble.heads.items():
        judged = known_rows(targets[name][out_of_fold.rows])
        rows = out_of_fold.rows[judged]
        if len(rows) >= MIN_HELD_OUT:
            head.calibrate(raw[name][rows], targets[name][rows], parts=out_of_fold.parts[judged])
    return OutOfFold(out_of_fold.folds, raw)


@torch.inference_mode()
def answers_held_out(
    ensemble: ProductEnsemble, inputs: ModelInputs, *, folds: Sequence[Rows]
) -> OutOfFold:
    """Raw outputs of each head on each row of a fold, by the members that stopped by it."""
    members: dict[bytes, list[int]] = {}
    for place, fold in enumerate(folds):
        members.setdefault(fold.tobytes(), []).append(place)
    found: dict[str, Tensor] = {}
    for places in members.values():
        part = ProductEnsemble([ensemble.members[i] for i in places])  # type: ignore[misc]
        fold = folds[places[0]]
        for rows in np.array_split(fold, -(-len(fold) // CHUNK_ROWS)):
            for name, raw in part(**inputs.batch(rows)).items():
                found.setdefault(name, torch.zeros(len(inputs), *raw.shape[1:]))[rows] = raw.cpu()
    return OutOfFold(folds=[folds[places[0]] for places in members.values()], raw=found)

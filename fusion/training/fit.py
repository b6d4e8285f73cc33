"""Networks that are trained side by side, each on all rows but a fold, and stopped by it."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Protocol, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray

from fusion.data.batch import ModelInputs
from fusion.data.known import known_rows
from fusion.data.training_rows import TrainingRows
from fusion.network import FusionNetwork
from fusion.progress import Stage, Work, silent
from fusion.training.loop import NetworkTraining, Rows, TrainingData, TrainingHistory
from fusion.training.loss import encoded_targets
from fusion.training.settings import TrainingSettings
from fusion.training.threads import computing_with, shared_out, torch_with
from heads.decoders.base import ClosedForm

Floats = NDArray[np.float64]
Targets = Mapping[str, Floats]
Found = TypeVar("Found", covariant=True)


class Training(Protocol[Found]):
    """What can be run beside others of its kind."""

    def run(self, advance: Callable[[int], None]) -> Found:
        """Trains; `advance` is called with 1 after each unit, and with 0 before each step."""


def fit_networks(
    networks: Sequence[FusionNetwork],
    inputs: ModelInputs,
    training: TrainingRows,
    *,
    settings: TrainingSettings,
    stage: Stage = silent,
) -> list[TrainingHistory]:
    """Trains each network in place on all rows but its fold, and stops it by that.

    Several are trained at once, each in a Python thread: a network is the same whatever is trained
    beside it. Each is left in eval mode with the weights of its best epoch. Decoders that are
    solved in closed form are solved on all rows; the others are trained by gradient, the losses of
    their heads each divided by that of the best constant answer, so that no unit outweighs another.

    Args:
        networks: Their trained parts change; they may share heads and encoders that do not train.
        inputs: Model inputs of all rows.
        training: Targets and weights of the rows, and for each network the fold that it is
            stopped by; several may be stopped by the same.
        settings: How to train; each network takes the next seed.
        stage: Opens the progress bar, one step an epoch of a network.

    Returns:
        Losses by epoch of each network; none where it was solved.

    Raises:
        ValueError: If there are no training or validation rows.
        FloatingPointError: If a loss is not finite.
        MissingExtraError: If logs are asked for and tensorboard is not installed.
    """
    targets, sample_weight = training.targets, training.sample_weight
    counting = np.flatnonzero(sample_weight > 0)
    uniform = bool((sample_weight[counting] == sample_weight[counting][:1]).all())
    if all(network.is_closed_form for network in networks):
        own_weight = None if uniform else sample_weight[counting]
        for network in networks:
            _solve(network, inputs, targets, rows=counting, weight=own_weight)
        return [TrainingHistory() for _ in networks]
    heads_targets = encoded_targets(networks[0], targets)
    weight = None if uniform else torch.from_numpy(sample_weight).float()
    trainings = [
        NetworkTraining(
            network,
            TrainingData(inputs, heads_targets, weight),
            rows=_checked(np.setdiff1d(counting, fold), np.intersect1d(fold, counting)),
            settings=_own_settings(settings, place, n_networks=len(networks)),
        )
        for place, (network, fold) in enumerate(zip(networks, training.folds, strict=True))
    ]
    at_once, n_threads = shared_out(settings.threads, inputs, n_networks=len(networks))
    with stage("training", settings.epochs * len(networks), "epochs") as work:
        return run_at_once(trainings, work, at_once=at_once, n_threads=n_threads)


def run_at_once(
    trainings: Sequence[Training[Found]], work: Work, *, at_once: int, n_threads: int
) -> list[Found]:
    """Runs all trainings, each in a Python thread; an error of one ends the others.

    Args:
        trainings: In their order.
        work: Counts what they have done.
        at_once: How many run at a time, >= 1.
        n_threads: Threads of torch that each computes with, >= 1.

    Returns:
        What each gave back.
    """
    lock, over = threading.Lock(), threading.Event()

    def advance(count: int) -> None:
        if over.is_set():
            raise _OverError
        if count:
            with lock:
                work(count)

    def run(training: Training[Found]) -> Found:
        with torch_with(n_threads):
            return training.run(advance)

    if at_once == 1:
        return [run(training) for training in trainings]
    with torch_with(1), ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(run, training) for training in trainings]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:  # also where the program is told to stop
            if not all(future.done() and not future.exception() for future in futures):
                over.set()
    errors = [error for future in futures if (error := future.exception())]
    for error in errors:
        if not isinstance(error, _OverError):
            raise error
    return [future.result() for future in futures]


class _OverError(Exception):
    """Another training has failed: this one is of no use any more."""


def _solve(
    network: FusionNetwork,
    inputs: ModelInputs,
    targets: Targets,
    *,
    rows: Rows,
    weight: Floats | None,
) -> None:
    """Solves the decoders on all rows that count."""
    network.eval()
    with computing_with(1):
        with torch.inference_mode():
            batch = inputs.batch(rows)
            embeddings = {**batch["embeddings"], **network.encode(batch["inputs"])}
            fused = network.fuse(embeddings, batch["present"]).double().numpy()
        for name, head in network.heads.items():
            known = known_rows(targets[name][rows])
            scores = head.additive_scale(targets[name][rows[known]])
            decoder = cast(ClosedForm, network.decoder(name))
            decoder.solve(fused[known], scores, None if weight is None else weight[known])


def _checked(train: Rows, validation: Rows) -> tuple[Rows, Rows]:
    if len(train) == 0 or len(validation) == 0:
        raise ValueError(
            "rows must hold at least one training and one validation row, "
            f"got {len(train)} and {len(validation)}."
        )
    return train, validation


def _own_settings(settings: TrainingSettings, place: int, *, n_networks: int) -> TrainingSettings:
    """The settings of one network: the next seed, and a log folder of its own among several."""
    logs = settings.tensorboard
    if logs is not None and n_networks > 1:
        logs = logs / f"network_{place + 1}"
    seed = (settings.seed + place) % 2**31
    return settings.model_copy(update={"seed": seed, "tensorboard": logs})

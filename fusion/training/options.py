"""Options of heads that rows held out decide, before any network is trained."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy import linalg
from torch import Tensor

from fusion.data.batch import ModelInputs
from fusion.data.known import folds_within, heads_by_rows
from fusion.ensemble import ProductEnsemble
from fusion.training.blend_weights import Floats, OutOfFold, Rows, can_be_judged, fit_answer
from fusion.training.ridge import unsolved_ridge
from fusion.training.ridge_solver import RidgeSolver, likeliest_variances, standardised_scores
from heads.answer_maps import splits
from heads.base import Head
from heads.decoders.base import Decoder

MAX_ROWS = 1500
"""Rows, drawn at random, that options are chosen on."""
EVIDENCE_ROWS = 300
"""Rows that the penalties of this choice are chosen on: it needs no sharp ones."""


class Candidate(NamedTuple):
    """A head with some options, and what answers it by scores, a `score_decoder`."""

    head: Head
    decoder: Decoder


@torch.no_grad()
def best_options(
    ensemble: ProductEnsemble,
    inputs: ModelInputs,
    targets: Mapping[str, Floats],
    *,
    candidates: Mapping[str, Sequence[Candidate]],
    folds: Sequence[Rows],
    seed: int,
) -> dict[str, int]:
    """Which of several heads answers best, each on top of a kernel regression of its own.

    Why: the scale on which a target is learned is better judged by errors than by its skewness, and
    networks on every scale would take as many trainings. A Gaussian process on a scale (linear in
    each modality, and smooth in all together), with its map to the mean, takes seconds. *differs*
    from the answer in the end: what only a network sees is not in the choice.

    Heads are judged on rows held out, calibration included: by the squared error of their means (so
    by R2), and those without a mean by their primary metric.

    Args:
        ensemble: Untrained networks: they say what a linear model can read.
        inputs: Model inputs of all rows.
        targets: Targets `[n, *target_shape]` in business units for each name in `candidates`, NaN
            where there is none: such rows say nothing of this head.
        candidates: The likeliest first, by the name of the head in question.
        folds: Positions of the rows of each fold; alike or disjoint.
        seed: Draws rows where there are more than 1,500.

    Returns:
        Position of the best candidate of each name; 0 where a linear model can read nothing, or
        fewer than 20 rows are held out.
    """
    best: dict[str, int] = {}
    for names, rows in heads_by_rows({name: targets[name] for name in candidates}):
        drawn = rows[np.sort(np.random.default_rng(seed).permutation(len(rows))[:MAX_ROWS])]
        distinct = {fold.tobytes(): fold for fold in folds}
        best |= _best_on_rows(
            ensemble,
            inputs.take(drawn),
            {name: targets[name][drawn] for name in names},
            candidates={name: candidates[name] for name in names},
            out_of_fold=OutOfFold(folds=folds_within(list(distinct.values()), drawn), raw={}),
            seed=seed,
        )
    return best


def _best_on_rows(
    ensemble: ProductEnsemble,
    inputs: ModelInputs,
    targets: Mapping[str, Floats],
    *,
    candidates: Mapping[str, Sequence[Candidate]],
    out_of_fold: OutOfFold,
    seed: int,
) -> dict[str, int]:
    """As `best_options`, for heads whose targets are known of all rows."""
    places = [(name, i) for name, some in candidates.items() for i in range(len(some))]
    tried = {str(place): candidates[name][i] for place, (name, i) in enumerate(places)}
    heads = {key: candidate.head for key, candidate in tried.items()}
    ridge = unsolved_ridge(ensemble, inputs, heads)
    if ridge is None or not can_be_judged(out_of_fold.folds, n_rows=len(inputs)):
        return dict.fromkeys(candidates, 0)
    values = {key: targets[name] for key, (name, _) in zip(tried, places, strict=True)}
    encoded = [standardised_scores(head, values[key]) for key, head in heads.items()]
    blocks = RidgeSolver(ensemble, inputs, ridge, seed=seed).centred_blocks()
    solved = _scores(blocks, np.concatenate(encoded, axis=1), folds=out_of_fold.folds, seed=seed)
    errors = [
        _held_out_error(
            candidate,
            torch.from_numpy(solved[:, ridge.answers.places[key]]).float(),
            values[key],
            out_of_fold=out_of_fold,
        )
        for key, candidate in tried.items()
    ]
    return {
        name: int(np.argmin([errors[places.index((name, i))] for i in range(len(some))]))
        for name, some in candidates.items()
    }


def _scores(blocks: list[Floats], target: Floats, *, folds: Sequence[Rows], seed: int) -> Floats:
    """Scores `[n, n_targets]` of folds by Gaussian processes that never saw their targets."""
    n_rows = len(target)
    kernels = _kernels(blocks)
    order = np.random.default_rng(seed).permutation(n_rows)
    scores = np.zeros_like(target)
    starts: dict[int, Floats] = {}
    for fold in folds:
        known = np.setdiff1d(np.arange(n_rows), fold)
        drawn = order[np.isin(order, known)][:EVIDENCE_ROWS]
        for place in range(target.shape[1]):
            mean = target[known, place].mean()
            away = target[:, place] - mean
            variances = likeliest_variances(
                kernels[:, drawn[:, None], drawn], away[drawn], start=starts.get(place)
            )
            starts[place] = variances
            kernel = np.tensordot(variances[:-1], kernels, axes=1)
            noisy = kernel[known[:, None], known] + variances[-1] * np.eye(len(known))
            weights = linalg.solve(noisy, away[known], assume_a="pos")
            scores[fold, place] = kernel[fold[:, None], known] @ weights + mean
    return scores


def _kernels(blocks: list[Floats]) -> Floats:
    """One linear kernel a block, and a smooth one of all, in which each block weighs alike."""
    linear = []
    for block in blocks:
        size = max(float((block**2).sum(axis=1).mean()), 1e-12)
        linear.append(block @ block.T / size)
    together = np.sum(linear, axis=0)
    sizes = np.diag(together)
    distances = (sizes[:, None] + sizes - 2.0 * together).clip(min=0.0)
    smooth = np.exp(-distances / max(float(np.median(distances)), 1e-12))
    return np.stack([*linear, smooth])


def _held_out_error(
    candidate: Candidate, scores: Tensor, target: Floats, *, out_of_fold: OutOfFold
) -> float:
    """How far a head errs that was calibrated on other parts than it is judged by."""
    head, decoder = candidate
    rows, parts = out_of_fold.rows, out_of_fold.parts
    target = target[rows]
    encoded = torch.from_numpy(head.encode_target(target))
    raw = fit_answer(decoder, head, scores[rows], encoded)
    answers = {column.name: np.zeros(len(rows)) for column in head.columns}
    for known, asked in splits(parts):
        head.calibrate(raw[torch.from_numpy(known)], target[known], parts=parts[known])
        for name, values in head.decode(raw[torch.from_numpy(asked)]).items():
            answers[name][asked] = values.numpy()
    return _error(head, target, answers)


def _error(head: Head, target: Floats, answers: Mapping[str, Floats]) -> float:
    """Mean squared error of the means; of heads without one the primary metric, less is better."""
    means = [column for column in head.columns if column.kind == "mean"]
    if means:
        errors = [answers[one.name] - one.values_of(target) for one in means]
        return float(np.square(errors).mean())
    found = head.metrics(target, dict(answers))[head.primary_metric]
    if np.isnan(found):  # nothing is known of it
        return np.inf
    return -found if head.higher_is_better else found

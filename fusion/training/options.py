"""Options of heads that rows held out decide, before any network is trained."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy import linalg
from torch import Tensor

from fusion.data.batch import ModelInputs
from fusion.data.known import folds_within, heads_by_rows
from fusion.ensemble import ProductEnsemble
from fusion.training.linear import unsolved_part
from fusion.training.ridge import Ridge, likeliest_variances, standardised
from fusion.training.shares import Floats, HeldOut, Rows, can_be_judged, fit_answer
from heads.answer_maps import splits
from heads.base import Head

MAX_ROWS = 1500
"""Rows, drawn at random, that options are chosen on."""
EVIDENCE_ROWS = 300
"""Rows that the penalties of this choice are chosen on: it needs no sharp ones."""


@torch.no_grad()
def best_options(
    ensemble: ProductEnsemble,
    inputs: ModelInputs,
    targets: Mapping[str, Floats],
    *,
    candidates: Mapping[str, Sequence[Head]],
    folds: Sequence[Rows],
    seed: int,
) -> dict[str, int]:
    """Which of several heads answers best, each on top of a kernel regression of its own.

    Why: the scale on which a target is learned is better judged by errors than by its skewness, and
    networks on every scale would take as many trainings. A Gaussian process on a scale (linear in
    each modality, and smooth in all together), with its map to the mean, takes seconds. *differs*
    from the answer in the end: what only a network sees is not in the choice.

    Heads are judged by the squared error of their first column, the mean (so by R2), on rows held
    out, maps included.

    Args:
        ensemble: Untrained networks: they say what a linear model can read.
        inputs: Model inputs of all rows.
        targets: Targets `[n]` in business units for each name in `candidates`, NaN where there is
            none: such rows say nothing of this head.
        candidates: Heads of one input, the likeliest first, by the name of the head in question.
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
            held_out=HeldOut(folds=folds_within(list(distinct.values()), drawn), raw={}),
            seed=seed,
        )
    return best


def _best_on_rows(
    ensemble: ProductEnsemble,
    inputs: ModelInputs,
    targets: Mapping[str, Floats],
    *,
    candidates: Mapping[str, Sequence[Head]],
    held_out: HeldOut,
    seed: int,
) -> dict[str, int]:
    """As `best_options`, for heads whose targets are known of all rows."""
    places = [(name, i) for name, some in candidates.items() for i in range(len(some))]
    heads = {str(place): candidates[name][i] for place, (name, i) in enumerate(places)}
    values = [targets[name] for name, _ in places]
    part = unsolved_part(ensemble, inputs, heads)
    if part is None or not can_be_judged(held_out.folds, n_rows=len(inputs)):
        return dict.fromkeys(candidates, 0)
    encoded = [
        standardised(head.linear_target(target))
        for head, target in zip(heads.values(), values, strict=True)
    ]
    blocks = Ridge(ensemble, inputs, part, seed=seed).centred_blocks()
    solved = _scores(blocks, np.stack(encoded, axis=1), folds=held_out.folds, seed=seed)
    errors = [
        _squared_error(head, torch.from_numpy(scores).float(), target, held_out=held_out)
        for head, scores, target in zip(heads.values(), solved.T, values, strict=True)
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


def _squared_error(head: Head, scores: Tensor, target: Floats, *, held_out: HeldOut) -> float:
    """Mean squared error of the first column, calibrated on other parts than it is judged by."""
    rows, parts = held_out.rows, held_out.parts
    target = target[rows]
    encoded = torch.from_numpy(head.encode_target(target))
    raw = fit_answer(head, scores[rows], encoded)
    total = 0.0
    for known, asked in splits(parts):
        head.calibrate(raw[torch.from_numpy(known)], target[known], parts=parts[known])
        mean = head.predict(raw[torch.from_numpy(asked)])[head.columns[0]]
        total += float(np.square(mean.numpy() - target[asked]).sum())
    return total / len(rows)

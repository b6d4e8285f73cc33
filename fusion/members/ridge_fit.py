"""How the scores of one head are learned: its likelihood, its priors, its folds."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fusion.data.folds import drawn_beside_folds
from fusion.data.known import is_known
from fusion.members.base import Floats
from fusion.members.ridge_by_rows import likeliest_variances, solve_by_rows
from fusion.members.ridge_features import Features, Source
from fusion.members.ridge_solver import Curvature, Likelihood, Link, RidgeSolver
from fusion.members.taken import Taken
from fusion.members.view import Rows
from heads.base import Head

EVIDENCE_ROWS = 500
"""Rows, drawn at random, that the prior variances of blocks are chosen on."""
MOST_EVIDENCE_SCORES = 3
"""Scores of a head that they are chosen by."""
STRENGTH_ROWS = 5_000
"""Rows held out that the strength of all priors is chosen on."""
MOST_BY_ROWS = 1_000
"""Rows up to which least squares are solved by an equation a row."""
STEP = 3.0
MOST_STEPS = 4
MOST_AT_ONCE = 8
"""Vectors of weights that are searched at once."""


@dataclass(frozen=True)
class LinearScores:
    """Linear scores of one head, of columns as they are.

    Args:
        weights: For each source `[dim, n_scores]`, float32.
        offsets: What the mean of each source would add, `[n_sources, n_scores]`.
        intercept: Scores `[n_scores]` of a row of which nothing is known.
    """

    weights: Sequence[NDArray[np.float32]]
    offsets: Floats
    intercept: Floats

    @classmethod
    def solved(cls, features: Features, theta: Floats, *, mean: Floats, std: Floats) -> Self:
        """From weights of scaled columns and standardised scores."""
        raw = (theta[:-1] * features.scale[:, None] * std).astype(np.float32)
        weights = [raw[columns] for columns in features.places]
        offsets = [features.mean[c] @ w for c, w in zip(features.places, weights, strict=True)]
        n_scores = theta.shape[1]
        return cls(weights, np.reshape(offsets, (-1, n_scores)), theta[-1] * std + mean)

    def tensors(self, place: int) -> dict[str, Tensor]:
        """By names that end in the place of the head; `taken` takes them back."""
        return {
            **{f"weights.{at}.{place}": torch.from_numpy(w) for at, w in enumerate(self.weights)},
            f"offsets.{place}": torch.from_numpy(self.offsets),
            f"intercept.{place}": torch.from_numpy(self.intercept),
        }

    @classmethod
    def taken(cls, state: Taken, place: int, sources: Sequence[Source], *, n_scores: int) -> Self:
        """From what `tensors` gave.

        Raises:
            ValueError: If a tensor is missing, not finite or of another shape.
        """
        weights = [
            state.floats(f"weights.{at}.{place}", source.dim, n_scores).astype(np.float32)
            for at, source in enumerate(sources)
        ]
        offsets = state.floats(f"offsets.{place}", len(sources), n_scores)
        return cls(weights, offsets, state.floats(f"intercept.{place}", n_scores))


def fit_scores(
    features: Features,
    head: Head,
    target: Floats,
    *,
    folds: Sequence[Rows],
    weight: Floats,
    seed: int,
) -> tuple[Floats, LinearScores]:
    """Scores of all rows, of folds by weights that never saw them; and those of all rows.

    Args:
        features: Columns of all rows.
        head: What is asked.
        target: `[n, *target_shape]` in business units, NaN where there is none.
        folds: Positions of the rows of each fold.
        weight: `[n]`, how much each row counts.
        seed: Draws the rows that prior variances are chosen on.
    """
    known = is_known(target)
    counts = np.where(known, weight, 0.0)
    scale = np.zeros((features.n, head.n_scores))
    scale[known] = head.additive_scale(target[known])
    likelihood, mean, std = _likelihood(head, scale, counts)
    variances = _variances(features, likelihood, counts, seed=seed)
    if likelihood.link == "identity" and (counts > 0).sum() <= MOST_BY_ROWS:
        stds = np.sqrt(variances)
        *thetas, theta = solve_by_rows(features, likelihood, stds, counts, folds)
    else:
        thetas, theta, strength = _by_columns(features, likelihood, variances, folds, counts)
        stds = np.sqrt(strength * variances)
    own = stds[features.group][:, None]
    scores = _scores(features, theta, own)
    for fold, rest in zip(folds, thetas, strict=True):
        scores[fold] = _scores(features, rest, own)[fold]
    theta = np.vstack([own * theta[:-1], theta[-1]])
    solved = LinearScores.solved(features, theta, mean=mean, std=std)
    return scores * std + mean, solved


def _scores(features: Features, theta: Floats, stds: Floats) -> Floats:
    return np.asarray(features.times(stds * theta[:-1]) + theta[-1])


def _likelihood(head: Head, target: Floats, counts: Floats) -> tuple[Likelihood, Floats, Floats]:
    """How scores are held against targets; mean and deviation that these were standardised by."""
    n_scores = target.shape[1]
    asks_probability = {column.kind for column in head.columns} <= {"probability", "class"}
    if asks_probability and ((target >= 0) & (target <= 1)).all():
        link: Link = "softmax" if n_scores > 1 and not head.target_shape else "logistic"
        return Likelihood(link, target), np.zeros(n_scores), np.ones(n_scores)
    total = max(counts.sum(), 1e-300)
    mean = counts @ target / total
    std = np.sqrt(counts @ np.square(target - mean) / total)
    std = np.where(std > 1e-12 * np.abs(mean).clip(min=1e-300), std, 1.0)
    return Likelihood("identity", (target - mean) / std), mean, std


def _variances(features: Features, likelihood: Likelihood, counts: Floats, *, seed: int) -> Floats:
    """Prior variance of the weights of each source, in units of the noise, `[n_sources]`."""
    rows = drawn_beside_folds(np.flatnonzero(counts > 0), EVIDENCE_ROWS, seed=seed)
    if len(rows) < 2 or not features.sources:
        return np.ones(len(features.sources))
    kernels, logs = np.stack(list(features.kernels(rows))), []
    n_scores = likelihood.target.shape[1]
    for place in np.unique(np.linspace(0, n_scores - 1, MOST_EVIDENCE_SCORES).astype(int)):
        target = likelihood.target[rows, place]
        std = float(target.std())
        if std < 1e-12:
            continue
        noise = np.clip(counts[rows].mean() / counts[rows], 1e-3, 1e3)
        *found, rest = likeliest_variances(kernels, (target - target.mean()) / std, noise)
        unit = std**2 if likelihood.link != "identity" else rest  # of log-odds: 1 / slope
        logs.append(np.log(np.array(found) / unit))
    return np.exp(np.mean(logs, axis=0)) if logs else np.ones(len(features.sources))


def _by_columns(
    features: Features,
    likelihood: Likelihood,
    variances: Floats,
    folds: Sequence[Rows],
    counts: Floats,
) -> tuple[list[Floats], Floats, float]:
    """Weights without each fold, those of all rows, and the strength of all priors.

    The strength of priors of log-odds is walked up or down while rows held out lose less: that of
    squared errors was found with the variances. Searches for the weights of a fold begin only where
    others of the same fold ended.
    """
    curvature = Curvature(features, counts, variances)
    at_once = max(1, MOST_AT_ONCE // likelihood.target.shape[1])

    def solved(
        strengths: Sequence[float], left: Sequence[Rows], starts: Sequence[Floats] = ()
    ) -> tuple[list[Floats], Floats]:
        """For each strength and fold the weights without the fold, and what its rows lose."""
        pairs, found, lost = list(product(strengths, left)), [], []
        for first in range(0, len(pairs), at_once):
            some = pairs[first : first + at_once]
            given = np.array([strength for strength, _ in some])
            solver = RidgeSolver(features, likelihood, given, curvature)
            seen = np.repeat(counts[:, None], len(some), axis=1)
            for place, (_, fold) in enumerate(some):
                seen[fold, place] = 0.0
            start = np.stack(starts[first : first + at_once], axis=1) if starts else None
            thetas = solver.solve(seen, start)
            losses = likelihood.losses(solver.scores(thetas))
            for place, (_, fold) in enumerate(some):
                found.append(thetas[:, place])
                lost.append(float(counts[fold] @ losses[fold, place]))
        return found, np.reshape(lost, (len(strengths), len(left))).sum(axis=1)

    nothing = np.empty(0, dtype=np.int64)
    if likelihood.link == "identity":
        *thetas, theta = solved([1.0], [*folds, nothing])[0]
        return thetas, theta, 1.0
    sizes = np.cumsum([len(fold) for fold in folds])
    n_judged = int(np.searchsorted(sizes, STRENGTH_ROWS)) + 1
    judged = folds[:n_judged]
    tried = [1.0, STEP, 1.0 / STEP]
    thetas, losses = solved(tried, judged)
    best = int(np.argmin(losses))
    strength, least = tried[best], losses[best]
    thetas = thetas[best * len(judged) : (best + 1) * len(judged)]
    for _ in range(1, MOST_STEPS if best else 1):
        further, (loss,) = solved([strength * tried[best]], judged, thetas)
        if loss >= least:
            break
        strength, thetas, least = strength * tried[best], further, loss
    *others, theta = solved([strength], [*folds[n_judged:], nothing])[0]
    return [*thetas, *others], theta, strength

"""How the linear part of an ensemble is found: penalties, weights, and its share in the answer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import linalg, optimize
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from fusion.data.batch import ModelInputs
from fusion.ensemble import ProductEnsemble
from fusion.linear import LinearPart
from heads.base import Head

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

CHUNK_ROWS = 4096
EVIDENCE_ROWS = 1000
"""Rows, drawn at random, that the penalties are chosen on: they need no more."""
LOG_VARIANCES = (-12.0, 5.0)
SHARES = np.linspace(0.0, 1.0, 21)
MIN_HELD_OUT = 20
"""Held-out rows below which nothing can be said about shares: the networks answer alone."""
N_GROUPS = 20
"""Groups of held-out rows that a standard error is taken over."""


@dataclass(frozen=True)
class HeldOut:
    """Answers on rows that the answering networks have not been trained on.

    Args:
        folds: Positions of the rows of each fold; no row stands in two.
        raw: `[n, raw_dim]` for each head, on all rows; only rows of the folds count.
    """

    folds: Sequence[Rows]
    raw: Mapping[str, Tensor]

    @property
    def rows(self) -> Rows:
        """The rows of all folds."""
        return np.concatenate(self.folds)


@torch.no_grad()
def fit_linear_part(
    ensemble: ProductEnsemble,
    inputs: ModelInputs,
    targets: Mapping[str, Floats],
    *,
    held_out: HeldOut,
    seed: int,
) -> tuple[LinearPart | None, Mapping[str, Tensor]]:
    """The linear part of trained networks, on all given rows.

    Each block of features (a modality, the levels of the categories) has a variance of its own,
    chosen by the marginal likelihood (MacKay 1992, evidence framework); the weights are those of
    ridge regression with these variances. The linear answer and its share are chosen on rows held
    out. A network's errors there are those of one member, and the mean of all errs less, so of the
    shares within one standard error of the best the largest is taken.

    Args:
        ensemble: Trained networks.
        inputs: Model inputs of all rows.
        targets: Targets `[n]` in business units for each head.
        held_out: Answers of the networks on rows held out.
        seed: Draws the rows that the penalties are chosen on.

    Returns:
        The part, or None where no modality can be read by a linear model or fewer than 20 rows
        were held out; and the blended answers `[n, raw_dim]` of each head on rows held out.
    """
    example = inputs.batch(np.arange(min(len(inputs), 2)))
    blocks = ensemble.linear_blocks(example["inputs"], example["embeddings"])
    if not blocks or len(held_out.rows) < MIN_HELD_OUT:
        return None, held_out.raw
    dims = {name: [block.shape[1] for block in parts] for name, parts in blocks.items()}
    part = LinearPart(dims, ensemble.first.named_heads)
    fit = _Fit(ensemble, inputs, part, seed=seed)
    encoded = np.stack(
        [standardised(ensemble.head(n).linear_target(targets[n])) for n in ensemble.heads], axis=1
    )
    scores = fit.solve(encoded, folds=held_out.folds)
    kept, blended = blend_held_out(part.answers, torch.from_numpy(scores), targets, held_out)
    part.shares.copy_(kept)
    return part.eval(), blended


def blend_held_out(
    answers: nn.ModuleDict,
    scores: Tensor,
    targets: Mapping[str, Floats],
    held_out: HeldOut,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Fits the answer of each head to scores, and finds the share that the answers so far keep.

    Args:
        answers: Heads of one input; fitted in place.
        scores: `[n, n_heads]`; only rows held out count.
        targets: Targets `[n]` in business units for each head.
        held_out: Answers so far.

    Returns:
        Shares `[n_heads]` in [0, 1], and the blended answers `[n, raw_dim]` of each head.
    """
    rows, kept = held_out.rows, torch.ones(len(answers))
    blended = {name: raw.clone() for name, raw in held_out.raw.items()}
    for place, (name, head) in enumerate(answers.items()):
        assert isinstance(head, Head)
        target = torch.from_numpy(head.encode_target(targets[name][rows]))
        other = fit_answer(head, scores[rows, place].float(), target)
        kept[place] = share = best_share(head, held_out.raw[name][rows], other, target)
        blended[name][rows] = share * held_out.raw[name][rows] + (1.0 - share) * other
    return kept, blended


class _Fit:
    """Sums over rows, chunk by chunk, so that memory does not grow with the table."""

    def __init__(
        self, ensemble: ProductEnsemble, inputs: ModelInputs, part: LinearPart, *, seed: int
    ) -> None:
        self.ensemble, self.inputs, self.part, self.seed = ensemble, inputs, part, seed
        self.n = len(inputs)
        sizes = [size for sizes in part.dims.values() for size in sizes]
        self.blocks = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])

    def solve(self, target: Floats, *, folds: Sequence[Rows]) -> Floats:
        """Sets centre and weights; scores `[n, n_heads]` of folds by weights that never saw them.

        Rows in no fold keep a score of 0.
        """
        self._centre()
        fold_of = np.full(self.n, len(folds))
        for place, rows in enumerate(folds):
            fold_of[rows] = place
        grams, products = self._sums(target, fold_of, n_folds=len(folds) + 1)
        scales, noises = self._penalties(target)
        total, right = grams.sum(axis=0), products.sum(axis=0)
        scores = np.zeros_like(target)
        for place, rows in enumerate(folds):
            weights = _ridge(total - grams[place], right - products[place], scales, noises)
            for chunk in np.array_split(rows, -(-len(rows) // CHUNK_ROWS)):
                scores[chunk] = self._features(chunk) @ weights
        self.part.weights.copy_(torch.from_numpy(_ridge(total, right, scales, noises)))
        return scores

    def _features(self, rows: Rows) -> Floats:
        batch = self.inputs.batch(rows)
        blocks = self.ensemble.linear_blocks(batch["inputs"], batch["embeddings"])
        features: Floats = self.part.features(blocks, batch["present"]).cpu().numpy()
        return features

    def _chunks(self) -> Iterator[Rows]:
        for start in range(0, self.n, CHUNK_ROWS):
            yield np.arange(start, min(start + CHUNK_ROWS, self.n))

    def _centre(self) -> None:
        """Mean of each feature over the rows in which its modality is present."""
        total = np.sum([self._features(rows).sum(axis=0) for rows in self._chunks()], axis=0)
        counts = np.concatenate(
            [
                np.full(sum(sizes), max(int(self.inputs.present[name].sum()), 1))
                for name, sizes in self.part.dims.items()
            ]
        )
        self.part.center.copy_(torch.from_numpy(total / counts))

    def _sums(self, target: Floats, fold_of: Rows, *, n_folds: int) -> tuple[Floats, Floats]:
        """Products of the features with themselves and with the targets, fold by fold."""
        dim = self.part.center.numel()
        grams, products = np.zeros((n_folds, dim, dim)), np.zeros((n_folds, dim, target.shape[1]))
        for rows in self._chunks():
            features = self._features(rows)
            for fold in np.unique(fold_of[rows]):
                mine = fold_of[rows] == fold
                grams[fold] += features[mine].T @ features[mine]
                products[fold] += features[mine].T @ target[rows[mine]]
        return grams, products

    def _penalties(self, target: Floats) -> tuple[Floats, Floats]:
        """Prior standard deviation of each weight `[dim, n_heads]` and noise variances."""
        order = np.random.default_rng(self.seed).permutation(self.n)
        rows = np.sort(order[:EVIDENCE_ROWS])
        features = self._features(rows)
        kernels, sizes = [], []
        for block in self.blocks:
            sizes.append(max(float((features[:, block] ** 2).sum(axis=1).mean()), 1e-12))
            kernels.append(features[:, block] @ features[:, block].T / sizes[-1])
        scales, noises = np.zeros((features.shape[1], target.shape[1])), np.ones(target.shape[1])
        for head in range(target.shape[1]):
            variances = likeliest_variances(np.stack(kernels), target[rows, head])
            noises[head] = variances[-1]
            for block, size, variance in zip(self.blocks, sizes, variances, strict=False):
                scales[block, head] = np.sqrt(variance / size)
        return scales, noises


def likeliest_variances(kernels: Floats, target: Floats) -> Floats:
    """Variances of additive effects, and of noise, that make a target likeliest.

    Source: Rasmussen and Williams (2006), equations 5.8 and 5.9.

    Shape:
        kernels `[n_effects, n, n]`, target `[n]` of mean 0 and variance 1 ->
        `[n_effects + 1]`, > 0.
    """
    identity = np.eye(len(target))

    def loss_and_slope(logs: Floats) -> tuple[float, Floats]:
        variances = np.exp(logs)
        covariance = np.tensordot(variances[:-1], kernels, axes=1) + variances[-1] * identity
        factor = linalg.cholesky(covariance, lower=True)
        inverse = linalg.cho_solve((factor, True), identity)
        alpha = inverse @ target
        slopes = [
            variance * (float((inverse * kernel).sum()) - float(alpha @ kernel @ alpha))
            for variance, kernel in zip(variances, [*kernels, identity], strict=True)
        ]
        loss = float(target @ alpha) + 2.0 * float(np.log(np.diag(factor)).sum())
        return loss / 2, np.asarray(slopes) / 2

    found = optimize.minimize(
        loss_and_slope,
        np.full(len(kernels) + 1, -1.5),
        jac=True,
        method="L-BFGS-B",
        bounds=[LOG_VARIANCES] * len(kernels) + [(-7.0, LOG_VARIANCES[1])],
        options={"maxiter": 30, "ftol": 1e-5},
    )
    variances: Floats = np.exp(found.x)
    return variances


def fit_answer(head: Head, scores: Tensor, target: Tensor) -> Tensor:
    """Fits a head of one input to scores `[n]` in place; its raw outputs `[n, raw_dim]`.

    Where the search leaves the finite numbers, the head stays as it was made.
    """
    parameters = [parameter for parameter in head.parameters() if parameter.requires_grad]
    start = parameters_to_vector(parameters).detach().clone()

    @torch.enable_grad()
    def loss_and_slope(vector: Floats) -> tuple[float, Floats]:
        vector_to_parameters(torch.as_tensor(vector).to(start), parameters)
        loss = head.loss(head(scores[:, None]), target)
        slopes = torch.autograd.grad(loss, parameters)
        return float(loss.detach()), parameters_to_vector(slopes).double().numpy()

    found = optimize.minimize(
        loss_and_slope, start.double().numpy(), jac=True, method="L-BFGS-B", options={"maxiter": 60}
    )
    best = torch.as_tensor(found.x).to(start)
    vector_to_parameters(best if torch.isfinite(best).all() else start, parameters)
    raw: Tensor = head(scores[:, None])
    return raw


def best_share(head: Head, networks: Tensor, linear: Tensor, target: Tensor) -> float:
    """Share of the networks, 0 to 1: the largest within one standard error of the best.

    Shape:
        networks and linear `[n, raw_dim]`, target `[n]`.
    """
    groups = [torch.from_numpy(g) for g in np.array_split(np.arange(len(target)), N_GROUPS)]
    losses = np.array(
        [
            [
                float(head.loss(s * networks[rows] + (1 - s) * linear[rows], target[rows]))
                for rows in groups
            ]
            for s in SHARES
        ]
    )
    best = int(losses.mean(axis=1).argmin())
    excess = losses[best:] - losses[best]
    allowed = excess.std(axis=1, ddof=1) / np.sqrt(len(groups))
    good = np.flatnonzero(excess.mean(axis=1) <= allowed)
    return float(SHARES[best + good[-1]])


def _ridge(gram: Floats, right: Floats, scales: Floats, noises: Floats) -> Floats:
    """Weights `[dim, n_heads]` of ridge regression under prior deviations of each weight."""
    weights = np.empty_like(right)
    for head, noise in enumerate(noises):
        scale = scales[:, head]
        system = scale[:, None] * gram * scale + noise * np.eye(len(gram))
        weights[:, head] = scale * linalg.solve(system, scale * right[:, head], assume_a="pos")
    return weights


def standardised(target: Floats) -> Floats:
    """Mean 0 and variance 1; zeros where all are alike."""
    spread = float(target.std())
    return (target - target.mean()) / spread if spread > 1e-12 else np.zeros_like(target)

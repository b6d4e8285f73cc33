"""Ridge regression with a penalty for each block of features, on all rows and without a fold."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import linalg, optimize

from fusion.data.batch import ModelInputs
from fusion.ensemble import ProductEnsemble
from fusion.members.ridge import RidgeMember
from fusion.training.kernels import BlockKernels
from heads.base import Head

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

CHUNK_ROWS = 4096
EVIDENCE_ROWS = 1000
"""Rows, drawn at random, that the penalties are chosen on: they need no more."""
LOG_VARIANCES = (-12.0, 5.0)
MIN_SIZE = 1e-12
"""Mean square of a block's features below which it is constant; its weights are 0."""


class RidgeSolver:
    """Solves a ridge member for any targets, and answers for folds by what never saw them.

    Centre, penalties and weights are those of the rows outside the fold, each time anew; the search
    for penalties starts where that of the fold before ended, which moves scores by less than a
    hundredth of a standard deviation.

    With more rows than features, products of features are summed over rows once, chunk by chunk:
    memory does not grow with the rows. With more features than rows, the same weights are found
    from products of rows (the dual): memory grows with rows times features, not with a square.
    Source: Saunders, Gammerman and Vovk (1998), ridge regression in dual variables.

    Args:
        ensemble: Networks whose answers the member is blended with: they say what it reads.
        inputs: Model inputs of all rows.
        member: What is solved; holds the solution for all rows in the end.
        seed: Draws the rows that the penalties are chosen on.
    """

    def __init__(
        self,
        ensemble: ProductEnsemble,
        inputs: ModelInputs,
        member: RidgeMember,
        *,
        seed: int,
    ) -> None:
        self.ensemble, self.inputs, self.member = ensemble, inputs, member
        self.n = len(inputs)
        self.order = np.random.default_rng(seed).permutation(self.n)
        sizes = [size for sizes in member.dims.values() for size in sizes]
        self.blocks = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
        self.modality_of = np.repeat(
            np.arange(len(member.dims)), [sum(sizes) for sizes in member.dims.values()]
        )
        self.variances: dict[int, Floats] = {}  # of each target, where the next search starts

    def solve(self, target: Floats, *, folds: Sequence[Rows]) -> Floats:
        """Scores `[n, n_targets]` of folds by weights that never saw them; 0 in no fold.

        The member then holds centre and weights of all rows.

        Args:
            target: `[n, n_targets]`, each of mean 0 and variance 1.
            folds: Positions of the rows of each fold; no row stands in two.
        """
        self._shift()
        if len(self.modality_of) > self.n:
            return self._solve_dual(target, folds)
        shift = self.member.center.numpy().copy()
        grams, products = self._sums(target, folds)
        total, right = grams.sum(axis=0), products.sum(axis=0)
        scores = np.zeros_like(target)
        everything = np.arange(self.n)
        for place, fold in enumerate(folds):
            sums = (total - grams[place], right - products[place])
            mean = self._solve(sums, target, rows=np.setdiff1d(everything, fold), shift=shift)
            weights = self.member.weights.numpy()
            for rows in np.array_split(fold, -(-len(fold) // CHUNK_ROWS)):
                scores[rows] = self._features(rows) @ weights + mean
        self._solve((total, right), target, rows=everything, shift=shift)
        return scores

    def centred_blocks(self) -> list[Floats]:
        """Features of all rows, block by block, `[n, dim]` each; 0 where a modality is absent."""
        self._shift()
        features = self._features(np.arange(self.n))
        return [features[:, block] for block in self.blocks]

    def _solve_dual(self, target: Floats, folds: Sequence[Rows]) -> Floats:
        """As `solve`, by a system of one equation a row; centre is about the middle already."""
        everything = np.arange(self.n)
        features, present = self._features(everything), self._present(everything)
        modality_of = [self.modality_of[block[0]] for block in self.blocks]
        kernels = BlockKernels(
            [features[:, block] for block in self.blocks], present[:, modality_of].T
        )
        scores = np.zeros_like(target)
        for fold in folds:
            rows = np.setdiff1d(everything, fold)
            mean, variances, alphas = self._alphas(kernels, target, rows)
            across = kernels.centred(fold, rows, centre_of=rows)
            scores[fold] = np.einsum("bt,bfr,rt->ft", variances, across, alphas) + mean
        _, variances, alphas = self._alphas(kernels, target, everything)
        moved = features.sum(axis=0) / present.sum(axis=0)[self.modality_of].clip(min=1.0)
        products = features.T @ alphas
        products -= moved[:, None] * (present.T @ alphas)[self.modality_of]
        self.member.center += torch.from_numpy(moved)
        prior = np.repeat(variances, [len(block) for block in self.blocks], axis=0)
        self.member.weights.copy_(torch.from_numpy(prior * products))
        return scores

    def _alphas(
        self, kernels: BlockKernels, target: Floats, rows: Rows
    ) -> tuple[Floats, Floats, Floats]:
        """Mean targets, prior variances `[n_blocks, n_targets]` and dual weights of some rows."""
        mean = target[rows].mean(axis=0)
        away = target - mean
        own = kernels.centred(rows, rows, centre_of=rows)
        drawn = np.flatnonzero(np.isin(rows, self._drawn(rows)))
        variances, noises = self._variances(own[:, drawn[:, None], drawn], away[rows[drawn]])
        alphas = np.empty((len(rows), target.shape[1]))
        for place, noise in enumerate(noises):
            system = np.tensordot(variances[:, place], own, axes=1) + noise * np.eye(len(rows))
            alphas[:, place] = linalg.solve(system, away[rows, place], assume_a="pos")
        return mean, variances, alphas

    def _solve(
        self, sums: tuple[Floats, Floats], target: Floats, *, rows: Rows, shift: Floats
    ) -> Floats:
        """Sets centre and weights of the member for some rows; returns their mean targets.

        Args:
            sums: Of these rows, see `_sums`.
            target: Of all rows.
            rows: Which rows.
            shift: Centre of the features in the sums.
        """
        gram, product = sums
        n_features = len(shift)
        own, beside = slice(n_features), slice(n_features, None)
        counts = np.diag(gram)[beside].clip(min=1.0)
        moved = np.zeros((len(counts), n_features))  # centres of these rows, seen from the shift
        places = np.arange(n_features)
        moved[self.modality_of, places] = (
            gram[places, n_features + self.modality_of] / counts[self.modality_of]
        )
        self.member.center.copy_(torch.from_numpy(shift + moved.sum(axis=0)))
        mean = product[-1] / counts[-1]
        crossed = gram[own, beside] @ moved
        centred = gram[own, own] - crossed - crossed.T + moved.T @ gram[beside, beside] @ moved
        totals = gram[own, -1] - moved.T @ gram[beside, -1]
        right = product[own] - moved.T @ product[beside] - np.outer(totals, mean)
        scales, noises = self._penalties(target - mean, rows=rows)
        self.member.weights.copy_(torch.from_numpy(ridge_weights(centred, right, scales, noises)))
        return np.asarray(mean)

    def _features(self, rows: Rows) -> Floats:
        batch = self.inputs.batch(rows)
        blocks = self.ensemble.linear_blocks(batch["inputs"], batch["embeddings"])
        features: Floats = self.member.features(blocks, batch["present"]).cpu().numpy()
        return features

    def _present(self, rows: Rows) -> Floats:
        """Masks `[n, n_modalities + 1]` as numbers; the last one is 1 everywhere."""
        index = torch.as_tensor(rows)
        masks = [self.inputs.present[name][index].numpy() for name in self.member.dims]
        return np.stack([*masks, np.ones(len(rows))], axis=1).astype(np.float64)

    def _chunks(self) -> Iterator[Rows]:
        for start in range(0, self.n, CHUNK_ROWS):
            yield np.arange(start, min(start + CHUNK_ROWS, self.n))

    def _shift(self) -> None:
        """Takes about the middle of each feature away, so that sums keep their digits.

        It cancels out of every solution: each has the centre of its own rows.
        """
        total = np.sum([self._features(rows).sum(axis=0) for rows in self._chunks()], axis=0)
        counts = np.sum([self._present(rows).sum(axis=0) for rows in self._chunks()], axis=0)
        center = total / counts[self.modality_of].clip(min=1.0)
        self.member.center.copy_(torch.from_numpy(center))

    def _sums(self, target: Floats, folds: Sequence[Rows]) -> tuple[Floats, Floats]:
        """Products of features and masks with themselves and with the targets, fold by fold.

        Rows in no fold come last. Shape: `[n_folds + 1, dim, dim]`, `[n_folds + 1, dim, n_targets]`
        with dim = n_features + n_modalities + 1.
        """
        fold_of = np.full(self.n, len(folds))
        for place, rows in enumerate(folds):
            fold_of[rows] = place
        dim = len(self.modality_of) + len(self.member.dims) + 1
        grams = np.zeros((len(folds) + 1, dim, dim))
        products = np.zeros((len(folds) + 1, dim, target.shape[1]))
        for rows in self._chunks():
            features = np.hstack([self._features(rows), self._present(rows)])
            for fold in np.unique(fold_of[rows]):
                mine = fold_of[rows] == fold
                grams[fold] += features[mine].T @ features[mine]
                products[fold] += features[mine].T @ target[rows[mine]]
        return grams, products

    def _drawn(self, rows: Rows) -> Rows:
        """Those of some rows that penalties are chosen on."""
        return np.sort(self.order[np.isin(self.order, rows)][:EVIDENCE_ROWS])

    def _penalties(self, target: Floats, *, rows: Rows) -> tuple[Floats, Floats]:
        """Prior standard deviation of each weight `[dim, n_targets]` and noise variances."""
        drawn = self._drawn(rows)
        features = self._features(drawn)
        kernels = np.stack([features[:, block] @ features[:, block].T for block in self.blocks])
        variances, noises = self._variances(kernels, target[drawn])
        sizes = [len(block) for block in self.blocks]
        return np.sqrt(np.repeat(variances, sizes, axis=0)), noises

    def _variances(self, kernels: Floats, target: Floats) -> tuple[Floats, Floats]:
        """Prior variance of the weights of each block `[n_blocks, n_targets]` and of the noise.

        Args:
            kernels: Products of rows with each other in each block, `[n_blocks, n, n]`.
            target: Of these rows, `[n, n_targets]`.
        """
        sizes = np.trace(kernels, axis1=1, axis2=2).clip(min=0.0) / max(len(target), 1)
        varies, sizes = sizes > MIN_SIZE, sizes.clip(min=MIN_SIZE)
        scaled = kernels / sizes[:, None, None]
        found = np.empty((len(kernels) + 1, target.shape[1]))
        for place in range(target.shape[1]):
            found[:, place] = self.variances[place] = likeliest_variances(
                scaled, target[:, place], start=self.variances.get(place)
            )
        return np.where(varies[:, None], found[:-1] / sizes[:, None], 0.0), found[-1]


def likeliest_variances(kernels: Floats, target: Floats, *, start: Floats | None = None) -> Floats:
    """Variances of additive effects, and of noise, that make a target likeliest.

    Source: Rasmussen and Williams (2006), equations 5.8 and 5.9.

    Shape:
        kernels `[n_effects, n, n]`, target `[n]` of mean 0 and variance 1 ->
        `[n_effects + 1]`, > 0.

    Args:
        kernels: Covariance of each effect at variance 1.
        target: What they add up to.
        start: Variances `[n_effects + 1]` to search from; 0.22 each where None.
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
        np.full(len(kernels) + 1, -1.5) if start is None else np.log(start),
        jac=True,
        method="L-BFGS-B",
        bounds=[LOG_VARIANCES] * len(kernels) + [(-7.0, LOG_VARIANCES[1])],
        options={"maxiter": 30, "ftol": 1e-5},
    )
    variances: Floats = np.exp(found.x)
    return variances


def ridge_weights(gram: Floats, right: Floats, scales: Floats, noises: Floats) -> Floats:
    """Weights `[dim, n_targets]` of ridge regression under prior deviations of each weight."""
    weights = np.empty_like(right)
    for place, noise in enumerate(noises):
        scale = scales[:, place]
        system = scale[:, None] * gram * scale + noise * np.eye(len(gram))
        weights[:, place] = scale * linalg.solve(system, scale * right[:, place], assume_a="pos")
    return weights


def standardised_scores(head: Head, target: Floats) -> Floats:
    """Known targets `[n, *target_shape]` as `[n, n_scores]`, each of mean 0 and variance 1."""
    scores = [standardised(one) for one in head.additive_scale(target).T]
    return np.stack(scores, axis=1)


def standardised(target: Floats) -> Floats:
    """Mean 0 and variance 1; zeros where all are alike."""
    std = float(target.std())
    return (target - target.mean()) / std if std > 1e-12 else np.zeros_like(target)

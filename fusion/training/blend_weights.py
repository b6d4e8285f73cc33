"""How much a part counts in the answer: its own answer, and its share, found on rows held out."""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from fusion.data.known import known_rows
from fusion.members.blending import ScoreDecoders
from heads.answer_maps import splits
from heads.base import Head
from heads.decoders.base import Decoder

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

SHARES = np.linspace(0.0, 1.0, 21)
MIN_HELD_OUT = 20
"""Held-out rows below which nothing can be said about shares: the networks answer alone."""
N_GROUPS = 20
"""Groups of held-out rows that a standard error is taken over."""


@dataclass(frozen=True)
class OutOfFold:
    """Answers on rows that the answering networks have not been trained on.

    Args:
        folds: Positions of the rows of each fold; no row stands in two.
        raw: `[n, n_networks, *target_shape, raw_dim]` for each head, on all rows, the answers of
            the networks that did not see the row; only rows of the folds count.
    """

    folds: Sequence[Rows]
    raw: Mapping[str, Tensor]

    @property
    def rows(self) -> Rows:
        """The rows of all folds, fold by fold."""
        return np.concatenate(self.folds)

    @property
    def parts(self) -> Rows:
        """Number of the fold of each of `rows`."""
        return np.repeat(np.arange(len(self.folds)), [len(fold) for fold in self.folds])


def can_be_judged(folds: Sequence[Rows], *, n_rows: int) -> bool:
    """Whether folds of some rows hold enough of them, and leave rows to learn from beside each."""
    sizes = [len(fold) for fold in folds]
    return sum(sizes) >= MIN_HELD_OUT and max(sizes) < n_rows


def out_of_fold_loss(
    heads: Mapping[str, Head],
    targets: Mapping[str, Floats],
    out_of_fold: OutOfFold,
    rows: Rows,
) -> float:
    """Mean loss of the heads on rows held out; 1.0 is as good as the best constant answers.

    Each head is judged by the rows that have its target; nan where no head has any.

    Args:
        heads: By name.
        targets: Targets `[n, *target_shape]` in business units for each head.
        out_of_fold: Answers on these rows by what was not trained on them.
        rows: Rows that are judged, all of them held out.
    """
    losses = []
    for name, head in heads.items():
        own = rows[known_rows(targets[name][rows])]
        if len(own):
            target = torch.from_numpy(head.encode_target(targets[name][own]))
            raw = out_of_fold.raw[name][own]
            loss = head.loss(raw.mean(dim=1, keepdim=True), target)
            losses.append(float(loss) / head.constant_loss(target))
    return float(np.mean(losses)) if losses else math.nan


def blend_out_of_fold(
    answers: ScoreDecoders,
    heads: Mapping[str, Head],
    scores: Tensor,
    targets: Mapping[str, Floats],
    out_of_fold: OutOfFold,
    *,
    scored: Tensor,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Fits the answer of each head to scores, and finds the share that the answers so far keep.

    Args:
        answers: Decoders of the heads, fitted in place.
        heads: By name, in the order of the decoders.
        scores: Of all heads, `[n, n_scores]`; only rows held out count.
        targets: Targets `[n, *target_shape]` in business units for each head, NaN where there is
            none.
        out_of_fold: Answers so far.
        scored: Mask `[n, n_scores]` of what is known; rows without keep the answers so far.

    Returns:
        Shares `[n_heads]` in [0, 1], and the blended answers of each head, of the shapes so far.
        With fewer than 20 scored rows with a target held out the answers so far keep everything.
    """
    raw_weights = torch.ones(len(heads))
    blended = {name: raw.clone() for name, raw in out_of_fold.raw.items()}
    for place, (name, head) in enumerate(heads.items()):
        own = answers.places[name]
        rows = out_of_fold.rows[known_rows(targets[name][out_of_fold.rows])]
        rows = rows[scored[rows][:, own].all(dim=1).numpy()]
        if len(rows) < MIN_HELD_OUT:
            continue
        target = torch.from_numpy(head.encode_target(targets[name][rows]))
        decoder = answers[name]
        assert isinstance(decoder, Decoder)
        parts = out_of_fold.parts[np.isin(out_of_fold.rows, rows)]
        other = answers_out_of_fold(decoder, head, scores[rows][:, own].float(), target, parts)
        before = out_of_fold.raw[name][rows]
        raw_weights[place] = share = best_share(
            head, before.mean(dim=1, keepdim=True), other, target
        )
        blended[name][rows] = share * before + (1.0 - share) * other
    return raw_weights, blended


def answers_out_of_fold(
    decoder: Decoder, head: Head, scores: Tensor, target: Tensor, parts: Rows
) -> Tensor:
    """Fits a decoder to scores in place; what it answers `[n, 1, *target_shape, raw_dim]` to rows.

    Why: a decoder of one score has too few weights to learn rows by heart. One of several scores
    has a weight for each pair of score and raw output, so each part is answered by a decoder that
    was fitted to the others: else it would be believed for what it knows by heart.

    Args:
        decoder: Answers by scores.
        head: The question.
        scores: `[n, n_scores]`.
        target: Encoded, `[n, *target_shape]`.
        parts: Label `[n]` of the part of each row.
    """
    fresh = copy.deepcopy(decoder)
    raw = fit_answer(decoder, head, scores, target)
    if head.n_scores > 1:
        for known, asked in splits(parts):
            other = copy.deepcopy(fresh)
            fit_answer(other, head, scores[known], target[known])
            raw[asked] = other(scores[asked][:, None])
    return raw


def fit_answer(decoder: Decoder, head: Head, scores: Tensor, target: Tensor) -> Tensor:
    """Fits a decoder to scores in place; its raw outputs `[n, 1, *target_shape, raw_dim]`.

    Where the search leaves the finite numbers, the decoder stays as it was made. Of several scores,
    its weights are drawn towards what they were as by a normal prior of deviation 1 for each.

    Args:
        decoder: Answers by scores.
        head: The question.
        scores: `[n, n_scores]`.
        target: Encoded, `[n, *target_shape]`.
    """
    parameters = [parameter for parameter in decoder.parameters() if parameter.requires_grad]
    start = parameters_to_vector(parameters).detach().clone()
    begin = start.double().numpy()
    pull = 0.5 / len(scores) if head.n_scores > 1 else 0.0  # of a log density, a row
    scores = scores[:, None]  # [n, 1, n_scores], as of one network

    @torch.enable_grad()
    def loss_and_slope(vector: Floats) -> tuple[float, Floats]:
        vector_to_parameters(torch.as_tensor(vector).to(start), parameters)
        loss = head.loss(decoder(scores), target)
        slopes = parameters_to_vector(torch.autograd.grad(loss, parameters)).double().numpy()
        away = vector - begin
        total = float(loss.detach()) + pull * float(away @ away)
        return total, np.asarray(slopes + 2.0 * pull * away)

    found = optimize.minimize(
        loss_and_slope, begin, jac=True, method="L-BFGS-B", options={"maxiter": 60}
    )
    best = torch.as_tensor(found.x).to(start)
    vector_to_parameters(best if torch.isfinite(best).all() else start, parameters)
    raw: Tensor = decoder(scores)
    return raw


def best_share(head: Head, networks: Tensor, linear: Tensor, target: Tensor) -> float:
    """Share of the networks, 0 to 1: the largest within one standard error of the best.

    Shape:
        networks and linear `[n, 1, *target_shape, raw_dim]`, target `[n, *target_shape]`.
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

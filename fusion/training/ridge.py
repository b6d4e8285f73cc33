"""The ridge member of an ensemble: solved on all rows, judged on rows held out."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from fusion.data.batch import ModelInputs
from fusion.data.known import folds_within, heads_by_rows
from fusion.ensemble import ProductEnsemble
from fusion.members.ridge import RidgeMember
from fusion.training.blend_weights import (
    MIN_HELD_OUT,
    Floats,
    OutOfFold,
    blend_out_of_fold,
    can_be_judged,
)
from fusion.training.ridge_solver import RidgeSolver, standardised_scores
from heads.base import Head


@torch.no_grad()
def fit_ridge(
    ensemble: ProductEnsemble,
    inputs: ModelInputs,
    targets: Mapping[str, Floats],
    *,
    out_of_fold: OutOfFold,
    seed: int,
) -> tuple[RidgeMember | None, Mapping[str, Tensor]]:
    """The ridge member beside trained networks, on all given rows.

    Each block of features (a modality, the levels of the categories) has a variance of its own,
    chosen by the marginal likelihood (MacKay 1992, evidence framework); the weights are those of
    ridge regression with these variances. The linear answer and its share are chosen on rows held
    out. A network's errors there are those of one member, and the mean of all errs less, so of the
    shares within one standard error of the best the largest is taken.

    Args:
        ensemble: Trained networks.
        inputs: Model inputs of all rows.
        targets: Targets `[n, *target_shape]` in business units for each head, NaN where there is
            none: each head is solved and judged on the rows that have its target.
        out_of_fold: Answers of the networks on rows held out.
        seed: Draws the rows that the penalties are chosen on.

    Returns:
        The member, or None where no modality can be read by a linear model or fewer than 20 rows
        were held out; and the blended answers of each head on rows held out.
    """
    member = unsolved_ridge(ensemble, inputs, ensemble.heads)
    if member is None or len(out_of_fold.rows) < MIN_HELD_OUT:
        return None, out_of_fold.raw
    scores = torch.zeros(len(inputs), member.answers.n_scores, dtype=torch.float64)
    scored = torch.zeros_like(scores, dtype=torch.bool)
    for names, rows in heads_by_rows({name: targets[name] for name in ensemble.heads}):
        folds = folds_within(out_of_fold.folds, rows)
        if not can_be_judged(folds, n_rows=len(rows)):
            continue  # too few to blend
        encoded = [standardised_scores(ensemble.head(n), targets[n][rows]) for n in names]
        own = _ridge_of(member, ensemble, names)
        learned = inputs if len(rows) == len(inputs) else inputs.take(rows)
        ridge = RidgeSolver(ensemble, learned, own, seed=seed)
        found = ridge.solve(np.concatenate(encoded, axis=1), folds=folds)
        places = [place for name in names for place in member.answers.places[name]]
        index = torch.from_numpy(rows)[:, None]
        scores[index, places], scored[index, places] = torch.from_numpy(found), torch.tensor(True)
        member.take_over(own)
    raw_weights, blended = blend_out_of_fold(
        member.answers, ensemble.heads, scores, targets, out_of_fold, scored=scored
    )
    member.blend_weights.copy_(raw_weights)
    return member.eval(), blended


def _ridge_of(member: RidgeMember, ensemble: ProductEnsemble, names: Sequence[str]) -> RidgeMember:
    """An unsolved member for some heads; draws nothing from the generator of the training."""
    with torch.random.fork_rng(devices=[]):
        return RidgeMember(member.dims, {name: ensemble.head(name) for name in names})


def unsolved_ridge(
    ensemble: ProductEnsemble, inputs: ModelInputs, heads: Mapping[str, Head]
) -> RidgeMember | None:
    """A ridge member for what an ensemble reads; None where there is nothing for a linear model."""
    example = inputs.batch(np.arange(min(len(inputs), 2)))
    blocks = ensemble.linear_blocks(example["inputs"], example["embeddings"])
    if not blocks:
        return None
    dims = {name: [block.shape[1] for block in parts] for name, parts in blocks.items()}
    return RidgeMember(dims, heads)

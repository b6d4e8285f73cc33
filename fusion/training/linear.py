"""The linear part of an ensemble: solved on all rows, judged on rows held out."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from fusion.data.batch import ModelInputs
from fusion.ensemble import ProductEnsemble
from fusion.linear import LinearPart
from fusion.training.ridge import Ridge, standardised
from fusion.training.shares import MIN_HELD_OUT, Floats, HeldOut, blend_held_out
from heads.base import Head


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
        were held out; and the blended answers `[n, n_answers, raw_dim]` of each head on rows held
        out.
    """
    part = unsolved_part(ensemble, inputs, ensemble.first.named_heads)
    if part is None or len(held_out.rows) < MIN_HELD_OUT:
        return None, held_out.raw
    encoded = np.stack(
        [standardised(ensemble.head(n).linear_target(targets[n])) for n in ensemble.heads], axis=1
    )
    ridge = Ridge(ensemble, inputs, part, seed=seed)
    scores = torch.from_numpy(ridge.solve(encoded, folds=held_out.folds))
    kept, blended = blend_held_out(part.answers, scores, targets, held_out)
    part.shares.copy_(kept)
    return part.eval(), blended


def unsolved_part(
    ensemble: ProductEnsemble, inputs: ModelInputs, heads: Mapping[str, Head]
) -> LinearPart | None:
    """A linear part for what an ensemble reads; None where there is nothing for a linear model."""
    example = inputs.batch(np.arange(min(len(inputs), 2)))
    blocks = ensemble.linear_blocks(example["inputs"], example["embeddings"])
    if not blocks:
        return None
    dims = {name: [block.shape[1] for block in parts] for name, parts in blocks.items()}
    return LinearPart(dims, heads)

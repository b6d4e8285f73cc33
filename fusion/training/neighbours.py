"""How the nearest known items are asked: in which space, how sharply, and how much they count."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fusion.data.batch import ModelInputs
from fusion.ensemble import ProductEnsemble
from fusion.neighbours import NeighbourPart, joined, nearest, weighted_means
from fusion.training.linear import MIN_HELD_OUT, HeldOut, blend_held_out, standardised

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

MAX_KNOWN = 50_000
"""Known items above which comparing with each of them would cost more than it tells."""
N_NEIGHBOURS = 5
TEMPERATURES = (0.2, 0.05, 0.0125, 0.003)


@torch.no_grad()
def fit_neighbour_part(
    ensemble: ProductEnsemble,
    inputs: ModelInputs,
    targets: Mapping[str, Floats],
    *,
    held_out: HeldOut,
    known: ModelInputs,
) -> tuple[NeighbourPart | None, Mapping[str, Tensor]]:
    """The nearest items as a part of the answer, where that errs less on rows held out.

    Args:
        ensemble: Trained networks, with their linear part.
        inputs: Model inputs of all rows, as the heads learned from them.
        targets: Targets `[n]` in business units for each head.
        held_out: Answers so far on rows held out.
        known: Model inputs of the same rows as new items get them: what is compared with.

    Returns:
        The part, or None where it would count nothing, there are no embeddings, too few rows were
        held out or there are more than 50,000; and the blended answers on rows held out.
    """
    if not inputs.embeddings or len(inputs) > MAX_KNOWN or len(held_out.rows) < MIN_HELD_OUT:
        return None, held_out.raw
    encoded = np.stack(
        [standardised(ensemble.head(n).linear_target(targets[n])) for n in ensemble.heads], axis=1
    )
    wanted = torch.from_numpy(encoded).float()
    tried = list(_candidates(inputs, known, wanted, folds=held_out.folds))
    rows = torch.as_tensor(held_out.rows)
    errors = [float((scores[rows] - wanted[rows]).square().mean()) for _, _, scores in tried]
    modalities, temperature, scores = tried[int(np.argmin(errors))]
    part = NeighbourPart(
        {name: known.embeddings[name].shape[1] for name in modalities},
        ensemble.first.named_heads,
        n_known=len(known),
        n_neighbours=N_NEIGHBOURS,
        temperature=temperature,
    )
    part.vectors.copy_(part.joined(known.embeddings, known.present))
    part.targets.copy_(wanted)
    kept, blended = blend_held_out(part.answers, scores, targets, held_out)
    part.shares.copy_(1.0 - kept)
    if not part.shares.any():
        return None, held_out.raw
    return part.eval(), blended


def _candidates(
    inputs: ModelInputs, known: ModelInputs, targets: Tensor, *, folds: Sequence[Rows]
) -> Iterator[tuple[tuple[str, ...], float, Tensor]]:
    """Modalities, temperature, and scores `[n, n_heads]` of folds by items of no fold but others.

    Each modality alone is tried, and all of them together.
    """
    names = tuple(sorted(inputs.embeddings))
    spaces = dict.fromkeys([*((name,) for name in names), names])
    for modalities in spaces:
        queries = joined(inputs.embeddings, inputs.present, modalities)
        vectors = joined(known.embeddings, known.present, modalities)
        found = []
        for fold in folds:
            others = torch.as_tensor(np.setdiff1d(np.arange(len(targets)), fold))
            similarities, places = nearest(queries[fold], vectors[others], N_NEIGHBOURS)
            found.append((fold, (similarities, others[places])))
        for temperature in TEMPERATURES:
            scores = torch.zeros_like(targets)
            for fold, near in found:
                scores[fold] = weighted_means(near, targets, temperature * len(modalities))
            yield modalities, temperature, scores

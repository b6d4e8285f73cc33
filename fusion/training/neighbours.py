"""How the nearest known items are asked: in which space, how sharply, and how much they count."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fusion.data.batch import ModelInputs
from fusion.ensemble import ProductEnsemble
from fusion.neighbours import Near, NeighbourPart, joined, nearest, weighted_means
from fusion.training.ridge import standardised
from fusion.training.shares import MIN_HELD_OUT, HeldOut, blend_held_out

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
    means = [weighted_means(near, temperature) for _, temperature, near in tried]
    errors = [float((found - wanted)[rows].square().mean()) for found in means]
    best = int(np.argmin(errors))
    modalities, temperature, near = tried[best]
    part = NeighbourPart(
        {name: known.embeddings[name].shape[1] for name in modalities},
        ensemble.first.named_heads,
        n_known=len(known),
        n_neighbours=N_NEIGHBOURS,
        temperature=temperature,
    )
    part.vectors.copy_(part.joined(known.embeddings, known.present))
    part.targets.copy_(wanted)
    kept, blended = blend_held_out(part.answers, means[best], targets, held_out, known=near.found)
    part.shares.copy_(1.0 - kept)
    if not part.shares.any():
        return None, held_out.raw
    return part.eval(), blended


def _candidates(
    inputs: ModelInputs, known: ModelInputs, targets: Tensor, *, folds: Sequence[Rows]
) -> Iterator[tuple[tuple[str, ...], float, Near]]:
    """Modalities, temperature, and what is near each row of a fold, in no fold but others.

    Each modality alone is tried, and all of them together. A row without a neighbour is answered
    by 0, the mean, so that a modality that few rows have is not chosen for what it says of them.
    """
    names = tuple(sorted(inputs.embeddings))
    spaces = dict.fromkeys([*((name,) for name in names), names])
    for modalities in spaces:
        queries = joined(inputs.embeddings, inputs.present, modalities)
        vectors = joined(known.embeddings, known.present, modalities)
        dims = [known.embeddings[name].shape[1] for name in modalities]
        similarities = torch.full((len(targets), N_NEIGHBOURS), -torch.inf)
        found = torch.zeros(len(targets), N_NEIGHBOURS, targets.shape[1])
        for fold in folds:
            others = torch.as_tensor(np.setdiff1d(np.arange(len(targets)), fold))
            near = nearest(
                queries[fold],
                (vectors[others], targets[others]),
                dims=dims,
                n_neighbours=N_NEIGHBOURS,
            )
            n_found = near.similarities.shape[1]
            similarities[fold, :n_found], found[fold, :n_found] = near
        for temperature in TEMPERATURES:
            yield modalities, temperature, Near(similarities, found)

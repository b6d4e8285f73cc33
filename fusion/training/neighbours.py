"""How the nearest known items are asked: in which space, how sharply, and how much they count."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fusion.data.batch import ModelInputs
from fusion.data.known import on_known_rows
from fusion.ensemble import ProductEnsemble
from fusion.members.neighbours import Known, NeighbourMember, joined, means_of_each, nearest_of_each
from fusion.training.blend_weights import MIN_HELD_OUT, OutOfFold, blend_out_of_fold
from fusion.training.ridge_solver import standardised_scores
from heads.base import Head

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

MAX_KNOWN = 50_000
"""Known items above which comparing with each of them would cost more than it tells."""
N_NEIGHBOURS = 5
TEMPERATURES = (0.2, 0.05, 0.0125, 0.003)


@torch.no_grad()
def fit_neighbours(
    ensemble: ProductEnsemble,
    inputs: ModelInputs,
    targets: Mapping[str, Floats],
    *,
    out_of_fold: OutOfFold,
    known: ModelInputs,
) -> tuple[NeighbourMember | None, Mapping[str, Tensor]]:
    """The member of nearest items, where that errs less on rows held out.

    Args:
        ensemble: Trained networks, with their ridge member.
        inputs: Model inputs of all rows, as the heads learned from them.
        targets: Targets `[n, *target_shape]` in business units for each head, NaN where there is
            none: each head asks the nearest items that have its target.
        out_of_fold: Answers so far on rows held out.
        known: Model inputs of the same rows as new items get them: what is compared with.

    Returns:
        The member, or None where it would count nothing, there are no embeddings, too few rows were
        held out or there are more than 50,000; and the blended answers on rows held out.
    """
    if not inputs.embeddings or len(inputs) > MAX_KNOWN or len(out_of_fold.rows) < MIN_HELD_OUT:
        return None, out_of_fold.raw
    wanted, has_target = _standardised_targets(ensemble, targets)
    tried = list(_candidates(inputs, known, (wanted, has_target), folds=out_of_fold.folds))
    rows = torch.as_tensor(out_of_fold.rows)
    shares = has_target[rows].float().mean(dim=0).clamp_min(1e-9)
    sizes = [head.n_scores for head in ensemble.heads.values()]
    weights = has_target[rows] / shares  # each head weighs alike, whatever rows and scores it has
    weights = weights / torch.tensor(np.repeat(sizes, sizes))
    errors = [float(((one.means - wanted)[rows].square() * weights).mean()) for one in tried]
    best = tried[int(np.argmin(errors))]
    member = NeighbourMember(
        {name: known.embeddings[name].shape[1] for name in best.modalities},
        ensemble.heads,
        n_known=len(known),
        n_neighbours=N_NEIGHBOURS,
        temperature=best.temperature,
    )
    member.vectors.copy_(member.joined(known.embeddings, known.present))
    member.targets.copy_(wanted)
    member.has_target.copy_(has_target)
    raw_weights, blended = blend_out_of_fold(
        member.answers, ensemble.heads, best.means, targets, out_of_fold, scored=best.found
    )
    member.blend_weights.copy_(1.0 - raw_weights)
    if not member.blend_weights.any():
        return None, out_of_fold.raw
    return member.eval(), blended


class _Candidate(NamedTuple):
    """A way to ask, and what it answers to rows of folds.

    Args:
        modalities: What is compared.
        temperature: How sharply.
        means: Weighted mean scores `[n, n_scores]` of all heads; 0 where nothing was found.
        found: Where something was, a mask of the same shape.
    """

    modalities: tuple[str, ...]
    temperature: float
    means: Tensor
    found: Tensor


def _standardised_targets(
    ensemble: ProductEnsemble, targets: Mapping[str, Floats]
) -> tuple[Tensor, Tensor]:
    """Scores `[n, n_scores]` of all heads, 0 where there is none, and a mask of where one is."""
    columns = [_deviations(head, targets[name]) for name, head in ensemble.heads.items()]
    scores = torch.from_numpy(np.concatenate(columns, axis=1)).float()
    return scores.nan_to_num(nan=0.0), ~scores.isnan()


def _deviations(head: Head, target: Floats) -> Floats:
    return on_known_rows(lambda known: standardised_scores(head, known), target)


def _candidates(
    inputs: ModelInputs,
    known: ModelInputs,
    targets: tuple[Tensor, Tensor],
    *,
    folds: Sequence[Rows],
) -> Iterator[_Candidate]:
    """Modalities, temperature, and what is near each row of a fold, in no fold but others.

    Each modality alone is tried, and all of them together. A row without a neighbour is answered
    by 0, the mean, so that a modality that few rows have is not chosen for what it says of them.
    """
    wanted, has_target = targets
    names = tuple(sorted(inputs.embeddings))
    spaces = dict.fromkeys([*((name,) for name in names), names])
    for modalities in spaces:
        queries = joined(inputs.embeddings, inputs.present, modalities)
        vectors = joined(known.embeddings, known.present, modalities)
        means = {temperature: torch.zeros_like(wanted) for temperature in TEMPERATURES}
        found = torch.zeros_like(has_target)
        for fold in folds:
            others = torch.as_tensor(np.setdiff1d(np.arange(len(wanted)), fold))
            near = nearest_of_each(
                queries[fold],
                Known(vectors[others], wanted[others], has_target[others]),
                dims=[known.embeddings[name].shape[1] for name in modalities],
                n_neighbours=N_NEIGHBOURS,
            )
            for temperature in TEMPERATURES:
                means[temperature][fold], found[fold] = means_of_each(near, temperature)
        for temperature in TEMPERATURES:
            yield _Candidate(modalities, temperature, means[temperature], found)

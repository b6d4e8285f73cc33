"""Blend weights found on rows held out.

Wolpert (1992), stacked generalization; Breiman (1996), stacked regressions, for weights >= 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fusion.data.known import is_known
from fusion.data.training_rows import TrainingRows
from fusion.members.base import Floats
from fusion.members.view import Mask, Rows
from fusion.network import Raw
from fusion.stack.stack import Stack, joined, shared, without
from heads.base import Head

PULL = 3.0
"""Rows that speak for equal weights: see `fit_stack`."""
LEAST_WEIGHT = 0.05
"""A member that would count less is not asked."""
MIN_SEEN = 20
"""Held-out rows of known categories from which these alone say what counts for such rows."""
MIN_NEW = 50
"""Held-out rows with a level never seen from which they have weights of their own."""
N_GROUPS = 20
"""Groups of held-out rows that a standard error is taken over."""


def fit_stack(
    heads: Mapping[str, Head],
    training: TrainingRows,
    raws: Mapping[str, Raw],
    *,
    knows: Mapping[str, Mask],
    is_new: Mask,
) -> tuple[Stack, Raw]:
    """The weights that err least on rows held out, and the joined answers on these.

    Of each head the weights (>= 0, of sum 1) have the least loss, in units of that of equal
    weights, plus `3 / n_rows * n_members * sum((weight - 1 / n_members)^2)`: on few rows a mean of
    all members is safer than any choice (Clemen 1989; Claeskens et al. 2016, the forecast
    combination puzzle), on many the penalty is nothing. Then a member that would count less than
    0.05 is left out, one after the other. On tables of 12 to 160 rows this erred least of what was
    tried; dropping members within one standard error erred most, single best members included.
    Rows that hold a category never seen have weights of their own, pulled towards those of the
    others, where 50 of them are held out and these gain more than one standard error.

    An answer held out of several networks comes from the one that did not see the row, and the
    mean of all, which is what answers later, errs a little less. So networks get somewhat less
    weight than they deserve; this is not corrected.

    Args:
        heads: By name.
        training: Targets, folds and weights of the rows.
        raws: Member -> head -> what it answers `[n, n_networks, *target_shape, raw_dim]` to rows
            of the folds that it did not learn from.
        knows: Member -> mask `[n]` of the rows of which it knows anything.
        is_new: Mask `[n]` of the rows that hold a category that the other folds do not, see
            `new_out_of_fold`.
    """
    targets, sample_weight = training.targets, training.sample_weight
    weights: dict[str, dict[str, float]] = {}
    of_new: dict[str, dict[str, float]] = {}
    held_out = np.concatenate([np.sort(fold) for fold in training.folds])
    for name, head in heads.items():
        rows = held_out[is_known(targets[name])[held_out] & (sample_weight[held_out] > 0.0)]
        judged = _Judged(head, name, targets[name], raws, knows, sample_weight)
        judged.check_finite(rows)
        seen, new = rows[~is_new[rows]], rows[is_new[rows]]
        found = judged.best_weights(seen if len(seen) >= MIN_SEEN else rows)
        weights[name] = of_new[name] = found
        if MIN_NEW <= len(new) < len(rows):
            own = judged.best_weights(new, near=found)
            of_new[name] = judged.clearly_better(own, found, new)
    stack = Stack(weights, None if of_new == weights else of_new)
    return stack, stack.blend(raws, knows, is_new)


class _Judged:
    """Answers of all members to one head, and how well some weights join them."""

    def __init__(
        self,
        head: Head,
        name: str,
        target: Floats,
        raws: Mapping[str, Raw],
        knows: Mapping[str, Mask],
        sample_weight: Floats,
    ) -> None:
        self.head = head
        self.members = list(raws)
        answers = [raws[member][name].detach().mean(dim=1, keepdim=True) for member in raws]
        self.known = torch.from_numpy(np.stack([knows[member] for member in raws], axis=1))
        asked = self.known | ~self.known.any(dim=1, keepdim=True)
        self.answers = without(torch.stack(answers).double(), asked.T)
        self.target = target
        self.weight = sample_weight

    def check_finite(self, rows: Rows) -> None:
        """Refuses answers to rows held out that are no numbers.

        Raises:
            ValueError: With the members that gave them.
        """
        finite = self.answers[:, torch.from_numpy(rows)].flatten(start_dim=1).isfinite()
        odd = [
            name
            for name, all_finite in zip(self.members, finite.all(dim=1).tolist(), strict=True)
            if not all_finite
        ]
        if odd:
            raise ValueError(
                f"answers out of fold must be finite, got others by {', '.join(odd)}. Leave these "
                "members out, or correct them."
            )

    def best_weights(self, rows: Rows, near: Mapping[str, float] | None = None) -> dict[str, float]:
        """Weights of the least penalised loss on some rows, of members that count enough.

        Args:
            rows: Positions of rows held out.
            near: Weights that others are penalised by their distance from; where None equal ones.
        """
        kept = list(range(len(self.members)))
        pulled_to = np.ones(len(kept)) if near is None else np.array([*near.values()])
        found = self._least(rows, kept, pulled_to)
        while len(kept) > 1 and found.min() < LEAST_WEIGHT:
            del kept[int(found.argmin())]
            found = self._least(rows, kept, pulled_to[kept])
        own = {self.members[one]: float(share) for one, share in zip(kept, found, strict=True)}
        return {name: own.get(name, 0.0) for name in self.members}

    def clearly_better(
        self, own: Mapping[str, float], common: Mapping[str, float], rows: Rows
    ) -> dict[str, float]:
        """The own weights of some rows if they gain more than a standard error, else the common."""
        everyone = list(range(len(self.members)))
        losses = [
            self._losses(rows, everyone, np.array([table[name] for name in self.members]))
            for table in (common, own)
        ]
        gain, error = self._difference(rows, *losses)
        return dict(own if gain > error else common)

    def _difference(self, rows: Rows, losses: Floats, others: Floats) -> tuple[float, float]:
        """Mean of `losses - others`, and its standard error over groups of rows."""
        weight = self.weight[rows]
        total = float(np.average(losses - others, weights=weight))
        groups = np.array_split(np.arange(len(rows)), min(N_GROUPS, len(rows)))
        sizes = np.array([weight[group].sum() for group in groups])
        sums = np.array([(weight * (losses - others))[group].sum() for group in groups])
        spread = np.square(sums - sizes * total).sum() * len(groups) / (len(groups) - 1)
        return total, float(np.sqrt(spread) / sizes.sum())

    def _least(self, rows: Rows, kept: Sequence[int], near: Floats) -> Floats:
        """Weights `[n_kept]` of the least penalised loss; as `near` where nothing tells."""
        near = near / near.sum() if near.any() else np.full(len(kept), 1.0 / len(kept))
        if len(kept) == 1 or not len(rows):
            return near
        weight = torch.from_numpy(self.weight[rows])
        n_alike = float(weight.sum() ** 2 / weight.square().sum())  # rows that say as much
        weight = weight / weight.sum()
        unit = float((self._of_rows(rows, kept, torch.from_numpy(near)) * weight).sum()) or 1.0
        pull = PULL / n_alike * len(kept)

        def loss_and_slope(given: Floats) -> tuple[float, Floats]:
            shares = torch.from_numpy(given).clone().requires_grad_(True)
            loss = (self._of_rows(rows, kept, shares) * weight).sum() / unit
            (slope,) = torch.autograd.grad(loss, shares)
            away = given - near
            return float(loss.detach()) + pull * float(away @ away), slope.numpy() + 2 * pull * away

        from scipy import optimize  # takes half a second to import

        total: Any = {"type": "eq", "fun": lambda given: given.sum() - 1.0, "jac": np.ones_like}
        with torch.enable_grad():
            found = optimize.minimize(
                loss_and_slope,
                near,
                jac=True,
                method="SLSQP",
                bounds=[(0.0, 1.0)] * len(kept),
                constraints=total,
                options={"ftol": 1e-9},
            ).x.clip(0.0, 1.0)
        return found / found.sum() if np.isfinite(found).all() and found.sum() > 0.0 else near

    @torch.no_grad()
    def _losses(self, rows: Rows, kept: Sequence[int], shares: Floats) -> Floats:
        """Losses `[n_rows]` of some weights."""
        return self._of_rows(rows, kept, torch.from_numpy(shares)).numpy()

    def _of_rows(self, rows: Rows, kept: Sequence[int], shares: Tensor) -> Tensor:
        """Losses `[n_rows]` of some members, float64."""
        places = torch.from_numpy(rows)
        known = self.known[places][:, list(kept)]
        answers = self.answers[list(kept)][:, places]
        raw = joined(answers, shared(shares.expand(known.shape), known))
        target = torch.from_numpy(self.head.encode_target(self.target[rows])).double()
        return self.head.losses(raw, target).double().flatten(start_dim=1).mean(dim=1)

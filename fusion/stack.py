"""How much each member counts in the answer of a head: weights found on rows held out.

Wolpert (1992), stacked generalization; Breiman (1996), stacked regressions, for weights >= 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fusion.data.known import is_known
from fusion.members.base import Floats, Raw
from fusion.members.view import Mask, Rows, View
from heads.base import Head

Weights = Mapping[str, Mapping[str, float]]
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
UNSEEN = 1
"""Code of a level that training never saw, or too seldom; codes from 2 on are known levels."""


class Stack:
    """Blend weights of members by head, and how answers are joined by them.

    Args:
        weights: Head -> member -> weight, >= 0, of sum 1.
        new_weights: The same for rows that hold a category never seen in training; None where they
            are answered as all others.

    Raises:
        ValueError: If weights are none, or heads or members differ.

    Example:
        >>> stack = Stack({"price": {"kernel": 0.75, "trees": 0.25}})
        >>> one, zeros = torch.ones(1, 1, 1), torch.zeros(1, 4, 1)
        >>> raws = {"kernel": {"price": one}, "trees": {"price": zeros}}
        >>> everywhere, nowhere = np.array([True]), np.array([False])
        >>> knows = {"kernel": everywhere, "trees": everywhere}
        >>> stack.blend(raws, knows, nowhere)["price"].flatten().tolist()
        [0.75, 0.75, 0.75, 0.75]
    """

    def __init__(self, weights: Weights, new_weights: Weights | None = None) -> None:
        self.weights = _checked(weights)
        self.new_weights = None if new_weights is None else _checked(new_weights)
        if self.new_weights is not None and _shape(self.new_weights) != _shape(self.weights):
            raise ValueError(
                "new_weights must name the heads and members of weights, got "
                f"{_shape(self.new_weights)} beside {_shape(self.weights)}."
            )

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments, JSON-serialisable, that rebuild it."""
        return {"weights": self.weights, "new_weights": self.new_weights}

    @property
    def asked(self) -> tuple[str, ...]:
        """Members that count in any answer: the others need not be asked."""
        tables = [*self.weights.values(), *(self.new_weights or {}).values()]
        names = dict.fromkeys(name for table in tables for name in table)
        return tuple(name for name in names if any(table[name] > 0.0 for table in tables))

    def blend(self, raws: Mapping[str, Raw], knows: Mapping[str, Mask], is_new: Mask) -> Raw:
        """The joined answer of each head.

        A member that knows nothing of a row has weight 0 there, and the others share it; where
        none of them knows anything all count as they are.

        Args:
            raws: Member -> head -> raw outputs `[n, n_networks, *target_shape, raw_dim]`; members
                that are not `asked` may be left out.
            knows: Member -> mask `[n]` of the rows of which it knows anything.
            is_new: Mask `[n]` of the rows that hold a category never seen, see `new_rows`.

        Returns:
            `[n, n_networks, *target_shape, raw_dim]` by head. One answer joins each of several
            networks; members of different numbers of networks are averaged first.
        """
        blended = {}
        for head, table in self.weights.items():
            names = [name for name in table if name in raws]
            answers = _side_by_side([raws[name][head] for name in names])
            known = torch.from_numpy(np.stack([knows[name] for name in names], axis=1))
            shares = torch.tensor([table[name] for name in names]).expand(known.shape)
            if self.new_weights is not None:
                of_new = torch.tensor([self.new_weights[head][name] for name in names])
                shares = torch.where(torch.from_numpy(is_new)[:, None], of_new, shares)
            blended[head] = _joined(answers, _shared(shares, known))
        return blended


def fit_stack(
    heads: Mapping[str, Head],
    targets: Mapping[str, Floats],
    folds: Sequence[Rows],
    raws: Mapping[str, Raw],
    *,
    knows: Mapping[str, Mask],
    sample_weight: Floats,
    is_new: Mask,
) -> tuple[Stack, Raw]:
    """The weights that err least on rows held out, and the joined answers on these.

    Of each head the weights (>= 0, of sum 1) have the least loss, in units of that of equal
    weights, plus `3 / n_rows * n_members * sum((weight - 1 / n_members)^2)`: on few rows a mean of
    all members is safer than any choice (Clemen 1989; Claeskens et al. 2016, the forecast
    combination puzzle), on many the penalty is nothing. Then a member that would count less than
    0.05 is left out, one after the other. On tables of 12 to 160 rows this erred least of what was
    tried; dropping members within one standard error erred most, single best members included.
    Rows that hold a category never seen have weights of their own where 50 of them are held out
    and these gain more than one standard error.

    An answer held out of several networks comes from the one that did not see the row, and the
    mean of all, which is what answers later, errs a little less. So networks get somewhat less
    weight than they deserve; this is not corrected.

    Args:
        heads: By name.
        targets: Targets `[n, *target_shape]` in business units for each head, NaN where there is
            none.
        folds: Positions of the rows of each fold.
        raws: Member -> head -> what it answers `[n, n_networks, *target_shape, raw_dim]` to rows
            of the folds that it did not learn from.
        knows: Member -> mask `[n]` of the rows of which it knows anything.
        sample_weight: `[n]`, how much each row counts.
        is_new: Mask `[n]` of the rows that hold a category that the other folds do not, see
            `new_out_of_fold`.
    """
    weights: dict[str, dict[str, float]] = {}
    of_new: dict[str, dict[str, float]] = {}
    held_out = np.concatenate([np.sort(fold) for fold in folds])
    for name, head in heads.items():
        rows = held_out[is_known(targets[name])[held_out] & (sample_weight[held_out] > 0.0)]
        judged = _Judged(head, name, targets[name], raws, knows, sample_weight)
        seen, new = rows[~is_new[rows]], rows[is_new[rows]]
        found = judged.best_weights(seen if len(seen) >= MIN_SEEN else rows)
        weights[name] = of_new[name] = found
        if MIN_NEW <= len(new) < len(rows):
            of_new[name] = judged.clearly_better(judged.best_weights(new), found, new)
    stack = Stack(weights, None if of_new == weights else of_new)
    return stack, stack.blend(raws, knows, is_new)


def new_rows(view: View) -> Mask:
    """Mask `[n]` of the rows that hold a level of a category that training never saw."""
    unseen = np.zeros(len(view), dtype=bool)
    for name, block in view.of_kinds("category").items():
        unseen |= view.present[name] & (block.values == UNSEEN)
    return unseen


def new_out_of_fold(view: View, folds: Sequence[Rows]) -> Mask:
    """Mask `[n]` of the rows that hold a level of a category that no row outside their fold holds.

    Rows of no fold are learned from by all: they count as `new_rows` has them.
    """
    unseen = new_rows(view)
    for name, block in view.of_kinds("category").items():
        codes = np.where(view.present[name], block.values, 0)
        counts = np.bincount(codes, minlength=block.n_levels)
        for fold in folds:
            own = codes[fold]
            elsewhere = counts - np.bincount(own, minlength=len(counts))
            unseen[fold] |= (own > UNSEEN) & (elsewhere[own] == 0)
    return unseen


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
        self.answers = torch.stack([answer.double() for answer in answers])
        self.known = torch.from_numpy(np.stack([knows[member] for member in raws], axis=1))
        self.target = target
        self.weight = sample_weight

    def best_weights(self, rows: Rows) -> dict[str, float]:
        """Weights of the least penalised loss on some rows, of members that count enough."""
        kept = list(range(len(self.members)))
        found = self._least(rows, kept)
        while len(kept) > 1 and found.min() < LEAST_WEIGHT:
            del kept[int(found.argmin())]
            found = self._least(rows, kept)
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

    def _least(self, rows: Rows, kept: Sequence[int]) -> Floats:
        """Weights `[n_kept]` of the least penalised loss; all alike where nothing tells."""
        alike = np.full(len(kept), 1.0 / len(kept))
        if len(kept) == 1 or not len(rows):
            return alike
        weight = torch.from_numpy(self.weight[rows])
        n_alike = float(weight.sum() ** 2 / weight.square().sum())  # rows that say as much
        weight = weight / weight.sum()
        unit = float((self._of_rows(rows, kept, torch.from_numpy(alike)) * weight).sum()) or 1.0
        pull = PULL / n_alike * len(kept)

        def loss_and_slope(given: Floats) -> tuple[float, Floats]:
            shares = torch.from_numpy(given).clone().requires_grad_(True)
            loss = (self._of_rows(rows, kept, shares) * weight).sum() / unit
            (slope,) = torch.autograd.grad(loss, shares)
            away = given - alike
            return float(loss.detach()) + pull * float(away @ away), slope.numpy() + 2 * pull * away

        from scipy import optimize  # takes half a second to import

        total = {"type": "eq", "fun": lambda given: given.sum() - 1.0, "jac": np.ones_like}
        with torch.enable_grad():
            found = optimize.minimize(
                loss_and_slope,
                alike,
                jac=True,
                method="SLSQP",
                bounds=[(0.0, 1.0)] * len(kept),
                constraints=total,
                options={"ftol": 1e-9},
            ).x.clip(0.0, 1.0)
        return found / found.sum() if np.isfinite(found).all() and found.sum() > 0.0 else alike

    @torch.no_grad()
    def _losses(self, rows: Rows, kept: Sequence[int], shares: Floats) -> Floats:
        """Losses `[n_rows]` of some weights."""
        return self._of_rows(rows, kept, torch.from_numpy(shares)).numpy()

    def _of_rows(self, rows: Rows, kept: Sequence[int], shares: Tensor) -> Tensor:
        """Losses `[n_rows]` of some members, float64."""
        places = torch.from_numpy(rows)
        known = self.known[places][:, list(kept)]
        answers = self.answers[list(kept)][:, places]
        raw = _joined(answers, _shared(shares.expand(known.shape), known))
        target = torch.from_numpy(self.head.encode_target(self.target[rows])).double()
        return self.head.losses(raw, target).double().flatten(start_dim=1).mean(dim=1)


def _side_by_side(answers: Sequence[Tensor]) -> Tensor:
    """Answers of members as one tensor, members first, with one number of networks."""
    several = {answer.shape[1] for answer in answers} - {1}
    if len(several) > 1:
        answers = [answer.mean(dim=1, keepdim=True) for answer in answers]
    elif several:
        (n_networks,) = several
        answers = [answer.expand(-1, n_networks, *answer.shape[2:]) for answer in answers]
    return torch.stack([answer.to(answers[0]) for answer in answers])


def _shared(shares: Tensor, known: Tensor) -> Tensor:
    """Weights `[n, n_members]` of sum 1 over the members that know anything of a row."""
    own = shares * known
    total = own.sum(dim=1, keepdim=True)
    return torch.where(total > 0.0, own / torch.where(total > 0.0, total, 1.0), shares)


def _joined(answers: Tensor, shares: Tensor) -> Tensor:
    """Answers `[n, ...]` of members `[n_members, n, ...]` by their weights `[n, n_members]`."""
    by_member = shares.T.to(answers)
    return (answers * by_member.reshape(*by_member.shape, *[1] * (answers.ndim - 2))).sum(dim=0)


def _checked(weights: Weights) -> dict[str, dict[str, float]]:
    """Weights as plain numbers.

    Raises:
        ValueError: If those of a head are no numbers >= 0 of sum 1, or members differ by head.
    """
    tables = {
        head: {name: float(one) for name, one in table.items()} for head, table in weights.items()
    }
    for head, table in tables.items():
        total = sum(table.values())
        if not min(table.values(), default=-1.0) >= 0.0 or not abs(total - 1.0) <= 1e-6:
            raise ValueError(f"weights of {head} must be numbers >= 0 of sum 1, got {table}.")
    if len(set(map(frozenset, tables.values()))) > 1:
        raise ValueError(f"weights must name the same members for each head, got {_shape(tables)}.")
    return tables


def _shape(tables: Weights) -> dict[str, list[str]]:
    return {head: sorted(table) for head, table in sorted(tables.items())}

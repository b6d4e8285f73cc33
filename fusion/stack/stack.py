"""How much each member counts in the answer of a head, and the joined answer."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fusion.members.view import Mask
from fusion.network import Raw

Weights = Mapping[str, Mapping[str, float]]


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
            shares = shared(shares, known)
            blended[head] = joined(without(answers, shares.T > 0.0), shares)
        return blended


def shared(shares: Tensor, known: Tensor) -> Tensor:
    """Weights `[n, n_members]` of sum 1 over the members that know anything of a row."""
    own = shares * known
    total = own.sum(dim=1, keepdim=True)
    return torch.where(total > 0.0, own / torch.where(total > 0.0, total, 1.0), shares)


def without(answers: Tensor, there: Tensor) -> Tensor:
    """Answers of members `[n_members, n, ...]`, 0 where `there` `[n_members, n]` says so."""
    mask = there.reshape(*there.shape, *[1] * (answers.ndim - 2))
    return torch.where(mask, answers, 0.0)


def joined(answers: Tensor, shares: Tensor) -> Tensor:
    """Answers `[n, ...]` of members `[n_members, n, ...]` by their weights `[n, n_members]`."""
    by_member = shares.T.to(answers)
    by_member = by_member.reshape(*by_member.shape, *[1] * (answers.ndim - 2))
    return (answers * by_member).sum(dim=0)


def _side_by_side(answers: Sequence[Tensor]) -> Tensor:
    """Answers of members as one tensor, members first, with one number of networks."""
    several = {answer.shape[1] for answer in answers} - {1}
    if len(several) > 1:
        answers = [answer.mean(dim=1, keepdim=True) for answer in answers]
    elif several:
        (n_networks,) = several
        answers = [answer.expand(-1, n_networks, *answer.shape[2:]) for answer in answers]
    return torch.stack([answer.to(answers[0]) for answer in answers])


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

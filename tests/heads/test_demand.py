"""Demand in full stock is learned from sales that stock cut short."""

import numpy as np
import pytest
import torch

from heads.demand import DemandHead, LearnsBounds
from heads.sales_path import SalesPathHead

STOCK = 1.2


@pytest.fixture(scope="module")
def demand():
    """Relative demand of one step, and that of the window, which is the same."""
    return np.repeat(np.random.default_rng(0).gamma(4.0, 0.25, (1000, 1)), 2, axis=1)


def learned(head, target, at_least=None):
    """Answers to all rows alike `[raw_dim]` of least loss."""
    free = torch.tensor(head.starts)[None, None].requires_grad_()
    optimizer = torch.optim.Adam([free], lr=0.02)
    for _ in range(300):
        raw = head.ordered(free).expand(len(target), -1, -1, -1)
        losses = head.losses(raw, target)
        if at_least is not None:
            losses = losses + head.bound_losses(raw, at_least)
        optimizer.zero_grad()
        losses.mean().backward()
        optimizer.step()
    return head.ordered(free).detach().numpy()[0, 0, 0]


def test_what_was_wanted_is_learned_where_stock_ended_the_sales(demand):
    is_out = demand > STOCK
    target = torch.from_numpy(np.where(is_out, np.nan, demand)).float()
    at_least = torch.from_numpy(np.where(is_out, STOCK, np.nan)).float()
    head = DemandHead.fitted(demand)
    left_out, found = learned(head, target), learned(head, target, at_least)
    middle, below = 1 + head.middle, 1 + head.grid.index(0.7)
    assert found[middle] == pytest.approx(np.median(demand), rel=0.06)
    assert found[below] == pytest.approx(np.quantile(demand, 0.7), rel=0.06)
    assert left_out[middle] < 0.9 * np.median(demand)
    assert abs(found[0] / demand.mean() - 1) < 0.5 * abs(left_out[0] / demand.mean() - 1)


def test_a_bound_pulls_no_answer_down_and_one_that_is_not_there_moves_nothing():
    head = DemandHead(horizon=1)
    steps = torch.linspace(0.2, 2.0, head.raw_dim - 1)
    raw = torch.cat([torch.ones(1), steps]).repeat(3, 1, 2, 1).requires_grad_()
    at_least = torch.tensor([[0.05, 0.05], [1.0, 1.0], [torch.nan, torch.nan]])
    losses = head.bound_losses(raw, at_least)
    assert losses.shape == raw.shape and (losses >= 0).all() and (losses[2] == 0).all()
    (slope,) = torch.autograd.grad(losses.sum(), raw)
    assert (slope[:2, ..., 1:] <= 0).all() and (slope[2] == 0).all()
    assert slope[0, ..., 1:].abs().max() < 0.1 * slope[1, ..., 1:].abs().max()


def test_the_mean_above_a_bound_is_no_less_than_the_bound():
    head = DemandHead(horizon=1)
    raw = torch.cat([torch.ones(1), torch.linspace(0.2, 2.0, head.raw_dim - 1)]).repeat(3, 2, 1)
    found = head.mean_above(raw, torch.tensor([[0.1], [1.0], [5.0]]).expand(3, 2))
    assert found[:, 0].tolist() == pytest.approx([1.1, 1.5, 5.0], abs=0.06)


def test_the_head_of_sales_learns_from_no_bounds():
    assert isinstance(DemandHead(horizon=1), LearnsBounds)
    assert not isinstance(SalesPathHead(horizon=1), LearnsBounds)

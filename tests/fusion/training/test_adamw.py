import torch
from torch import nn

from fusion.training.adamw import AdamW


def trained(step, module, inputs):
    losses = []
    for place in range(30):
        rows = inputs[place % 3 :: 3]
        loss = (module(rows) - rows.sum(dim=1, keepdim=True)).square().mean()
        loss.backward()
        losses.append(loss.item())
        step(0.01 + 0.001 * place)
    return losses, [parameter.detach() for parameter in module.parameters()]


def module():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 1))


def test_it_moves_as_the_adamw_of_torch_does():
    inputs = torch.randn(60, 4, generator=torch.Generator().manual_seed(1)) * 20
    mine, theirs = module(), module()
    groups = [
        {"params": [p for p in theirs.parameters() if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in theirs.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups)

    def their_step(rate):
        nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()

    own = AdamW(mine.parameters(), weight_decay=0.1, max_gradient=1.0)
    found, expected = trained(own.step, mine, inputs), trained(their_step, theirs, inputs)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert found[0][-1] < found[0][0] / 2


def test_a_weight_without_a_gradient_stays():
    weights = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))
    optimizer = AdamW(weights, weight_decay=1.0, max_gradient=1.0)
    weights[0].sum().backward()
    optimizer.step(0.1)
    assert (weights[0] < 1).all() and (weights[1] == 1).all()
    assert weights[0].grad is None
    optimizer.step(0.1)  # no gradient at all

import numpy as np
import pytest
import torch

from heads import HotItemHead, Memory, SalesPathHead, SalesVolumeHead
from heads.contract import overfit
from heads.decoders import DECODERS

READERS = [name for name, kind in DECODERS.items() if kind.reads_periods]


def built(name, head, **options):
    torch.manual_seed(0)
    return DECODERS[name](4, head, hidden_dim=8, **options)


def periods(n, length, dim=2, seed=0):
    values = torch.randn(n, length, dim, generator=torch.Generator().manual_seed(seed))
    return Memory(values, torch.ones(n, length, dtype=torch.bool))


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("head", [HotItemHead.tiny(), SalesVolumeHead.tiny()])
def test_a_question_without_steps_is_answered_as_one_step(name, head):
    decoder = built(name, head, memory_dim=2, future_dim=3)
    raw = decoder(torch.randn(5, 2, 4), periods(5, 6), torch.randn(5, 1, 3))
    assert raw.shape == (5, 2, head.raw_dim)
    assert torch.equal(decoder(torch.zeros(1, 1, 4))[0, 0], head.start)


@pytest.mark.parametrize("name", READERS)
def test_the_window_is_read_from_what_is_planned_for_all_steps(name):
    decoder = built(name, SalesPathHead(horizon=3), future_dim=1)
    fused, future = torch.randn(2, 1, 4), torch.zeros(2, 3, 1)
    told = decoder(fused, future=future)
    for step in range(3):
        planned = future.clone()
        planned[:, step] = 1.0
        changed = (decoder(fused, future=planned) - told).abs().sum(dim=-1)[:, 0] > 1e-6
        assert changed.tolist() == [[place >= step for place in range(4)]] * 2


@pytest.mark.parametrize("name", READERS)
def test_a_plan_of_no_numbers_is_no_plan(name):
    decoder, fused = built(name, SalesPathHead(horizon=3)), torch.randn(2, 1, 4)
    assert torch.equal(decoder(fused, future=torch.zeros(2, 3, 0)), decoder(fused))


@pytest.mark.parametrize("name", READERS)
def test_a_pattern_of_the_past_is_learned_where_the_content_says_nothing(name):
    head = SalesPathHead(horizon=2, levels=[0.5])
    decoder = built(name, head, memory_dim=1)
    draw = np.random.default_rng(0)
    past = torch.from_numpy(draw.uniform(0, 2, (64, 3, 1))).float()
    memory, target = Memory(past, torch.ones(64, 3, dtype=torch.bool)), past.mean(dim=(1, 2))
    path = target[:, None].expand(64, 3)
    fused = torch.zeros(64, 1, 4)

    def loss():
        return head.loss(head.ordered(decoder(fused, memory)), path)

    weights = [one for key, one in decoder.named_parameters() if "content" not in key]
    weights = [one for one in weights if one is not decoder.first.weight]
    assert overfit(weights, loss, rate=0.003) < 0.6 * head.constant_loss(path)  # without the past


@pytest.mark.parametrize("name", READERS)
def test_periods_of_another_length_are_refused(name):
    decoder = built(name, SalesPathHead(horizon=2), memory_dim=2, future_dim=3)
    fused = torch.zeros(4, 1, 4)
    with pytest.raises(ValueError, match="memory must be 2 numbers a period, got 5"):
        decoder(fused, periods(4, 3, dim=5))
    for shape in [(4, 2, 1), (4, 4, 3)]:
        with pytest.raises(ValueError, match="future must be at most 3 steps of 3 numbers, got"):
            decoder(fused, None, torch.zeros(shape))
    none = built(name, SalesPathHead(horizon=2))
    with pytest.raises(ValueError, match="memory must be 0 numbers a period, got 2"):
        none(fused, periods(4, 3))


@pytest.mark.parametrize("name", READERS)
def test_networks_of_a_row_read_the_same_periods(name):
    decoder = built(name, SalesPathHead(horizon=2), memory_dim=2, future_dim=1)
    fused, memory = torch.randn(3, 1, 4), periods(3, 4)
    future = torch.randn(3, 2, 1)
    twice = decoder(fused.expand(3, 2, 4), memory, future)
    torch.testing.assert_close(twice[:, 0], twice[:, 1])
    torch.testing.assert_close(twice[:, :1], decoder(fused, memory, future))

import pytest
import torch

from fusion.members.ridge import RidgeMember
from heads import HotItemHead, RegressionHead

HEADS = {"hot": HotItemHead.tiny(), "price": RegressionHead.tiny()}
BLOCKS = {"numeric": (torch.ones(3, 2), torch.eye(3)), "text": (torch.full((3, 1), torch.nan),)}
PRESENT = {"numeric": torch.ones(3).bool(), "text": torch.zeros(3).bool()}


@pytest.fixture
def part():
    torch.manual_seed(0)
    part = RidgeMember({"text": [1], "numeric": [2, 3]}, HEADS).eval()
    part.center.copy_(torch.arange(6.0))
    part.weights.copy_(torch.randn(6, 2))
    part.blend_weights.copy_(torch.tensor([0.25, 1.0]))
    return part


def test_scores_are_weighted_sums_of_centred_features(part):
    expected = (torch.tensor([1.0, 1, 0, 1, 0]) - torch.arange(5.0)).double() @ part.weights[:5]
    torch.testing.assert_close(part.scores(BLOCKS, PRESENT)[1], expected.float())


def test_an_absent_modality_adds_nothing_even_where_it_is_nan(part):
    whole = part.scores(BLOCKS, PRESENT)
    assert torch.isfinite(whole).all()
    other = {**BLOCKS, "text": (torch.full((3, 1), 7.0),)}
    assert torch.equal(part.scores(other, PRESENT), whole)


def test_the_blend_lies_between_the_networks_and_the_linear_answer(part):
    raw = {name: torch.randn(3, 4, 1) for name in HEADS}
    blended = part.blend(raw, BLOCKS, PRESENT)
    linear = part.answers(part.scores(BLOCKS, PRESENT))["hot"]
    assert linear.shape == (3, 1, 1)
    expected = 0.25 * raw["hot"] + 0.75 * linear
    torch.testing.assert_close(blended["hot"], expected)
    torch.testing.assert_close(blended["price"], raw["price"])
    assert part.network_weights == {"hot": 0.25, "price": 1.0}


def test_config_and_weights_rebuild_the_part(part):
    again = RidgeMember(**part.config, heads=HEADS)
    again.load_state_dict(part.state_dict())
    assert torch.equal(again.scores(BLOCKS, PRESENT), part.scores(BLOCKS, PRESENT))

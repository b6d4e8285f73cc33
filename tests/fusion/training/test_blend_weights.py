import numpy as np
import pytest
import torch

from fusion.members.blending import ScoreDecoders, score_decoder
from fusion.training.blend_weights import OutOfFold, best_share, blend_out_of_fold, fit_answer
from heads import MulticlassHead, RegressionHead, SalesVolumeHead

RANDOM = np.random.default_rng(0)


def test_an_answer_learns_the_scale_of_a_score():
    scores = torch.linspace(-1, 1, 200)
    units = np.exp(3 + scores.double().numpy())
    head = SalesVolumeHead.fitted(units)
    decoder = score_decoder(head)
    fit_answer(decoder, head, scores[:, None], torch.from_numpy(head.encode_target(units)))
    mean = head.decode(decoder(torch.tensor([[[0.0]], [[1.0]]])))["sales_units"]
    assert mean.tolist() == pytest.approx([np.exp(3), np.exp(4)], rel=0.02)


def test_an_answer_that_diverges_stays_as_it_was_made():
    class Diverging(RegressionHead):
        def losses(self, raw, target):
            return super().losses(raw, target) * torch.nan

    head = Diverging()
    decoder = score_decoder(head)
    before = decoder.linear.weight.clone()
    raw = fit_answer(decoder, head, torch.ones(30, 1), torch.ones(30))
    assert torch.equal(decoder.linear.weight, before) and torch.isfinite(raw).all()


@pytest.mark.parametrize(
    ("networks", "linear", "low", "high"), [(0.1, 1.0, 0.9, 1.0), (1.0, 0.1, 0.0, 0.2)]
)
def test_the_better_answer_gets_the_larger_share(networks, linear, low, high):
    target = torch.from_numpy(RANDOM.normal(size=400)).float()
    noise = torch.from_numpy(RANDOM.normal(size=(2, 400))).float()
    answers = (target + noise[0] * networks, target + noise[1] * linear)
    share = best_share(RegressionHead(), *(answer[:, None, None] for answer in answers), target)
    assert low <= share <= high


@torch.no_grad()
def test_rows_without_a_score_keep_the_answers_so_far_and_count_for_no_share():
    target = RANDOM.normal(size=100)
    known = torch.arange(100) < 60
    scores = torch.from_numpy(np.where(known, target, 1e6))[:, None].float()
    raw = torch.zeros(100, 3, 1)
    out_of_fold = OutOfFold([np.arange(0, 100, 2), np.arange(1, 100, 2)], {"y": raw})
    heads = {"y": RegressionHead()}
    answers, targets = ScoreDecoders(heads), {"y": target}
    raw_weights, blended = blend_out_of_fold(
        answers, heads, scores, targets, out_of_fold, scored=known[:, None]
    )
    assert raw_weights.item() < 0.1  # what is known is told exactly
    assert torch.equal(blended["y"][~known], raw[~known])
    wanted = torch.from_numpy(target[:60]).float()
    assert (blended["y"][known][:, 0, 0] - wanted).abs().max() < 0.5
    few = blend_out_of_fold(
        answers, heads, scores, targets, out_of_fold, scored=(torch.arange(100) < 19)[:, None]
    )
    assert few[0].item() == 1.0 and torch.equal(few[1]["y"], raw)


@torch.no_grad()
def test_scores_that_say_nothing_of_many_labels_count_for_nothing():
    labels = [f"label {place}" for place in range(8)]
    head = MulticlassHead(labels=labels)
    target = RANDOM.integers(0, len(labels), 60).astype(float)
    scores = torch.from_numpy(RANDOM.normal(size=(60, len(labels)))).float()
    raw = torch.zeros(60, 1, len(labels))
    out_of_fold = OutOfFold(np.array_split(RANDOM.permutation(60), 4), {"y": raw})
    answers = ScoreDecoders({"y": head})
    raw_weights, blended = blend_out_of_fold(
        answers,
        {"y": head},
        scores,
        {"y": target},
        out_of_fold,
        scored=torch.ones_like(scores).bool(),
    )
    assert raw_weights.item() > 0.9
    assert blended["y"].abs().max() < 0.5

import numpy as np
import pytest
import torch

from fusion.fitting.out_of_fold import OutOfFold, out_of_fold_loss
from heads import HotItemHead, RegressionHead


def test_a_held_out_loss_is_the_mean_over_heads_of_their_own_rows():
    target = np.array([1.0, 0.0, 1.0, np.nan])
    head = HotItemHead.fitted(target[:3])
    raw = torch.randn(4, 1, 1)
    out_of_fold = OutOfFold([np.arange(4)], {"hot": raw, "price": raw})
    heads = {"hot": head, "price": RegressionHead()}
    targets = {"hot": target, "price": np.full(4, np.nan)}
    alone = out_of_fold_loss({"hot": head}, {"hot": target}, out_of_fold, np.arange(3))
    assert out_of_fold_loss(heads, targets, out_of_fold, np.arange(4)) == pytest.approx(alone)
    assert np.isnan(out_of_fold_loss(heads, targets, out_of_fold, np.array([3])))

"""A head whose target has several steps: what the contract, training, bundles and doors must take.

Tests take it by the fixture `steps_head` and register it where a name is needed.
"""

import numpy as np
import torch

from heads import Column, Head, metrics
from heads.base import LEAST_LOSS


class StepsHead(Head):
    """One real number a step, such as the units of each of the next weeks: their means."""

    task = "regression"
    primary_metric = "wape"
    higher_is_better = False
    raw_is_additive = True

    def __init__(self, *, means, stds):
        self.means, self.stds = list(means), list(stds)

    @property
    def target_shape(self):
        return (len(self.means),)

    @property
    def raw_dim(self):
        return 1

    @property
    def columns(self):
        steps = range(1, len(self.means) + 1)
        return tuple(
            Column(f"prediction_step_{step}", "mean", step=step, window=f"week {step}")
            for step in steps
        )

    @property
    def config(self):
        return {"means": self.means, "stds": self.stds}

    def encode_target(self, target):
        return ((target - self.means) / self.stds).astype(np.float32)

    def losses(self, raw, target):
        return (raw[..., 0] - target[:, None]).square() / 2

    def decode(self, raw):
        mean = raw[..., 0].double().mean(dim=1)  # [batch, n_steps]
        answers = torch.tensor(self.means) + torch.tensor(self.stds) * mean
        names = (column.name for column in self.columns)
        return dict(zip(names, answers.unbind(dim=1), strict=True))

    def metrics(self, target, prediction):
        answers = np.stack([prediction[column.name] for column in self.columns], axis=1)
        return {"wape": metrics.wape(target.ravel(), answers.ravel())}

    def constant_loss(self, target):
        return max(float(target.double().var(dim=0, correction=0).mean()) / 2, LEAST_LOSS)

    @classmethod
    def fitted(cls, target, **options):
        stds = [float(std) or 1.0 for std in target.std(axis=0)]
        return cls(means=target.mean(axis=0).tolist(), stds=stds, **options)

    @classmethod
    def tiny(cls):
        return cls(means=[3.0, 5.0, 8.0], stds=[1.0, 2.0, 3.0])

import numpy as np

from fusion.forecasting.blending import fit_blend
from fusion.forecasting.members.base import PathTraining
from heads.sales_path import SalesPathHead


def test_a_member_that_knows_nothing_of_a_life_stage_counts_nothing_in_it():
    random = np.random.default_rng(0)
    stages = np.repeat([1, 2], 60)
    targets = random.gamma(2.0, size=(120, 3))
    head = SalesPathHead.fitted(targets, levels=(0.1, 0.5, 0.9))
    near = np.repeat(targets[:, :, None], head.raw_dim, axis=2)
    answers = {name: near * random.uniform(0.5, 1.5, near.shape) for name in ("network", "curves")}
    knows = {"network": np.full(120, True), "curves": stages == 1}
    training = PathTraining(targets, np.ones(120))
    blend = fit_blend(head, training, answers, knows=knows, stages=stages, seed=0)
    assert blend.config["known"] == {"network": 1.0, "curves": 0.0}
    assert 0.0 < blend.config["young"]["curves"] < 1.0

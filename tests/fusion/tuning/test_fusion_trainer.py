import torch

from fusion.choices.build import build_decoders
from fusion.network import FusionNetwork
from fusion.strategies import JoinFusion
from fusion.tuning.fusion_trainer import BestWeights
from heads import RegressionHead


def test_restoring_gives_the_weights_of_the_best_epoch_back():
    from encoders import NumericEncoder

    numbers, heads = NumericEncoder.tiny(), {"y": RegressionHead()}
    fusion = JoinFusion({"numeric": numbers.embedding_dim})
    decoders = build_decoders(heads, fused_dim=fusion.fused_dim)
    model = FusionNetwork({"numeric": numbers}, fusion=fusion, heads=heads, decoders=decoders)
    module = model.trained_part()
    weight = next(module.decoders.parameters())
    best = BestWeights(patience=5, advance=lambda count: None)
    for loss, value in [(1.0, 1.0), (0.5, 2.0), (0.7, 3.0)]:
        torch.nn.init.constant_(weight, value)
        best.on_evaluate(None, None, None, metrics={"eval_loss": loss}, model=module)
    best.restore(module)
    assert (weight == 2.0).all() and best.best_epoch == 2

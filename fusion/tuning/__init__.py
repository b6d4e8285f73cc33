"""Fine-tuning: pretrained encoders learn the target, then their embeddings are kept."""

from fusion.tuning.settings import TuningSettings

__all__ = ["TuningSettings"]

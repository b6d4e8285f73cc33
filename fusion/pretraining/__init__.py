"""Pretraining: encoders learn from texts and photos alone. No argv, no column names."""

from fusion.pretraining.contents import Contents, read_contents
from fusion.pretraining.objective import check_encoders
from fusion.pretraining.result import FILES
from fusion.pretraining.rows import PretrainingRows, join_contents
from fusion.pretraining.run import PretrainingResult, pretrain_encoders
from fusion.pretraining.settings import PretrainingSettings

__all__ = [
    "FILES",
    "Contents",
    "PretrainingResult",
    "PretrainingRows",
    "PretrainingSettings",
    "check_encoders",
    "join_contents",
    "pretrain_encoders",
    "read_contents",
]

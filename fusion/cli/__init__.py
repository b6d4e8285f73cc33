"""The command line: `fusion VERB`. The only place that reads arguments.

Importing a module adds its verbs, in this order.
"""

from fusion.cli import (  # isort: skip
    training,
    pretraining,
    using,
    forecasting,
    updating,
    scoring,
    embedding,
)
from fusion.cli.shared import app

__all__ = [
    "app",
    "embedding",
    "forecasting",
    "pretraining",
    "scoring",
    "training",
    "updating",
    "using",
]

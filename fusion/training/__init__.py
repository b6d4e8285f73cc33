"""Training: fits the trained part of a model on model inputs. No argv, no column names."""

from typing import TYPE_CHECKING

from fusion.first_use import on_first_use

if TYPE_CHECKING:
    from fusion.training.ensemble import fit_ensemble
    from fusion.training.fit import fit_networks
    from fusion.training.loop import TrainingHistory
    from fusion.training.options import best_options
    from fusion.training.settings import TrainingSettings

__all__ = ["TrainingHistory", "TrainingSettings", "best_options", "fit_ensemble", "fit_networks"]

__getattr__ = on_first_use(
    __name__,
    {
        "fit_ensemble": "ensemble",
        "fit_networks": "fit",
        "TrainingHistory": "loop",
        "best_options": "options",
        "TrainingSettings": "settings",
    },
)

"""Training: fits the trained part of a model on model inputs. No argv, no column names."""

from typing import TYPE_CHECKING

from fusion.first_use import on_first_use

if TYPE_CHECKING:
    from fusion.training.ensemble import fit_ensemble
    from fusion.training.fit import TrainingHistory, fit_model
    from fusion.training.options import best_options
    from fusion.training.settings import TrainingSettings

__all__ = ["TrainingHistory", "TrainingSettings", "best_options", "fit_ensemble", "fit_model"]

__getattr__ = on_first_use(
    __name__,
    {
        "fit_ensemble": "ensemble",
        "TrainingHistory": "fit",
        "fit_model": "fit",
        "best_options": "options",
        "TrainingSettings": "settings",
    },
)

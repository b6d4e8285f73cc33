"""Training: fits networks on model inputs. No argv, no column names."""

from typing import TYPE_CHECKING

from fusion.first_use import on_first_use

if TYPE_CHECKING:
    from fusion.training.fit import TrainingHistory, fit_model
    from fusion.training.settings import TrainingSettings

__all__ = ["TrainingHistory", "TrainingSettings", "fit_model"]

__getattr__ = on_first_use(
    __name__,
    {
        "TrainingHistory": "fit",
        "fit_model": "fit",
        "TrainingSettings": "settings",
    },
)

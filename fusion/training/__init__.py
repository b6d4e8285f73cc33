"""Training: fits networks on model inputs. No argv, no column names."""

from typing import TYPE_CHECKING

from fusion.first_use import on_first_use

if TYPE_CHECKING:
    from fusion.training.fit import fit_networks
    from fusion.training.loop import TrainingHistory
    from fusion.training.settings import TrainingSettings

__all__ = ["TrainingHistory", "TrainingSettings", "fit_networks"]

__getattr__ = on_first_use(
    __name__,
    {
        "TrainingHistory": "loop",
        "fit_networks": "fit",
        "TrainingSettings": "settings",
    },
)

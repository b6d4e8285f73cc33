"""`fusion demo`: the whole way on the made-up catalogue that comes with the toolkit.

Reads: demo_data/.
Writes: what `fusion train` writes; with `--forecast`, what `fusion forecast` writes.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import fusion
from fusion.errors import FusionError
from fusion.job_steps.config import TrainConfig
from fusion.jobs.train import TrainResult, train
from fusion.progress import Stage, silent

if TYPE_CHECKING:
    from fusion.jobs.forecast import ForecastResult


def demo(folder: Path, *, seed: int, stage: Stage = silent) -> TrainResult:
    """Trains on the demo catalogue and forecasts its new items.

    Args:
        folder: Output folder; made if absent.
        seed: Seed of everything random.
        stage: Opens progress bars.

    Raises:
        FusionError: If the demo data are not there, or another process writes to the folder.
    """
    settings = demo_folder() / "train.toml"
    config = TrainConfig.from_file(settings, overrides={"training.seed": seed})
    return train(config, folder, stage=stage)


def demo_forecast(folder: Path, *, seed: int, stage: Stage = silent) -> "ForecastResult":
    """Forecasts the weeks of the demo catalogue from its cutoff on, and measures that before it.

    Args:
        folder: Output folder; made if absent.
        seed: Seed of everything random.
        stage: Opens progress bars.

    Raises:
        FusionError: If the demo data are not there, or another process writes to the folder.
    """
    from fusion.job_steps.forecast_config import ForecastConfig
    from fusion.jobs.forecast import forecast

    settings = demo_folder() / "forecast.toml"
    config = ForecastConfig.from_file(settings, overrides={"forecast.seed": seed})
    return forecast(config, folder, stage=stage)


def demo_folder() -> Path:
    """Folder of the demo data: beside the package in a checkout, inside it when installed.

    Raises:
        FusionError: If it is in neither place.
    """
    package = Path(fusion.__file__).parent
    for folder in (package / "demo_data", package.parent / "demo_data"):
        if (folder / "items.csv").is_file():
            return folder
    raise FusionError("demo_data must lie beside or inside the package, got none. Install again.")

"""`fusion demo`: the whole way on the made-up catalogue that comes with the toolkit.

Reads: demo_data/.
Writes: what `fusion train` writes, and `new_items_predictions.csv`.
"""

from pathlib import Path

import fusion
from fusion.errors import FusionError
from fusion.jobs.config import TrainConfig
from fusion.jobs.predict import ItemSource, PredictResult, predict
from fusion.jobs.train import TrainResult, checked_items, held, train_checked
from fusion.progress import Stage, silent, within


def demo(folder: Path, *, seed: int, stage: Stage = silent) -> tuple[TrainResult, PredictResult]:
    """Trains on the demo catalogue and predicts its new items.

    Args:
        folder: Output folder; made if absent.
        seed: Seed of everything random.
        stage: Opens progress bars.

    Raises:
        FusionError: If the demo data are not there, or another process writes to the folder.
    """
    data = demo_folder()
    config = TrainConfig.from_file(data / "train.toml", overrides={"training.seed": seed})
    items = checked_items(config, folder, stage=stage)
    source = ItemSource(
        data / "new_items.csv",
        photos=data / "photos",
        store=folder / "store",
        on_bad_rows=config.data.on_bad_rows,
    )
    with held(folder):
        result = train_checked(config, items, folder, stage=stage)
        output = folder / "new_items_predictions.csv"
        return result, predict(result.bundle, source, output, stage=within(stage, "new items"))


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

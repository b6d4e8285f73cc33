"""Everything that a job can do with rows, on one screen."""

from pathlib import Path

from fusion.shards.data_paths import DataPaths
from fusion.shards.embedder import Embedder
from fusion.shards.forecaster import Forecaster
from fusion.shards.plan import Plan
from fusion.shards.work import Work

WORKS: dict[str, type[Work]] = {"embed": Embedder, "predict": Forecaster}
"""Name in a plan's settings -> what is done; `fusion.shards.plan.KIND_OF` has its folder."""


def work_of(folder: Path, plan: Plan, paths: DataPaths) -> Work:
    """The work of a plan.

    Raises:
        JobError: If what it needs is not what the job was planned with.
        BundleError: If a trained model is damaged, or an encoder cannot be made here.
        ConfigError: If there is no trained model where it should lie.
    """
    return WORKS[plan.settings["work"]].loaded(folder, plan, paths)

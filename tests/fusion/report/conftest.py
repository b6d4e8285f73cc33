"""A made-up report, and photos for it."""

from pathlib import Path

import pytest
from PIL import Image

from benchmarks.promises import made_report


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> list[Path]:
    paths, folder = [], tmp_path_factory.mktemp("photos")
    for row in range(60):
        path = folder / f"{row}.jpg"
        Image.effect_noise((400, 500), 60).convert("RGB").save(path)
        paths.append(path)
    return paths


@pytest.fixture(scope="session")
def make():
    """The makers above, for tests that run with importlib and cannot import this file."""
    return Makers


class Makers:
    volume = staticmethod(made_report.volume_head)
    hot = staticmethod(made_report.hot_head)
    price = staticmethod(made_report.price_head)
    classes = staticmethod(made_report.class_head)
    quantiles = staticmethod(made_report.quantile_head)
    steps = staticmethod(made_report.steps_head)
    evaluation = staticmethod(made_report.evaluation)
    report = staticmethod(made_report.training_report)
    summary = staticmethod(made_report.data_summary)
    new_items = staticmethod(made_report.new_items)
    tuned = staticmethod(made_report.tuned)
    tuning = staticmethod(made_report.tuning_summary)

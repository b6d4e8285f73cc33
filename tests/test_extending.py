"""The parts of docs/extending.md, installed as a package: found by their names in a new process."""

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fusion import FusionRegressor, plugins
from fusion.errors import BundleError

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
PARTS = PAGE.split("## All at work")[0]
ENTRIES = PAGE.split("<!-- entry points -->\n```\n")[1].split("```")[0]


@pytest.fixture
def package(registries, tmp_path, monkeypatch):
    """The page's classes as an installed package, which nothing has looked at yet."""
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", PARTS, re.DOTALL | re.MULTILINE))
    called = re.compile(r"^(register|check_\w+)\(.*\n", re.MULTILINE)
    (tmp_path / "my_shop.py").write_text(called.sub("", code))
    info = tmp_path / "my_shop-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-shop\nVersion: 1.0\n")
    entries = ENTRIES.replace('project.entry-points."', "").replace('"]', "]").replace('"', "")
    (info / "entry_points.txt").write_text(entries)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_shop", raising=False)
    monkeypatch.setattr(plugins, "_INSTALLED", plugins._Installed())
    return tmp_path


def test_the_parts_of_the_page_work_together_as_a_package(package):
    items = pd.DataFrame({"title": ["Wool coat", "RAIN coat"] * 8, "box": ["3x4x5", "1x2x2"] * 8})
    items["brand"] = ["north", "south"] * 8
    model = FusionRegressor(
        columns={"text": ["title"], "size": ["box"], "categorical": ["brand"]},
        encoders={"text": "case"},
        strategy="sum",
        head="return_rate",
        members=["network", "level_means"],
        training={"epochs": 1, "folds": 1},
    )
    model.fit(items, np.linspace(0.1, 0.6, 16)).save(package / "model")
    own = model.fitted_.bundle.model
    kinds = {type(own.encoder(name)).__name__ for name in own.modalities}
    assert kinds >= {"CaseEncoder", "SizeEncoder"}
    assert type(own.members["level_means"]).__name__ == "LevelMeansMember"
    network = own.members["network"].networks[0]
    assert type(network.fusion).__name__ == "SumFusion"
    assert [type(each).__name__ for each in network.decoders.values()] == ["NarrowDecoder"]
    loaded = FusionRegressor.load(package / "model")
    np.testing.assert_array_equal(loaded.predict(items), model.predict(items))

    for kind, name in plugins._INSTALLED.done:  # as where the package is not installed
        plugins._found(plugins.KINDS[kind].table).pop(name)
    with pytest.raises(BundleError, match="size"):
        FusionRegressor.load(package / "model")

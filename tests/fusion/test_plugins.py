"""Parts of one's own: in the tables of their rooms by a call, or by a package that is installed."""

import pytest

from encoders import ENCODERS
from encoders.colour_texture import ColourTextureEncoder
from fusion import plugins
from fusion.errors import ConfigError
from fusion.head_choice import known_heads, known_strategies
from fusion.plugins import load_plugins, register
from fusion.strategies import FUSIONS, ConcatFusion
from heads import HEADS, RegressionHead


class OwnFusion(ConcatFusion):
    pass


class OwnHead(RegressionHead):
    pass


@pytest.fixture(autouse=True)
def tables(monkeypatch):
    """Puts back the tables of all rooms, and forgets which packages have been looked at."""
    for table in (ENCODERS, FUSIONS, HEADS):
        before = dict(table)
        monkeypatch.setattr(plugins, "_INSTALLED", plugins._Installed())
        yield_table(table, before, monkeypatch)


def yield_table(table, before, monkeypatch):
    for name, part in before.items():
        monkeypatch.setitem(table, name, part)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Installs a package of the given code and entry points, by its files alone."""

    def install(code, entries, *, name="shop-parts"):
        module = name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entries)
        monkeypatch.syspath_prepend(tmp_path)

    return install

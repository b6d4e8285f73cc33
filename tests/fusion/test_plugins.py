"""Parts of one's own: in the tables of their rooms by a call, or by a package that is installed."""

import sys

import pytest

from encoders import ENCODERS
from encoders.image.colour_texture import ColourTextureEncoder
from fusion import plugins
from fusion.choices.encoders import EncoderChoices
from fusion.errors import ConfigError
from fusion.modalities import MODALITIES, Modality, input_roles
from fusion.plugins import known_names, load_plugins, register
from fusion.strategies import FUSIONS, ConcatFusion, Fusion
from heads import DECODERS, HEADS, RegressionHead
from heads.decoders import LinearDecoder

PARTS = """
from encoders.image.colour_texture import ColourTextureEncoder
from fusion.forecasting.members.base import ForecastMember
from fusion.members import Member
from fusion.modalities import MODALITIES, Modality
from fusion.strategies import ConcatFusion
from heads import RegressionHead
from heads.decoders import LinearDecoder

class Colours(ColourTextureEncoder): pass
class Rows(ConcatFusion): pass
class Wide(LinearDecoder): pass
class Returns(RegressionHead): pass
class Line(Member): pass
Line.__abstractmethods__ = frozenset()
class Curve(ForecastMember): pass
Curve.__abstractmethods__ = frozenset()
SHAPE = Modality("shape", "table", ("shape",), MODALITIES["numeric"].read, "numeric", "shape")
"""
ENTRIES = """
[product_fusion.encoders]
colours = shop_parts:Colours
[product_fusion.modalities]
shape = shop_parts:SHAPE
[product_fusion.fusions]
rows = shop_parts:Rows
[product_fusion.decoders]
wide = shop_parts:Wide
[product_fusion.heads]
returns = shop_parts:Returns
[product_fusion.members]
line = shop_parts:Line
[product_fusion.forecast_members]
curve = shop_parts:Curve
"""


class OwnFusion(ConcatFusion):
    pass


class HalfFusion(Fusion):
    """Has no forward."""


@pytest.fixture(autouse=True)
def nothing_was_looked_at(registries, monkeypatch):
    """No package has been looked at yet; the tables are put back."""
    monkeypatch.setattr(plugins, "_INSTALLED", plugins._Installed())


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Makes a package with entry points, by its files alone."""

    def installed(entries, code=PARTS, *, name="shop-parts"):
        module = name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entries)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, module, raising=False)
        return tmp_path

    return installed


def test_a_part_that_is_registered_can_be_chosen_by_its_name():
    register("fusion", "own", OwnFusion)
    assert FUSIONS["own"] is OwnFusion and "own" in known_names("fusion")


@pytest.mark.parametrize(
    ("kind", "name", "part", "message"),
    [
        ("fusions", "own", OwnFusion, "kind must be one of .*, got 'fusions'. Did you mean 'fus"),
        ("fusion", "my fusion", OwnFusion, "must be letters, digits and _, got 'my fusion'"),
        ("fusion", "concat", OwnFusion, "fusion name must be new, got 'concat' again"),
        ("encoder", "resnet50", ColourTextureEncoder, "encoder name must be new"),
        ("head", "own", OwnFusion, "must be a class that derives from heads.base.Head, got OwnF"),
        ("head", "own", RegressionHead.tiny(), "got RegressionHead. Give the class itself"),
        ("fusion", "half", HalfFusion, "HalfFusion must have all methods of Fusion, got none for"),
        ("member", "own", OwnFusion, "must be a class that derives from fusion.members.base.Memb"),
        ("modality", "own", MODALITIES["text"], "must be a Modality named 'own', got 'text'"),
        (
            "modality",
            "own",
            Modality("own", "text", ("text", "own"), MODALITIES["text"].read, "tfidf", "own"),
            r"roles of own must be one or more of its own, got text \(of text\)",
        ),
    ],
)
def test_what_is_no_part_or_has_a_taken_name_is_refused(kind, name, part, message):
    tables = (ENCODERS, FUSIONS, HEADS, MODALITIES)
    before = [dict(table) for table in tables]
    with pytest.raises(ConfigError, match=message):
        register(kind, name, part)
    assert [dict(table) for table in tables] == before


def test_parts_of_a_package_are_known_wherever_names_are_checked(install):
    install(ENTRIES)
    assert "returns" in known_names("head") and "rows" in known_names("fusion")
    assert EncoderChoices({"image": "colours"})["image"].encoder == "colours"
    assert "shape" in input_roles()
    assert DECODERS["wide"].__mro__[1] is LinearDecoder
    assert "line" in known_names("member")
    assert "curve" in known_names("forecast_member")


def test_a_package_is_looked_at_once_and_may_ask_for_names_itself(install):
    asks = "from fusion.plugins import known_names\nASKED = known_names('head')\n" + PARTS
    install(ENTRIES, asks)
    load_plugins()
    first = HEADS["returns"]
    load_plugins()
    assert HEADS["returns"] is first


def test_broken_packages_are_named_together_and_tried_again(install):
    install("[product_fusion.heads]\nown = shop_parts:Nothing\n")
    install("[product_fusion.fusions]\nconcat = late:Mine\n", "import no_such_module", name="late")
    with pytest.raises(ConfigError) as failure:
        known_names("head")
    lines = str(failure.value).splitlines()
    assert len(lines) == 2
    assert "plug-in late must load, got ModuleNotFoundError: No module named" in lines[0]
    assert "plug-in shop-parts must load, got AttributeError" in lines[1]
    assert "own = shop_parts:Nothing of product_fusion.heads" in lines[1]
    assert "pip uninstall shop-parts" in lines[1]
    with pytest.raises(ConfigError, match="plug-in late"):
        known_names("head")


def test_a_package_that_takes_a_taken_name_is_named(install):
    install("[product_fusion.heads]\nregression = shop_parts:Returns\n")
    with pytest.raises(ConfigError, match=r"plug-in shop-parts .* must be new, got 'regression'"):
        load_plugins()
    assert HEADS["regression"] is RegressionHead


def test_without_packages_no_table_is_imported_to_check_a_name(monkeypatch):
    monkeypatch.setattr(plugins, "import_module", lambda name: pytest.fail(f"imports {name}"))
    load_plugins()

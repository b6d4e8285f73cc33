import subprocess
import sys

import pytest

import encoders
import fusion
import heads


@pytest.mark.parametrize("name", fusion.__all__)
def test_every_public_name_can_be_imported(name):
    assert getattr(fusion, name) is not None


def test_the_public_names_are_those_of_the_stub():
    assert sorted(fusion._PLACES) == fusion.__all__ == dir(fusion)
    assert {"FusionRegressor", "register", "MODALITIES"} < set(fusion.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'FusionRegresor'"):
        fusion.FusionRegresor  # noqa: B018


@pytest.mark.parametrize("package", [encoders, heads])
def test_rooms_export_what_they_list(package):
    assert all(hasattr(package, name) for name in package.__all__)


@pytest.mark.parametrize("name", fusion.__all__)
def test_every_public_name_is_documented(name):
    thing = getattr(fusion, name)
    assert name == "FUSIONS" or (thing.__doc__ or "").strip()


def test_help_does_not_wait_for_torch():
    code = (
        "import sys; from typer.testing import CliRunner; from fusion.cli import app; "
        "result = CliRunner().invoke(app, ['--help']); "
        "assert result.exit_code == 0 and 'train' in result.output; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

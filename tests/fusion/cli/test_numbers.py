"""Options that are numbers with a fraction: none takes what is no number."""

from typing import get_args, get_type_hints

import pytest
from typer.testing import CliRunner

from fusion.cli import app

FRACTIONS = [
    (command.callback.__name__.replace("_", "-"), f"--{name.replace('_', '-')}")
    for command in app.registered_commands
    for name, hint in get_type_hints(command.callback).items()
    if float in (hint, *get_args(hint))
]


def test_there_are_such_options():
    assert ("embed", "--stall-seconds") in FRACTIONS and len(FRACTIONS) > 2


@pytest.mark.parametrize(("verb", "option"), FRACTIONS)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_numbers_that_are_not_finite_are_refused_by_name(verb, option, value):
    result = CliRunner().invoke(app, [verb, f"{option}={value}"])
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.output

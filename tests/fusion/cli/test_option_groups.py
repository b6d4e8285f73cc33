"""Options that several verbs share reach every one of them."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from fusion.cli import app
from fusion.cli.option_groups import grouped


@dataclass(frozen=True)
class Size:
    """Of something."""

    width: Annotated[int, typer.Option("--width", min=1)] = 2
    names: Annotated[list[str] | None, typer.Option("--name")] = None


def test_a_verb_gets_the_options_of_a_group_as_one_value_beside_its_own():
    got = []
    verbs = typer.Typer()

    @verbs.command()
    @grouped
    def make(place: str, *, size: Size, quiet: bool = False) -> None:
        got.append((place, size, quiet))

    run = CliRunner().invoke
    assert run(verbs, ["here", "--width", "3", "--name", "a", "--quiet"]).exit_code == 0
    assert run(verbs, ["there"]).exit_code == 0
    assert got == [("here", Size(3, ["a"]), True), ("there", Size(), False)]
    assert run(verbs, ["here", "--width", "0"]).exit_code == 2


@pytest.mark.parametrize("verb", [["predict", "bundle"], ["embed"]])
def test_no_option_of_an_engine_is_left_unread(verb, tmp_path):
    files = ["--items", str(tmp_path / "items.csv"), "--out", str(tmp_path / "out.csv")]
    result = CliRunner().invoke(app, [*verb, *files, "--stall-seconds", "-1"])
    assert result.exit_code == 1
    assert "stall seconds must be positive and finite, got -1.0" in result.output

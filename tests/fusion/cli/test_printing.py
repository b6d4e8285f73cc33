import ast
import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from fusion.cli import app
from fusion.cli.shared import complain, reported, say, show_result
from fusion.progress.bars import progress_bars
from fusion.progress.lines import progress_lines

ROOM = Path(__file__).parents[3] / "fusion"
STRANGE = ["a[/]b", "[bold]x[/bold]", "[red", "a]", "back\\[slash]", ":smile:", "x" * 300]


@pytest.mark.parametrize("text", STRANGE)
def test_results_are_printed_as_they_are(text, capsys):
    say(f"Model {text}")
    assert capsys.readouterr().out == f"Model {text}\n"
    say(text, style="bold")
    assert capsys.readouterr().out == f"{text}\n"


@pytest.mark.parametrize("text", STRANGE)
def test_messages_are_printed_as_they_are(text, capsys):
    complain(text)

    @reported
    def command():
        raise ValueError(text)

    with pytest.raises(typer.Exit):
        command()
    assert capsys.readouterr().err == f"fusion: {text}\n" * 2


def test_a_file_name_that_is_no_text_is_printed_all_the_same(capsysbinary):
    say("a\udcffb")
    complain("a\udcffb")
    captured = capsysbinary.readouterr()
    assert captured.out == b"a\\xffb\n"
    assert captured.err == b"fusion: a\\xffb\n"


def test_a_terminal_of_ascii_takes_any_name(monkeypatch):
    @reported
    def command():
        say("caf\u00e9 \udcff \u2713")
        raise ValueError("caf\u00e9")

    streams = {name: io.TextIOWrapper(io.BytesIO(), "ascii") for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    with pytest.raises(typer.Exit):
        command()
    written = [stream.detach().getvalue() for stream in streams.values()]
    assert written == [b"caf\\xe9 \\xff \\u2713\n", b"fusion: caf\\xe9\n"]


@pytest.mark.parametrize("text", STRANGE)
def test_bars_take_any_name(text, capsys):
    for shown in (progress_bars, progress_lines):
        with shown() as stage, stage(text, 1, "rows") as work:
            work(1)
            work.say(text)
    assert "1/1 (100 %)" in capsys.readouterr().err


def test_a_finished_training_tells_where_its_model_is_whatever_the_folder_is_called(capsys):
    folder = Path("a[/]b")
    result = SimpleNamespace(
        evaluations={},
        dropped={},
        notes=(),
        unread={"a[b]": "x[/]"},
        bundle=folder / "bundle",
        report=folder / "report.html",
        new_items=folder / "new_items.html",
    )
    show_result(result)
    assert capsys.readouterr().out == (
        "Not used     a[b]: x[/]\nModel        a[/]b/bundle\nReport       a[/]b/report.html\n"
        "New items    a[/]b/new_items.html\n"
    )


def test_one_file_alone_prints():
    for path in sorted(ROOM.rglob("*.py")):
        names = {
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call)
        }
        if path.relative_to(ROOM) != Path("cli/shared.py"):
            assert not names & {"print", "echo", "secho"}, path


def test_brackets_in_the_help_are_shown():
    assert "[tuning] of the file" in CliRunner().invoke(app, ["fine-tune", "--help"]).output

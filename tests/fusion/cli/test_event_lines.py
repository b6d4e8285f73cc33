"""`--log-json`: every verb that works long tells programs what it does."""

import io
import json
import logging
import sys
import warnings

import pytest
import typer
from typer.testing import CliRunner

import fusion
from fusion.cli import app
from fusion.cli.event_lines import stage_lines
from fusion.cli.shared import open_stage, reported

LONG = (
    "train",
    "demo",
    "fine_tune",
    "pretrain",
    "embed",
    "predict",
    "evaluate",
    "similar",
    "update",
)


def events(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize("verb", LONG)
def test_every_long_verb_has_the_option(verb):
    callbacks = {each.callback.__name__: each.callback for each in app.registered_commands}
    assert "log_json" in callbacks[verb].__annotations__


def test_a_run_is_told_from_begin_to_end_with_everything_in_between(capsys):
    @reported
    def fine_tune(log_json):
        with open_stage(False, log_json) as stage:
            with stage("embedding text", 3, "texts") as work:
                work(3)
            with stage("training", 9, "epochs") as work:
                work.say("1 network of 4")
                work(5)
        logging.getLogger("fusion").warning("column x is absent")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("be careful", UserWarning, stacklevel=1)

    fine_tune(log_json=True)
    told = events(capsys)
    assert [each.pop("event") for each in told] == [
        "started", "progress", "progress", "progress", "progress", "note", "note", "ended",
    ]  # fmt: skip
    assert all(isinstance(each.pop("time"), float) for each in told)
    assert told[0] == {"verb": "fine-tune", "version": fusion.__version__}
    text = {"stage": "embedding text", "total": 3, "unit": "texts"}
    assert told[1:3] == [{**text, "done": 0}, {**text, "done": 3, "ending": "done"}]
    assert told[4]["state"] == "1 network of 4" and told[4]["ending"] == "stopped early"
    assert told[5] == {"message": "column x is absent"} and "be careful" in told[6]["message"]
    assert told[7]["exit_code"] == 0 and told[7]["seconds"] >= 0


@pytest.mark.parametrize(
    ("error", "code"),
    [(ValueError("no such\ncolumn \udcff"), 1), (KeyboardInterrupt(), 130), (typer.Exit(3), 3)],
)
def test_the_last_line_tells_the_exit_code(error, code, capsys):
    @reported
    def train(log_json):
        raise error

    with pytest.raises(typer.Exit) as end:
        train(log_json=True)
    assert end.value.exit_code == code
    told = events(capsys)
    assert told[-1]["event"] == "ended" and told[-1]["exit_code"] == code
    messages = [each["message"] for each in told if each["event"] == "error"]
    assert len(messages) == (code != 3)
    assert code != 1 or messages == ["no such\ncolumn \\xff"]


def test_an_error_of_the_program_itself_ends_with_a_line_too(capsys):
    @reported
    def train(log_json):
        raise AssertionError

    with pytest.raises(AssertionError):
        train(log_json=True)
    assert events(capsys)[-1]["exit_code"] == 1


def test_a_refusal_is_one_line_for_programs_and_nothing_else(tmp_path):
    arguments = ["train", str(tmp_path / "none.toml"), "--out", str(tmp_path / "o"), "--log-json"]
    result = CliRunner().invoke(app, arguments)
    started, error, ended = map(json.loads, result.stderr.splitlines())
    assert (started["verb"], ended["exit_code"], result.exit_code) == ("train", 1, 1)
    assert "none.toml" in error["message"] and result.stdout == ""


def test_lines_come_once_a_second_and_at_the_end(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with stage_lines("training", 1000, "epochs") as work:
        for _ in range(1000):
            work(1)
    lines = [json.loads(line) for line in sys.stderr.getvalue().splitlines()]
    assert len(lines) < 10
    assert [line["done"] for line in lines if "ending" in line] == [1000]


def test_without_the_option_nothing_of_it_is_written(capsys):
    @reported
    def train(log_json):
        raise ValueError("no")

    with pytest.raises(typer.Exit):
        train(log_json=False)
    assert capsys.readouterr().err == "fusion: no\n"


def test_of_processes_that_share_a_tuning_the_first_one_tells(monkeypatch, capsys):
    @reported
    def train(log_json):
        with open_stage(False, log_json) as stage:
            with stage("tuning", 1, "epochs") as work:
                work(1)

    monkeypatch.setenv("RANK", "1")
    train(log_json=True)
    assert capsys.readouterr().err == ""

"""What the program says before any verb: its version, its verbs and what its exit codes mean."""

import atexit
import gc
import sys
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

import fusion
from fusion.cli import app
from fusion.cli.shared import leave_cycles


def run(*arguments):
    return CliRunner().invoke(app, list(arguments), prog_name="fusion")


def test_the_version_is_that_of_the_distribution():
    assert fusion.__version__ == version("product-fusion")
    result = run("--version")
    assert result.exit_code == 0 and result.output == f"product-fusion {fusion.__version__}\n"


@pytest.mark.parametrize("name", ["version", "help"])
def test_an_option_that_is_taken_for_a_verb_is_suggested(name):
    result = run(name)
    assert result.exit_code == 2 and f"Did you mean '--{name}'?" in result.output


def test_a_verb_with_a_typo_gets_the_nearest_verbs():
    assert "Did you mean 'train'" in run("trian").output


def test_the_help_tells_verbs_completion_and_exit_codes():
    output = " ".join(run("--help").output.split())
    assert "--install-completion" in output and "fine-tune" in output
    assert "2 wrong verb or option; 3 some shards failed" in output


def test_completion_is_offered_for_bash(monkeypatch):
    # Which shell it is for is seen from the processes above, where a test may have none.
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    result = run("--show-completion")
    assert result.exit_code == 0 and "_FUSION_COMPLETE" in result.output


def test_a_program_that_ends_is_not_searched_for_cycles(monkeypatch, tmp_path):
    at_the_end = []
    monkeypatch.setattr(atexit, "register", lambda call, *given: at_the_end.append(call))
    assert run("verify", str(tmp_path / "nothing")).exit_code == 1
    assert leave_cycles in at_the_end


@pytest.mark.parametrize("loaded", [True, False])
def test_cycles_are_searched_where_a_package_would_call_them_leaks(monkeypatch, loaded):
    frozen = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(True))
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    if loaded:
        monkeypatch.setitem(sys.modules, "triton", object())
    leave_cycles()
    assert bool(frozen) is not loaded

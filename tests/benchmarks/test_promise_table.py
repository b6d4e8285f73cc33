"""Each promise is tried at a tiny scale, and the table keeps and counts what came of it."""

import json

import pytest

from benchmarks.promises.base import Outcome, Promise, Settings

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
TINY = 0.001
SLOW = ("bad_rows", "kills", "poison", "bombs", "mutations", "memory")
"""Other tests hold a case of each kind in front, all but memory, which starts interpreters."""
SCALES = {"bombs": 0.2}


@pytest.fixture
def table(script):
    return script("promise_table")


def test_the_command_knows_every_promise(table):
    from benchmarks.promises import PROMISES

    assert table.NAMES == tuple(PROMISES)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())
        for name in (
            *("bad_rows", "kills", "full_disk", "two_writers", "poison", "bombs", "mutations"),
            *("cells", "paths", "urls", "bundles", "reports", "batch", "memory", "sklearn"),
            "modalities",
        )
    ],
)
def test_a_promise_holds_at_a_tiny_scale(tmp_path, name):
    from benchmarks.promises import PROMISES

    outcome = PROMISES[name].run(Settings(tmp_path, SCALES.get(name, TINY)))
    assert outcome.tried >= 1
    assert outcome.failures == []
    assert outcome.held == outcome.tried


def test_damaged_photos_are_decoded_or_refused_by_name(tmp_path, monkeypatch):
    from benchmarks.mutated_photos import Tally, mutated_photo, outcome_of
    from benchmarks.promises import mutations

    def run_piece(first, last, context):
        tally = Tally()
        tally.counts.update(outcome_of(mutated_photo(seed)) for seed in range(first, last))
        return tally

    monkeypatch.setattr(mutations, "run_piece", run_piece)
    outcome = mutations.run(Settings(tmp_path, 0.0003))
    assert (outcome.tried, outcome.n_failed) == (30, 0)
    assert "refused: corrupt" in outcome.detail[0]


def stub(monkeypatch, outcomes):
    """Promises that give these outcomes, in the process that asks."""
    from benchmarks import promises

    tried = []

    def promise(name, outcome):
        def run(settings):
            tried.append(name)
            return outcome

        return Promise(f"{name} holds", run)

    made = {name: promise(name, outcome) for name, outcome in outcomes.items()}
    monkeypatch.setattr(promises, "PROMISES", made)
    return tried


def in_this_process(table, monkeypatch):
    def run(command, *, env, timeout, check):
        try:
            table.main(command[2:])
        except ZeroDivisionError:
            return table.subprocess.CompletedProcess(command, -9)
        return table.subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(table.subprocess, "run", run)


def test_the_table_counts_and_goes_on_where_it_was(table, monkeypatch, tmp_path, capsys):
    sound, broken = Outcome(detail=["three photos"]), Outcome()
    for case in range(3):
        sound.case(f"photo {case}")
        broken.case(f"byte {case}", "was not seen" if case == 1 else "")
    tried = stub(monkeypatch, {"mutations": sound, "bundles": broken})
    in_this_process(table, monkeypatch)
    options = ["--work", str(tmp_path / "work"), "--scale", "0.5", "--precision", "no"]
    table.main([*options, "--only", "mutations"])
    table.main([*options, "--only", "mutations", "bundles"])
    assert tried == ["mutations", "bundles"]
    printed = capsys.readouterr().out
    assert "| mutations holds | FUSION_BF16=no | 3 | 3 | 0 |  |" in printed
    assert "| bundles holds | FUSION_BF16=no | 3 | 2 | 1 | byte 1: was not seen |" in printed
    assert "- mutations, no: three photos" in printed


def test_a_promise_is_tried_again_at_another_scale(table, monkeypatch, tmp_path):
    outcome = Outcome()
    outcome.case("one")
    tried = stub(monkeypatch, {"paths": outcome})
    in_this_process(table, monkeypatch)
    for scale in ("0.5", "0.25"):
        options = ["--work", str(tmp_path), "--only", "paths", "--precision", "yes"]
        table.main([*options, "--scale", scale])
    assert tried == ["paths", "paths"]
    assert json.loads((tmp_path / "paths.yes.json").read_text())["scale"] == 0.25


def test_a_process_that_dies_is_a_failure(table, monkeypatch, tmp_path, capsys):
    from benchmarks import promises

    def dies(settings):
        raise ZeroDivisionError

    monkeypatch.setattr(promises, "PROMISES", {"poison": Promise("poison", dies)})
    in_this_process(table, monkeypatch)
    table.main(["--work", str(tmp_path), "--only", "poison", "--scale", "0.5"])
    assert "its process ended with -9" in capsys.readouterr().out


def test_without_a_work_folder_the_command_says_what_to_do(table, capsys):
    with pytest.raises(SystemExit):
        table.main([])
    assert "--work must be given" in capsys.readouterr().err


def test_more_failures_than_can_be_read_are_only_counted():
    outcome = Outcome()
    for case in range(100):
        outcome.case(str(case), "broken")
    outcome.cases("many", tried=50, failed=50, broken="broken")
    assert (outcome.tried, outcome.held, len(outcome.failures)) == (150, 0, 20)


def test_an_exception_in_a_case_is_a_failure():
    outcome = Outcome()
    outcome.attempt("division", lambda: str(1 / 0))
    assert outcome.failures == ["division: ZeroDivisionError: division by zero"]


def test_a_scale_takes_cases_from_everywhere(tmp_path):
    half = Settings(tmp_path, 0.5)
    assert half.some(list(range(8))) == [0, 2, 4, 6]
    assert Settings(tmp_path).some([1, 2, 3]) == [1, 2, 3]
    assert (half.n(9), half.n(1), Settings(tmp_path, 1e-9).n(500, least=3)) == (4, 1, 3)

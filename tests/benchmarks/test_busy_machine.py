"""The benchmark of threads on a busy machine runs on tiny sizes."""

from contextlib import nullcontext

import pytest


@pytest.mark.usefixtures("few_members")
@pytest.mark.parametrize(
    "n_cores", [1, pytest.param(2, marks=pytest.mark.slow)]
)  # two threads of one process wait for each other wherever another process has a core
def test_it_measures_both_numbers_of_threads_on_each_work(script, monkeypatch, capsys, n_cores):
    busy_machine = script("busy_machine")
    monkeypatch.setattr(busy_machine, "busy", lambda n_processes: nullcontext())
    monkeypatch.setattr(busy_machine, "N_CORES", n_cores)
    sizes = ["--rows", "30", "--items", "40", "--epochs", "1", "--repeats", "1"]
    busy_machine.main([*sizes, "--trial"])
    printed = capsys.readouterr().out
    for work in ("demo, 40 items: training", "demo, 40 items: trees"):
        assert f"| {work} | idle |" in printed
        assert f"| {work} | beside {n_cores} busy |" in printed
    assert "| made up, 30 rows: training | idle |" in printed

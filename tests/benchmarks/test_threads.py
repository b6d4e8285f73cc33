"""The benchmark of threads runs on tiny sizes, holds, and can tell other numbers and errors."""

import numpy as np
import pytest


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_it_tells_what_was_tried_and_held(script, monkeypatch, capsys):
    threads = script("threads")
    monkeypatch.setattr(threads, "N_ROWS", 20)
    sizes = {"times": 1, "loaders": 2, "fitters": 1, "fits": 1, "forks": 1}
    options = [text for name, size in sizes.items() for text in (f"--{name}", str(size))]
    threads.main([*options, "--trial"])
    printed = capsys.readouterr().out
    for name in ("float32", "bfloat16"):
        assert f"| {name} | load and predict | 2 | 2 | 0 | - |" in printed
        assert f"| {name} | fit and predict | 1 | 1 | 0 | - |" in printed
        assert f"| {name} | predict in a forked child | 1 | 1 | 0 | - |" in printed


def test_other_numbers_and_errors_are_failures(script):
    threads, failures = script("threads"), []
    assert threads.held(lambda: np.zeros(2), np.zeros(2), failures)
    assert not threads.held(lambda: np.ones(2), np.zeros(2), failures)
    assert not threads.held(lambda: 1 / 0, np.zeros(2), failures)
    assert failures == ["other numbers", "ZeroDivisionError: division by zero"]

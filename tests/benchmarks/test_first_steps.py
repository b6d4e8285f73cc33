"""The benchmark of first steps runs; one short command stands for its processes."""

import sys


def test_it_sets_each_step_beside_the_import_of_torch(script, monkeypatch, capsys):
    first_steps = script("first_steps")
    asked = []

    def at_once(command):
        asked.append(command)
        return 2.0, 0.5

    monkeypatch.setattr(first_steps, "shop", lambda folder: None)
    monkeypatch.setattr(first_steps, "measured", at_once)
    monkeypatch.setattr(sys, "argv", ["first_steps.py", "--repeats", "1"])
    first_steps.main()
    told = capsys.readouterr().out
    assert len(asked) == 2 * told.count("| 2.00 | 1.00 |") > 20
    assert "| `fusion verify` | 2.00 | 1.00 | 0.4 | 0.50 |" in told


def test_a_process_is_measured_by_its_own_time_and_memory(script):
    seconds, gigabytes = script("first_steps").measured([sys.executable, "-c", "pass"])
    assert 0 < seconds < 5 and 0.001 < gigabytes < 0.5

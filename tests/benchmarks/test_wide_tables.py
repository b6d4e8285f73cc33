"""The benchmark of wide tables runs; a smaller fit stands for its processes of minutes."""

import sys


def test_it_measures_each_work_on_each_size(script, monkeypatch, capsys):
    wide_tables = script("wide_tables")
    done = []

    def at_once(work, n_columns):
        work(n_columns)
        done.append((work.__name__, n_columns))
        return 1.0, 2.0

    monkeypatch.setattr(wide_tables, "measured", at_once)
    monkeypatch.setattr(wide_tables, "fit", wide_tables.read)
    monkeypatch.setattr(sys, "argv", ["wide_tables.py", "--fitted", "6", "--read", "5", "7"])
    wide_tables.main()
    assert done == [("read", 6), ("read", 5), ("read", 7)]
    assert capsys.readouterr().out.count("| read CSV |") == 2


def test_a_training_of_few_columns_can_be_measured(script):
    script("wide_tables").fit(6, n_rows=24)

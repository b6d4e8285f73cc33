"""The benchmark of sales tables runs in process on few rows."""

import sys


def test_it_reads_both_kinds_and_counts_every_value(script, monkeypatch, capsys):
    sales_panel = script("sales_panel")
    monkeypatch.setattr(sales_panel, "measured", sales_panel.read)
    monkeypatch.setattr(sys, "argv", ["sales_panel.py", "--sizes", "5", "4", "3"])
    sales_panel.main()
    told = capsys.readouterr().out
    assert told.count("| 60 | 60 |") == 2
    assert "| parquet |" in told and "| csv |" in told

"""The benchmark of sales tables runs in process on few rows."""

import sys


def test_it_reads_all_kinds_and_counts_every_value(script, monkeypatch, capsys):
    sales_panel = script("sales_panel")
    monkeypatch.setattr(sales_panel, "measured", sales_panel.read)
    monkeypatch.setattr(sys, "argv", ["sales_panel.py", "--sizes", "5", "4", "3"])
    sales_panel.main()
    told = capsys.readouterr().out
    assert told.count("| 60 | 60 |") == 4  # by shop
    assert told.count("| 60 | 20 |") == 4  # single sales
    for table in ("parquet, weeks", "csv, weeks", "parquet, single sales", "csv, single sales"):
        assert f"| {table} | ours |" in told and f"| {table} | DuckDB |" in told

"""The benchmark of look-ups runs, and its stores hold what it asks for."""

import sys

from benchmarks import store_lookup


def test_it_measures_stores_of_small_sizes(monkeypatch, capsys):
    monkeypatch.setattr(store_lookup, "SEGMENT_ROWS", 32)
    monkeypatch.setattr(store_lookup, "ASKED", 32)
    monkeypatch.setattr(store_lookup, "REPEATS", 1)
    monkeypatch.setattr(sys, "argv", ["store_lookup.py", "--sizes", "64", "640"])
    store_lookup.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("'")[3] for line in lines] == ["64", "640", "640 merged"]


def test_what_is_asked_for_is_there_but_for_new_keys(tmp_path, monkeypatch):
    monkeypatch.setattr(store_lookup, "SEGMENT_ROWS", 32)
    monkeypatch.setattr(store_lookup, "ASKED", 32)
    store_lookup.fill(tmp_path, 12)
    store = store_lookup.opened(tmp_path)
    for kind, keys in store_lookup.questions(12, repeat=0).items():
        assert store.find(keys).mask.all() == (kind != "new")

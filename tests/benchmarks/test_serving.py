"""The benchmark of a loaded model in a loop measures both kinds of encoders."""

import pytest

pytestmark = pytest.mark.filterwarnings("ignore")


def test_it_measures_calls_of_one_and_many_items(script, capsys, monkeypatch):
    serving = script("serving")
    monkeypatch.setattr(serving, "CALLS", {1: 2, 5: 1})
    serving.main(["--limit", "30"])
    said = capsys.readouterr().out
    assert "| TF-IDF, colours | 1 | " in said and "| MiniLM, ResNet-18 | 5 | " in said

"""The benchmark of a loaded model in a loop measures small calls and large ones."""

import pytest

pytestmark = pytest.mark.filterwarnings("ignore")


def test_it_measures_calls_of_one_and_many_items(script, capsys, monkeypatch):
    serving = script("serving")
    monkeypatch.setattr(serving, "CALLS", {1: 2, 5: 1})
    tiny = {"columns": serving.WORDS, "encoders": {"text": "tfidf"}}
    monkeypatch.setattr(serving, "MODELS", {"tiny": tiny})
    serving.main(["--limit", "30"])
    said = capsys.readouterr().out
    assert "| tiny | 1 | " in said and "| tiny | 5 | " in said

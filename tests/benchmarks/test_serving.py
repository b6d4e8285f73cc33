"""The benchmark of a loaded model in a loop measures small calls and large ones."""

import pytest

pytestmark = pytest.mark.filterwarnings("ignore")


def test_it_measures_calls_of_one_and_many_items(script, capsys, monkeypatch):
    serving = script("serving")
    monkeypatch.setattr(serving, "CALLS", {1: 2, 5: 1})
    tiny = {"columns": serving.WORDS, "encoders": {"text": "tfidf"}}
    monkeypatch.setattr(serving, "MODELS", {serving.CACHED: tiny})
    serving.main(["--limit", "30"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| MiniLM")]
    assert [row.split(" | ")[1] for row in rows] == ["1", "5"]
    assert " | 20 ms | " in rows[0]  # its median has an aim: the model reads no photos

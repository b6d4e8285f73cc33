"""The benchmark of predictions as a job, run from end to end on tiny sizes."""

import json
from pathlib import Path

from typer.testing import CliRunner

from encoders.text.tiny_bert import tiny_checkpoint
from fusion.cli import app


def test_predict_job(script, monkeypatch, capsys) -> None:
    jobs = script("predict_job")

    def run_job(folder: Path, *options: object, verb: tuple) -> tuple[float, float, list]:
        words = [*verb, "--quiet", "--out", folder, *options, "--workers", 0]
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == 0, result.output
        lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
        return 1.0, 1.0, [json.loads(line) for line in lines]

    monkeypatch.setattr(jobs, "run_job", run_job)
    monkeypatch.setattr(jobs, "ROUNDS", 1)
    jobs.main(["--limit", "20", "--text-encoder", str(tiny_checkpoint())])
    printed = capsys.readouterr().out
    assert "| 20 rows, MiniLM, filled store |" in printed
    assert "0 texts encoded" in printed and "| 60 rows, TF-IDF and numbers, 2 workers |" in printed

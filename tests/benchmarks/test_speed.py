"""Benchmarks of speed and of jobs run from end to end on tiny sizes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from encoders import BertEncoder
from encoders.dtype import SWITCH
from fusion.cli import app
from fusion.shards import run_shard


class OneProcess:
    """An engine without workers."""

    def run(self, folder: Path, shards: Any, log: Any) -> dict[int, str]:
        for shard in shards:
            log.done(run_shard(folder, shard))
        return {}


@pytest.mark.parametrize("has_bfloat16", [True, False])
def test_text_embedding(script, monkeypatch, capsys, has_bfloat16) -> None:
    texts = script("text_embedding")
    monkeypatch.setattr(texts, "processor_has_bfloat16", lambda: has_bfloat16)
    monkeypatch.setenv(SWITCH, "yes" if has_bfloat16 else "no")
    texts.main(["--limit", "70", "--rounds", "1"])
    printed = capsys.readouterr().out
    assert ("| sentence-transformers, bfloat16 |" in printed) == has_bfloat16
    assert "| float32, filled store |" in printed
    assert "matrix products " in printed and "tokenising " in printed


def test_vectors_of_every_kind_become_float32_rows(script) -> None:
    as_vectors = script("text_embedding").as_vectors
    rows = torch.ones(3, 2, dtype=torch.bfloat16)
    for found in (rows, list(rows), rows.float().numpy()):
        assert np.array_equal(as_vectors(found), np.ones((3, 2), dtype=np.float32))


def test_photo_embedding(script, monkeypatch, capsys) -> None:
    photos = script("photo_embedding")
    monkeypatch.setattr(photos, "SETS", {(80, 60): 2})
    monkeypatch.setattr(photos, "ARCHITECTURES", ("resnet18",))
    # processes of the loader would be started for two photos
    monkeypatch.setattr(photos, "loader_loop", lambda network, p: photos.plain_loop(
        network, p.transform, p.paths))  # fmt: skip
    photos.main(["--limit", "2", "--rounds", "1"])
    printed = capsys.readouterr().out
    assert "| resnet18, 80 x 60 | toolkit, filled store |" in printed
    assert ", fast decoder |" in printed


@pytest.mark.usefixtures("float32")
def test_photo_aims_are_for_the_default_precision_and_large_photos(script) -> None:
    photos = script("photo_embedding")
    assert photos.aim_of("toolkit, float32", width=800) == 3.0
    assert photos.aim_of("toolkit, bfloat16", width=800) is None
    assert photos.aim_of("toolkit, float32, fast decoder", width=800) is None
    assert photos.aim_of("toolkit, float32, fast decoder", width=3000) == 5.0
    assert photos.aim_of(photos.FILLED, width=800) == 30.0
    assert photos.aim_cell(2.9, 3.0) == ">= 3: missed"
    assert photos.aim_cell(3.0, 3.0) == ">= 3: met"


def test_photo_profile_names_the_most_that_could_be_reached(script, monkeypatch, capsys) -> None:
    profile = script("photo_profile")
    monkeypatch.setattr(profile, "SETS", {(80, 60): 2})
    monkeypatch.setattr(profile, "ARCHITECTURES", ("resnet18",))
    threads = torch.get_num_threads()
    profile.main(["--limit", "2"])
    assert "ceiling, exact" in capsys.readouterr().out
    assert torch.get_num_threads() == threads
    costs = {
        "plain: decode, transform": 4.0,
        "plain: network": 20.0,
        "decode and resize": 3.0,
        "the same, fast": 2.0,
        "network": 5.0,
        "network at the peak": 2.0,
    }
    row = profile.row_of("x", costs, n_threads=2)
    assert (row["ceiling, exact"], row["ceiling, fast"]) == ("3.50", "4.00")
    assert row["at the peak, fast"] == "7.00"


def test_table_of_int8_backends(script) -> None:
    int8, texts = script("int8_backends"), script("text_embedding")
    encoders = {"torch": BertEncoder.tiny(), "onnx": BertEncoder.tiny()}
    words = texts.product_texts(70, seed=0)
    first = {name: int8.first_call(encoder, words) for name, encoder in encoders.items()}
    rows = int8.table(encoders, words, first=first, rounds=1)
    names = ["sentence-transformers", "torch, float32", "onnx, int8"]
    assert [row["backend"] for row in rows] == names
    assert rows[2]["same nearest"] == "100.0%"


def test_effect_of_int8_on_a_price_is_told_beside_float32(script, prices) -> None:
    encoders = {"torch": BertEncoder.tiny(), "onnx": BertEncoder.tiny()}
    plain, other = script("int8_backends").price_effect(encoders, prices, limit=None)
    assert plain.startswith("torch ")
    assert other.startswith("onnx ") and other.endswith("(+0.0000, from +0.0000 to +0.0000)")


@pytest.mark.slow
def test_int8_backends(script, capsys) -> None:
    pytest.importorskip("onnxruntime")
    script("int8_backends").main(["--limit", "12", "--rounds", "1", "--backends", "onnx"])
    assert "| onnx, int8 |" in capsys.readouterr().out


def test_gpu_embedding_says_where_there_is_none(script, monkeypatch, capsys) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    script("gpu_embedding").main(["--limit", "2"])
    assert "Not run: this machine has no CUDA device" in capsys.readouterr().out


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_embedding(script, capsys) -> None:
    script("gpu_embedding").main(["--limit", "8"])
    assert "| MiniLM |" in capsys.readouterr().out


def test_embed_job(script, monkeypatch, capsys) -> None:
    jobs = script("embed_job")

    def run_job(folder: Path, *options: object) -> tuple[float, float, list[dict[str, float]]]:
        words = ["embed", "--quiet", "--out", folder, *options]
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == 0, result.output
        lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
        return 1.0, 1.0, [json.loads(line) for line in lines]

    monkeypatch.setattr("fusion.jobs.embed.engine_of", lambda *_, **__: OneProcess())
    monkeypatch.setattr(jobs, "run_job", run_job)
    jobs.main(["--limit", "20"])
    printed = capsys.readouterr().out
    assert "| 20 texts, MiniLM, 1 worker |" in printed
    assert "of `embed_values` (aim: 90%)" in printed


@pytest.mark.slow
def test_embed_job_with_its_processes(script, capsys) -> None:
    script("embed_job").main(["--limit", "20"])
    assert "| 20 texts, MiniLM, 1 worker |" in capsys.readouterr().out


def test_tuning_speed(script, monkeypatch, prices, capsys) -> None:
    speed = script("tuning_speed")
    monkeypatch.setattr(speed, "apart", lambda work, *arguments: work(*arguments))
    speed.main(["--data", str(prices), "--rows", "12", "--epochs", "1", "--part", "speed"])
    assert "| transformers' Trainer |" in capsys.readouterr().out


@pytest.mark.slow
def test_tuning_cost(script, monkeypatch, prices, capsys) -> None:
    speed = script("tuning_speed")
    monkeypatch.setattr(speed, "apart", lambda work, *arguments: work(*arguments))
    speed.main(["--data", str(prices), "--rows", "12", "--epochs", "1", "--part", "cost"])
    assert "| tune, cache, train the default members |" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_save_kills(script, capsys) -> None:
    script("save_kills").main(["--tries", "2"])
    printed = capsys.readouterr().out
    assert "| a link, moved in two steps | 2 |" in printed

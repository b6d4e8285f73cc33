"""What a tuning wrote and reads back: whole, or an error that names the file."""

import json
from dataclasses import asdict

import pytest
import torch

from fusion.errors import JobError
from fusion.system.documents import sealed
from fusion.tuning.states import TuningRun, claim, load_result, save_result

RUN = TuningRun([1.0, 0.5], [0.9, 0.7], best_epoch=2, batch_size=8)
DAMAGES = [
    b"",
    b"\xff",
    b"[" * 100_000,
    b'{"sha256": 3}',
    sealed(b"{}"),
    sealed(b'{"identity": 3, "precision": "float32"}'),
    sealed(b'{"identity": "x", "precision": "float8"}'),
    sealed(json.dumps({"run": asdict(RUN)}).encode()),
    sealed(
        json.dumps({"run": asdict(RUN) | {"best_epoch": -1}, "weights_sha256": "0" * 64}).encode()
    ),
]


@pytest.fixture
def folder(tmp_path):
    assert claim(tmp_path, "x", precision="float32") == "float32"
    save_result(tmp_path, {"weight": torch.ones(3)}, RUN)
    return tmp_path


def test_a_result_comes_back(folder):
    weights, run = load_result(folder)
    assert run == RUN and torch.equal(weights["weight"], torch.ones(3))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_result_or_identity_is_named(folder, damage):
    (folder / "result.json").write_bytes(damage)
    with pytest.raises(JobError, match=r"result\.json is damaged: .* Remove result\.json to tune"):
        load_result(folder)
    (folder / "identity.json").write_bytes(damage)
    with pytest.raises(JobError, match=r"identity\.json is damaged: .* Remove the folder"):
        claim(folder, "x", precision="float32")


def test_weights_that_are_gone_or_changed_beside_their_result_are_told(folder):
    path = folder / "weights.safetensors"
    content = path.read_bytes()
    for damage in (content[:-1] + b"\x01", content[:-4], None):
        path.unlink()
        if damage is not None:
            path.write_bytes(damage)
        with pytest.raises(JobError, match=r"weights\.safetensors must be what result\.json names"):
            load_result(folder)
        path.write_bytes(content)
    assert load_result(folder)[1] == RUN


def test_a_folder_with_files_of_somebody_else_is_not_taken_for_states_of_a_tuning(tmp_path):
    theirs = tmp_path / "checkpoints" / "checkpoint-500" / "model.bin"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("ten years of work")
    with pytest.raises(JobError, match=r"must be new, empty or .* with checkpoints"):
        claim(tmp_path, "mine", precision="float32")
    assert theirs.exists()


def test_a_folder_that_was_claimed_is_taken_again_whatever_the_run_has_put_there(tmp_path):
    claim(tmp_path, "mine", precision="float32")
    (tmp_path / "checkpoints").mkdir()
    assert claim(tmp_path, "mine", precision="bfloat16") == "float32"


def test_weights_are_there_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_result(tmp_path, {"a": torch.ones(3)}, RUN)
    assert list(tmp_path.iterdir()) == []

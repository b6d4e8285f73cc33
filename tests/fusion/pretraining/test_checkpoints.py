import json

import pytest

from fusion.pretraining.checkpoints import Losses, commit, latest


@pytest.fixture
def checkpoint(tmp_path):
    """Makes the folder of a checkpoint as the Trainer leaves it."""

    def make(step):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"weights" * step)
        (folder / "trainer_state.json").write_text(json.dumps({"global_step": step}))
        return folder

    return make


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_an_epoch_ends_with_the_mean_of_its_batches():
    losses = Losses()
    for loss in (4.0, 2.0):
        losses.add(loss)
    losses.close_epoch(2.5)
    losses.add(1.0)
    assert losses == Losses([3.0], [2.5], running=1.0, n_running=1)


def test_a_committed_checkpoint_comes_back_with_its_losses(tmp_path, checkpoint):
    losses = Losses([1 / 3], [0.1], running=2 / 7, n_running=3)
    commit(checkpoint(9), losses)
    found = latest(tmp_path)
    assert (found.folder.name, found.step, found.losses) == ("checkpoint-9", 9, losses)


def test_committing_removes_the_checkpoints_before(tmp_path, checkpoint):
    commit(checkpoint(9), Losses())
    commit(checkpoint(10), Losses())
    assert names(tmp_path) == ["checkpoint-10", "checkpoint-10.json"]


def test_a_checkpoint_without_a_receipt_is_removed(tmp_path, checkpoint):
    commit(checkpoint(9), Losses())
    checkpoint(10)
    assert latest(tmp_path).step == 9
    assert names(tmp_path) == ["checkpoint-9", "checkpoint-9.json"]


@pytest.mark.parametrize("content", [b"", b"other"])
def test_a_checkpoint_with_other_bytes_than_its_receipt_says_does_not_count(
    tmp_path, checkpoint, content
):
    commit(checkpoint(9), Losses())
    folder = checkpoint(10)
    receipt = json.dumps({"files": {}, "losses": {}})
    folder.with_suffix(".json").write_text(receipt)
    (folder / "model.safetensors").write_bytes(content)
    assert latest(tmp_path).step == 9


def test_a_damaged_receipt_does_not_count(tmp_path, checkpoint):
    commit(checkpoint(9), Losses())
    (tmp_path / "checkpoint-9.json").write_bytes(b"{")
    assert latest(tmp_path) is None


def test_the_latest_step_counts_not_the_last_name(tmp_path, checkpoint):
    nine = checkpoint(9)
    commit(checkpoint(10), Losses())
    nine.mkdir()
    (nine / "a").touch()
    ten = (tmp_path / "checkpoint-10.json").read_bytes()
    assert latest(tmp_path).step == 10
    assert (tmp_path / "checkpoint-10.json").read_bytes() == ten


def test_no_folder_means_no_checkpoint(tmp_path):
    assert latest(tmp_path / "none") is None

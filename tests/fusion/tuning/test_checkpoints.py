import json
from dataclasses import dataclass, field

import pytest

from fusion.system.documents import Finite, sealed
from fusion.tuning.checkpoints import commit
from fusion.tuning.checkpoints import latest as latest_of


@dataclass
class Notes:
    """What these tests note."""

    losses: list[Finite] = field(default_factory=list)


def latest(folder):
    return latest_of(folder, Notes)


def checkpoint(folder, step, content=b"weights"):
    made = folder / f"checkpoint-{step}"
    made.mkdir(parents=True)
    (made / "model.safetensors").write_bytes(content)
    return made


def test_a_committed_checkpoint_is_found_with_its_notes(tmp_path):
    commit(checkpoint(tmp_path, 20), Notes([1.0, 0.5]))
    found = latest(tmp_path)
    assert found.step == 20 and found.notes == Notes([1.0, 0.5])


def test_only_the_latest_is_kept(tmp_path):
    for step in (9, 10):
        commit(checkpoint(tmp_path, step), Notes())
    assert latest(tmp_path).step == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-10",
        "checkpoint-10.json",
    ]


def test_one_without_a_receipt_is_removed_and_the_one_before_counts(tmp_path):
    commit(checkpoint(tmp_path, 10), Notes())
    torn = checkpoint(tmp_path, 20)
    assert latest(tmp_path).step == 10
    assert not torn.exists()


def test_files_in_folders_count_too(tmp_path):
    made = checkpoint(tmp_path, 10)
    (made / "shards").mkdir()
    (made / "shards" / "0.distcp").write_bytes(b"part")
    commit(made, Notes())
    assert latest(tmp_path).step == 10
    (made / "shards" / "0.distcp").write_bytes(b"torn")
    assert latest(tmp_path) is None


def test_changed_bytes_and_torn_receipts_do_not_count(tmp_path):
    made = checkpoint(tmp_path, 10)
    commit(made, Notes())
    (made / "model.safetensors").write_bytes(b"WEIGHTS")
    assert latest(tmp_path) is None
    made = checkpoint(tmp_path, 20)
    (tmp_path / "checkpoint-20.json").write_text(json.dumps({"files": {}})[:-2])
    assert latest(tmp_path) is None


def test_a_run_that_has_not_begun_has_none(tmp_path):
    assert latest(tmp_path / "nothing") is None


@pytest.mark.parametrize(
    "receipt",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b"[]",
        b"{}",
        b'{"files": 3, "notes": {}}',
        b'{"files": {}}',
        b'{"files": {}, "notes": {"losses": [1e999]}}',
        b'{"files": {}, "notes": {"losses": 3}}',
        b'{"files": {}, "notes": {"losses": [], "more": 1}, "more": 1}',
    ],
)
def test_a_damaged_or_crafted_receipt_makes_its_checkpoint_none(tmp_path, receipt):
    for content in (receipt, sealed(receipt) if receipt else b""):
        (tmp_path / "checkpoint-10").mkdir()
        (tmp_path / "checkpoint-10.json").write_bytes(content)
        assert latest(tmp_path) is None
        assert list(tmp_path.iterdir()) == []


def test_folders_of_something_else_are_left_alone(tmp_path):
    (tmp_path / "checkpoint-old").mkdir()
    assert latest(tmp_path) is None
    assert (tmp_path / "checkpoint-old").is_dir()

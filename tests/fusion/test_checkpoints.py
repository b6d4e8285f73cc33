import json

from fusion.checkpoints import commit, latest


def checkpoint(folder, step, content=b"weights"):
    made = folder / f"checkpoint-{step}"
    made.mkdir(parents=True)
    (made / "model.safetensors").write_bytes(content)
    return made


def test_a_committed_checkpoint_is_found_with_its_notes(tmp_path):
    commit(checkpoint(tmp_path, 20), {"losses": [1.0, 0.5]})
    found = latest(tmp_path)
    assert found.step == 20 and found.notes == {"losses": [1.0, 0.5]}


def test_only_the_latest_is_kept(tmp_path):
    for step in (9, 10):
        commit(checkpoint(tmp_path, step), {})
    assert latest(tmp_path).step == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-10",
        "checkpoint-10.json",
    ]


def test_one_without_a_receipt_is_removed_and_the_one_before_counts(tmp_path):
    commit(checkpoint(tmp_path, 10), {})
    torn = checkpoint(tmp_path, 20)
    assert latest(tmp_path).step == 10
    assert not torn.exists()


def test_files_in_folders_count_too(tmp_path):
    made = checkpoint(tmp_path, 10)
    (made / "shards").mkdir()
    (made / "shards" / "0.distcp").write_bytes(b"part")
    commit(made, {})
    assert latest(tmp_path).step == 10
    (made / "shards" / "0.distcp").write_bytes(b"torn")
    assert latest(tmp_path) is None


def test_changed_bytes_and_torn_receipts_do_not_count(tmp_path):
    made = checkpoint(tmp_path, 10)
    commit(made, {})
    (made / "model.safetensors").write_bytes(b"WEIGHTS")
    assert latest(tmp_path) is None
    made = checkpoint(tmp_path, 20)
    (tmp_path / "checkpoint-20.json").write_text(json.dumps({"files": {}})[:-2])
    assert latest(tmp_path) is None


def test_a_run_that_has_not_begun_has_none(tmp_path):
    assert latest(tmp_path / "nothing") is None

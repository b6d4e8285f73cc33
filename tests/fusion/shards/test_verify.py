"""What `verify_job` finds, and that going on heals it."""

import hashlib
import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fusion.errors import JobError
from fusion.shards import job_status, missing_shards, verify_job
from fusion.shards.plan import read_plan, write_plan
from fusion.system.documents import sealed

PART = "embeddings/part-000001.parquet"


@pytest.fixture
def job(tmp_path, text_job):
    return text_job(tmp_path / "in", rows=50, shard_rows=20)


@pytest.fixture
def output(tmp_path, job):
    job.run(tmp_path / "out")
    return tmp_path / "out"


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 0x01
    path.write_bytes(content)


def test_a_whole_job_has_no_problem(output):
    assert verify_job(output) == []


@pytest.mark.parametrize("name", [PART, "errors/part-000001.parquet"])
@pytest.mark.parametrize("place", [0, 100, -1])
def test_a_flipped_byte_is_found_and_its_remedy_works(output, job, files_of, name, place):
    whole = files_of(output)
    flip(output / name, place)
    (problem,) = verify_job(output)
    assert problem.startswith(f"{name} has other bytes than were committed. Delete receipts/000001")
    (output / "receipts" / "000001.json").unlink()
    job.run(output)
    assert files_of(output) == whole
    assert verify_job(output) == []


def test_a_missing_file_is_found(output):
    (output / PART).unlink()
    (problem,) = verify_job(output)
    told = "shard 1 (rows 21 to 40) is not done, embeddings/part-000001.parquet is missing"
    assert problem.startswith(told)


@pytest.mark.parametrize(
    "names", [[PART], ["errors/part-000001.parquet"], ["embeddings"], ["errors", "receipts"]]
)
def test_data_that_was_deleted_is_told_and_made_again(output, job, files_of, names):
    whole = files_of(output)
    for name in names:
        shutil.rmtree(output / name) if "/" not in name else (output / name).unlink()
    n_undone = 1 if "/" in names[0] else 3
    assert len(verify_job(output)) == n_undone
    status = job_status(output)
    assert not status.finished and status.n_done == 3 - n_undone
    assert len(missing_shards(output)) == n_undone
    assert job.run(output).n_already == 3 - n_undone
    assert files_of(output) == whole
    assert verify_job(output) == []


def test_data_of_another_size_is_made_again_and_of_the_same_size_is_left_to_verify(output, job):
    part = output / PART
    part.write_bytes(part.read_bytes()[:-1])
    assert verify_job(output)[0].startswith("shard 1 (rows 21 to 40) is not done, " + PART)
    assert job.run(output).n_already == 2
    flip(part, 100)
    assert job.run(output).n_already == 3
    assert verify_job(output)[0].startswith(f"{PART} has other bytes than were committed")


def test_an_edited_list_of_repeated_ids_is_told_and_never_used(output, job):
    pairs = np.load(output / "repeated_ids.npy")
    np.save(output / "repeated_ids.npy", np.where(pairs == 22, 23, pairs))
    (problem,) = verify_job(output)
    assert "repeated_ids.npy must hold the repeated ids of shard 1 as they were planned" in problem
    (output / "receipts" / "000001.json").unlink()
    with pytest.raises(JobError, match=r"repeated_ids\.npy must hold the repeated ids of shard 1"):
        job.run(output)
    np.save(output / "repeated_ids.npy", pairs)
    job.run(output)
    assert verify_job(output) == []


def test_a_missing_receipt_is_found_and_going_on_heals_it(output, job, files_of):
    whole = files_of(output)
    (output / "receipts" / "000001.json").unlink()
    problems = verify_job(output)
    assert problems[0].startswith("shard 1 (rows 21 to 40) is not done")
    job.run(output)
    assert files_of(output) == whole


@pytest.mark.parametrize("name", ["embeddings/part-000009.parquet", "errors/notes.txt"])
def test_a_stray_file_is_found(output, name):
    (output / name).write_bytes(b"stray")
    (problem,) = verify_job(output)
    assert problem.startswith(f"{name} belongs to no receipt")


def test_a_stray_receipt_is_found(output):
    receipt = json.loads((output / "receipts" / "000001.json").read_bytes()) | {"shard": 9}
    (output / "receipts" / "000009.json").write_text(json.dumps(receipt))
    assert verify_job(output) != []


def test_a_damaged_or_missing_manifest_is_found_and_going_on_heals_it(output, job, files_of):
    whole = files_of(output)
    manifest = output / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-10])
    (problem,) = verify_job(output)
    assert problem.startswith("manifest.json is damaged")
    manifest.unlink()
    (problem,) = verify_job(output)
    assert problem.startswith("manifest.json is gone")
    job.run(output)
    assert files_of(output) == whole


@pytest.mark.parametrize("name", ["manifest.json", "receipts/000001.json"])
def test_any_flipped_byte_of_a_manifest_or_receipt_is_found(output, name):
    path = output / name
    whole = path.read_bytes()
    unseen = []
    for place in range(0, len(whole), 11):
        flip(path, place)
        if verify_job(output) == []:
            unseen.append(whole[max(0, place - 9) : place + 9])
        path.write_bytes(whole)
    assert unseen == []


@pytest.mark.parametrize("place", range(0, 250, 9))
def test_a_flipped_byte_of_a_receipt_never_makes_a_false_finish(output, job, files_of, place):
    whole = files_of(output)
    path = output / "receipts" / "000001.json"
    flip(path, place % path.stat().st_size)
    (output / "manifest.json").unlink()
    job.run(output)
    if files_of(output) != whole:
        assert verify_job(output) != []


def test_a_changed_plan_is_found(output):
    plan = read_plan(output)
    write_plan(output, replace(plan, made_with={**plan.made_with, "torch": "0.1"}))
    assert verify_job(output) == ["plan.json has changed since the manifest was written"]


def test_a_folder_without_a_plan_is_named(tmp_path):
    with pytest.raises(JobError, match=r"got no plan\.json"):
        verify_job(tmp_path)


@pytest.mark.parametrize(
    "table",
    [
        None,
        pa.table({"id": ["a"]}),
        pa.table({"row": ["x"], "warnings": [["a"]]}),
        pa.table({"row": [20], "warnings": pa.array([None], pa.int64())}),
        pa.table({"row": [20], "warnings": [[b"\xff"]]}),
    ],
    ids=["no table", "other columns", "rows are text", "codes are numbers", "codes are no text"],
)
def test_data_of_another_form_with_a_fitting_receipt_is_named(output, table):
    stream = io.BytesIO(b"PAR1 no table PAR1")
    if table is not None:
        pq.write_table(table, stream)
    content = stream.getvalue()
    (output / PART).write_bytes(content)
    path = output / "receipts" / "000001.json"
    receipt = json.loads(path.read_bytes())
    del receipt["sha256"]
    part = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    receipt["files"][PART] = part
    path.write_bytes(sealed(json.dumps(receipt).encode()))
    problems = verify_job(output)
    assert any(problem.startswith((PART, "shard 1 has")) for problem in problems), problems

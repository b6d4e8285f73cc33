"""Stores that are merged hold everything once, and the old ones stay as they were."""

import numpy as np
import pytest

from fusion.errors import StoreError
from fusion.store import SegmentStore, merge_stores

KEYS = np.asarray([bytes([value]) * 32 for value in (1, 2, 3, 4)], dtype="S32")
VECTORS = np.eye(4, dtype=np.float32)


def store_of(folder, rows, *, warnings=None):
    store = SegmentStore(folder, fingerprint="f", description={"encoder": "E"})
    for row in rows:
        odd = {0: warnings[row]} if warnings and row in warnings else None
        store.add(KEYS[[row]], VECTORS[[row]], warnings=odd)


def test_everything_is_there_once_in_one_segment_with_its_warnings(tmp_path):
    store_of(tmp_path / "a", [0, 1, 1], warnings={1: ("rotated_by_exif",)})
    store_of(tmp_path / "b", [1, 2, 3])
    before = sorted((path, path.read_bytes()) for path in tmp_path.rglob("*.safetensors"))
    assert merge_stores([tmp_path / "a", tmp_path / "b"], tmp_path / "c") == {"f": 4}
    assert sorted((p, p.read_bytes()) for p in tmp_path.rglob("[ab]/f/*.safetensors")) == before
    found = SegmentStore(tmp_path / "c", fingerprint="f", description={}).find(KEYS)
    assert found.mask.all() and np.array_equal(found.vectors, VECTORS)
    assert found.warnings == {1: ("rotated_by_exif",)}
    assert len(list((tmp_path / "c" / "f").glob("*.safetensors"))) == 2  # one of each store
    assert (tmp_path / "c" / "f" / "encoder.json").read_text() == (
        tmp_path / "a" / "f" / "encoder.json"
    ).read_text()


def test_a_second_merge_adds_nothing(tmp_path):
    store_of(tmp_path / "a", [0, 1])
    merge_stores([tmp_path / "a"], tmp_path / "c")
    assert merge_stores([tmp_path / "a"], tmp_path / "c") == {"f": 0}


def test_a_damaged_vector_is_left_behind(tmp_path):
    store_of(tmp_path / "a", [0, 1])
    damaged = next(
        path
        for path in (tmp_path / "a" / "f").glob("*.safetensors")
        if KEYS[0] in path.read_bytes()
    )
    content = damaged.read_bytes()
    damaged.write_bytes(content.replace(VECTORS[0].tobytes(), VECTORS[3].tobytes()))
    assert merge_stores([tmp_path / "a"], tmp_path / "c") == {"f": 1}
    found = SegmentStore(tmp_path / "c", fingerprint="f", description={}).find(KEYS)
    assert found.mask.tolist() == [False, True, False, False]


@pytest.mark.parametrize("stores", [["a", "c"], ["nothing"]])
def test_a_store_into_itself_and_a_folder_without_store_are_refused(tmp_path, stores):
    store_of(tmp_path / "a", [0])
    store_of(tmp_path / "c", [1])
    with pytest.raises(StoreError, match="store"):
        merge_stores([tmp_path / name for name in stores], tmp_path / "c")

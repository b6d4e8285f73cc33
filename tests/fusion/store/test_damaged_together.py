"""Two that meet one damaged segment at the same time both go on."""

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from fusion.store import SegmentStore, segments

KEYS = np.asarray([bytes([value]) * 32 for value in (1, 2, 3)], dtype="S32")
VECTORS = np.asarray([[1, 2], [3, 4], [5, 6]], dtype=np.float32)


def opened(folder):
    return SegmentStore(folder, fingerprint="f", description={})


@pytest.fixture
def meet(monkeypatch):
    """Lets both threads reach the moment of setting aside before either goes on."""
    both, replace = threading.Barrier(2), Path.replace

    def together(path, target):
        if Path(target).suffix == ".corrupt":
            both.wait(timeout=20)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", together)


def break_vector(content):
    return content.replace(VECTORS[1].tobytes(), VECTORS[2].tobytes(), 1)


@pytest.mark.parametrize(
    ("damage", "mask"),
    [(break_vector, [True, False, True]), (lambda content: content[:40], [False] * 3)],
    ids=["one vector", "cut off"],
)
def test_two_on_one_damaged_segment_both_find_what_is_sound(tmp_path, meet, damage, mask):
    opened(tmp_path).add(KEYS, VECTORS)
    path = next(tmp_path.glob("f/*.safetensors"))
    path.write_bytes(damage(path.read_bytes()))
    answers = []
    stores = [opened(tmp_path), opened(tmp_path)]
    threads = [
        threading.Thread(target=lambda store=store: answers.append(store.find(KEYS)))
        for store in stores
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found.mask.tolist() for found in answers] == [mask, mask]
    assert len(list(tmp_path.glob("f/*.corrupt"))) == 1
    assert opened(tmp_path).find(KEYS).mask.tolist() == mask
    assert all(store.n_corrupted == 1 for store in stores)


def test_threads_may_share_a_store(tmp_path):
    store = opened(tmp_path)
    errors = []

    def work(start):
        try:
            for number in range(start, start + 30):
                key = np.asarray([bytes([number]) * 32], dtype="S32")
                store.add(key, np.full((1, 2), number, dtype=np.float32))
                assert store.find(key).vectors.tolist() == [[number, number]]
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(start,)) for start in (1, 51, 101)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_store_that_is_deleted_while_it_is_written_is_made_again(tmp_path, monkeypatch):
    write, deleted = segments.write_atomically, []

    def meanwhile(path, content):
        if path.suffix == ".safetensors" and not deleted:
            shutil.rmtree(path.parent)
            deleted.append(path)
        write(path, content)

    monkeypatch.setattr(segments, "write_atomically", meanwhile)
    store = opened(tmp_path)
    store.add(KEYS, VECTORS)
    assert deleted and store.find(KEYS).mask.all()

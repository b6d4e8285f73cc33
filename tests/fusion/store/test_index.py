"""The index of a store: few reads however many segments, and never believed over the segments."""

import multiprocessing
import shutil
import tracemalloc

import numpy as np
import pytest

from fusion.errors import StoreError
from fusion.store import SegmentStore, index, run_file, segments
from fusion.store.run_file import UnusableRun
from fusion.store.runs import MemoryRun, entries_of, key_prefixes, merged

DIM = 2


def keys_of(numbers):
    rows = [number.to_bytes(4, "big") * 8 for number in map(int, numbers)]
    return np.asarray(rows, dtype="S32")


def vectors_of(numbers):
    return np.asarray([[number, -number] for number in numbers], dtype=np.float32).reshape(-1, DIM)


def spread(numbers):
    """Keys all over their range, as hashes are."""
    return [int(number) * 2654435761 % 2**32 for number in numbers]


def opened(folder):
    return SegmentStore(folder, fingerprint="f", description={"encoder": "E"})


def filled(folder, n_segments, *, n_rows=3):
    store = opened(folder)
    for number in range(n_segments):
        add(store, range(number * n_rows, (number + 1) * n_rows))
    return store


def add(store, numbers):
    numbers = spread(numbers)
    store.add(keys_of(numbers), vectors_of(numbers))


def assert_found(store, numbers, mask=None):
    numbers = spread(numbers)
    found = store.find(keys_of(numbers))
    mask = np.ones(len(numbers), dtype=bool) if mask is None else np.asarray(mask)
    assert found.mask.tolist() == mask.tolist()
    assert np.array_equal(found.vectors, vectors_of(np.asarray(numbers)[mask]))


def index_files(folder):
    return sorted((folder / "f").glob("*.index"))


@pytest.fixture
def n_read(monkeypatch):
    """Counts the segments that are read."""
    reads = []
    read = segments.open_segment
    monkeypatch.setattr(segments, "open_segment", lambda path: reads.append(path) or read(path))
    return lambda: len(reads)


@pytest.mark.parametrize("n_segments", [40, 160])
def test_a_look_up_reads_few_segments_however_many_there_are(tmp_path, n_read, n_segments):
    filled(tmp_path, n_segments)
    before = n_read()
    store = opened(tmp_path)
    assert_found(store, [30, 31, 32])
    assert n_read() - before <= 1 + index.MOST_LOOSE
    assert len(index_files(tmp_path)) <= 4
    before = n_read()
    assert store.find(keys_of([7, 8])).mask.tolist() == [False, False]
    assert n_read() == before


def test_everything_is_found_among_many_segments_by_the_writer_and_by_others(tmp_path):
    store = filled(tmp_path, 150)
    for reader in (store, opened(tmp_path)):
        assert_found(reader, range(450))
        assert_found(reader, [449, 450, 0, 451], [True, False, True, False])


def test_a_store_of_an_older_version_without_index_is_read_and_gets_one(tmp_path):
    filled(tmp_path, 30)
    for path in index_files(tmp_path):
        path.unlink()
    assert_found(opened(tmp_path), range(90))
    assert len(index_files(tmp_path)) == 1


def test_a_large_store_of_an_older_version_is_indexed_in_portions(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "PORTION_ROWS", 25)
    filled(tmp_path, 40)
    for path in index_files(tmp_path):
        path.unlink()
    assert_found(opened(tmp_path), range(120))
    assert_found(opened(tmp_path), range(120))


def test_memory_does_not_grow_with_the_keys_of_a_store(tmp_path):
    rng = np.random.default_rng(0)
    store = opened(tmp_path)
    for _ in range(16):
        keys = np.frombuffer(rng.bytes(32 * 20_000), dtype="S32")
        store.add(keys, np.zeros((len(keys), 1), dtype=np.float32))
    tracemalloc.start()
    try:
        reader = opened(tmp_path)
        assert reader.find(keys[:1]).mask.all()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 16 * index.LOOSE_ROWS + 500_000  # 10 MB of keys are on disk


def test_a_run_is_written_piece_by_piece():
    taken = []

    def chunks():
        for number in range(3):
            taken.append(number)
            yield entries_of(key_prefixes(keys_of(range(200)).tobytes()))

    parts = run_file._file_parts(["a"], chunks())
    next(parts)
    assert taken == [0]
    assert len(list(parts)) == 4
    assert taken == [0, 1, 2]


def test_a_disk_that_fails_once_is_told_once_and_hides_nothing_later(tmp_path, monkeypatch):
    filled(tmp_path, 3)
    read, failing = segments.open_segment, [False, True]

    def open_segment(path):
        if failing and failing.pop(0):
            raise OSError(5, "Input/output error")
        return read(path)

    monkeypatch.setattr(segments, "open_segment", open_segment)
    store = opened(tmp_path)
    with pytest.raises(
        StoreError, match=r"^store \S+ cannot be read: \[Errno 5\] Input/output error\.$"
    ):
        store.find(keys_of([0]))
    assert_found(store, range(9))


@pytest.mark.parametrize("part", range(8))
def test_a_damaged_index_is_never_believed_and_is_made_again(tmp_path, part):
    filled(tmp_path, 30)
    (path,) = index_files(tmp_path)[:1]
    content = path.read_bytes()
    for place in range(part * 3, len(content), 191):
        broken = bytearray(content)
        broken[place] ^= 0x41
        path.write_bytes(broken)
        assert_found(opened(tmp_path), range(90))
    path.write_bytes(content[: len(content) // 2])
    assert_found(opened(tmp_path), range(90))
    assert_found(opened(tmp_path), range(90))
    assert sum(path.stat().st_size > 0 for path in index_files(tmp_path)) >= 1


def test_an_index_that_says_of_sound_segments_what_is_not_so_is_made_again(tmp_path):
    filled(tmp_path, 10)
    first, second = sorted((tmp_path / "f").glob("*.safetensors"))[:2]
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)
    assert_found(opened(tmp_path), range(30))


def test_the_index_of_another_store_does_no_harm(tmp_path):
    filled(tmp_path / "a", 20)
    filled(tmp_path / "b", 20, n_rows=2)
    for path in index_files(tmp_path / "a"):
        shutil.copy(path, tmp_path / "b" / "f")
    assert_found(opened(tmp_path / "b"), range(40))


def test_an_index_that_goes_away_while_it_is_used_is_not_missed(tmp_path):
    store = filled(tmp_path, 30)
    assert_found(store, range(90))
    refresh = store._index.refresh

    def delete_then(*arguments):
        refresh()
        for path in index_files(tmp_path):
            path.unlink()
        store._index.refresh = refresh

    store._index.refresh = delete_then
    assert_found(store, range(90))


def test_what_two_runs_say_is_written_once(tmp_path):
    entries = np.sort(entries_of(key_prefixes(keys_of(range(5)).tobytes())), order="key")
    runs = [MemoryRun(["a"], entries), MemoryRun(["a"], entries), MemoryRun(["b"], entries)]
    (together,) = merged(runs, ["a", "b"])
    assert len(together) == 10
    assert np.array_equal(together, *merged(runs[::-1], ["a", "b"]))


def test_segments_that_went_away_are_missed_and_nothing_else(tmp_path):
    store = filled(tmp_path, 20)
    gone = {}
    for path in sorted((tmp_path / "f").glob("*.safetensors"))[:5]:
        gone |= {key: True for key in segments.open_segment(path).vectors[:, 0].tolist()}
        path.unlink()
    mask = [float(np.float32(number)) not in gone for number in spread(range(60))]
    assert mask.count(False) == 15
    assert_found(store, range(60), mask)
    assert_found(opened(tmp_path), range(60), mask)


def test_where_no_index_can_be_written_the_store_is_read_all_the_same(tmp_path, monkeypatch):
    def refused(*arguments):
        raise PermissionError("read-only")

    monkeypatch.setattr(index, "write_run", refused)
    store = filled(tmp_path, 50)
    assert index_files(tmp_path) == []
    assert_found(store, range(150))
    assert_found(opened(tmp_path), range(150))


def test_keys_that_begin_alike_are_told_apart(tmp_path):
    store = opened(tmp_path)
    keys = np.asarray([b"x" * 30 + number.to_bytes(2, "big") for number in range(1, 301)], "S32")
    vectors = np.arange(300, dtype=np.float32)[:, None]
    for start in range(0, 300, 10):
        store.add(keys[start : start + 10], vectors[start : start + 10])
    found = opened(tmp_path).find(keys[::-1])
    assert found.mask.all() and np.array_equal(found.vectors, vectors[::-1])
    assert not store.find(np.asarray([b"x" * 32], "S32")).mask.any()


def test_a_vector_that_is_stored_twice_is_found_if_one_is_sound(tmp_path):
    store = filled(tmp_path, 10)
    add(store, [0, 1, 2])
    wanted = vectors_of(spread([1])).tobytes()
    damaged = [p for p in (tmp_path / "f").glob("*.safetensors") if wanted in p.read_bytes()]
    assert len(damaged) == 2
    damaged[0].write_bytes(damaged[0].read_bytes().replace(wanted, vectors_of([5]).tobytes()))
    reader = opened(tmp_path)
    assert_found(reader, [0, 1, 2])


def test_random_histories_of_a_store_are_answered_as_a_dictionary_answers(tmp_path):
    rng = np.random.default_rng(1)
    stores, known = [opened(tmp_path) for _ in range(3)], set()
    for step in range(250):
        store = stores[rng.integers(3)]
        act = rng.integers(10)
        if act < 6:
            numbers = rng.choice(3000, size=rng.integers(1, 12), replace=False)
            add(store, numbers)
            known |= set(numbers.tolist())
        elif act == 6 and index_files(tmp_path):
            rng.choice(index_files(tmp_path)).unlink()
        elif act == 7:
            stores[rng.integers(3)] = opened(tmp_path)
        asked = rng.choice(3000, size=40, replace=False).tolist()
        if known.intersection(asked):
            assert_found(store, asked, [number in known for number in asked])
        assert step < 50 or len(index_files(tmp_path)) <= 8


def test_a_run_that_another_process_merges_meanwhile_hides_none_of_its_keys(tmp_path, monkeypatch):
    store = filled(tmp_path, index.MOST_LOOSE)
    (run,) = index_files(tmp_path)
    for number in range(index.MOST_LOOSE):  # each writer has too few segments to write a run
        add(opened(tmp_path), [1000 + number])

    def merged_by_another(*_):
        monkeypatch.undo()
        run.unlink()
        raise UnusableRun(run, damaged=False)

    monkeypatch.setattr(index, "write_run", merged_by_another)
    assert_found(store, [*range(3 * index.MOST_LOOSE), 1000, 1007])
    assert not run.exists()


def _add_and_look(folder, start):
    store = opened(folder)
    for number in range(start, start + 60):
        add(store, [number])
        assert_found(store, range(start, number + 1))


def test_processes_that_write_and_look_at_once_find_all_that_they_wrote(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=_add_and_look, args=(tmp_path, 100 * number)) for number in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    numbers = [100 * worker + place for worker in range(3) for place in range(60)]
    assert_found(opened(tmp_path), numbers)
    assert len(index_files(tmp_path)) <= 4


def test_a_store_that_is_deleted_while_it_is_used_is_made_again(tmp_path):
    store = filled(tmp_path / "store", 12)
    shutil.rmtree(tmp_path / "store")
    assert not store.find(keys_of(spread([1]))).mask.any()
    add(store, [1, 2])
    assert_found(store, [1, 2, 3], [True, True, False])
    assert (tmp_path / "store" / "f" / "encoder.json").is_file()

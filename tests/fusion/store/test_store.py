import multiprocessing
from typing import Any

import numpy as np
import pytest
import torch

from encoders.base import Encoder
from fusion.errors import StoreError
from fusion.store import embed_values
from fusion.store.segments import SegmentStore


class LetterEncoder(Encoder):
    """Counts letters; remembers how many parts it was given."""

    modality = "text"
    cacheable = True

    def __init__(self, dim: int = 3) -> None:
        super().__init__()
        self.dim = dim
        self.n_encoded = 0

    @property
    def embedding_dim(self) -> int:
        return self.dim

    @property
    def config(self) -> dict[str, Any]:
        return {"dim": self.dim}

    def parts(self, value):
        return [] if value is None else value.split("|")

    def content(self, part):
        return part.encode()

    def preprocess(self, values):
        if any("bad" in value for value in values):
            raise ValueError("must not be bad")
        self.n_encoded += len(values)
        counts = [[value.count(letter) + 1.0 for letter in "abc"[: self.dim]] for value in values]
        return {"counts": torch.tensor(counts).reshape(len(values), self.dim)}

    def forward(self, tensors):
        return tensors["counts"]

    @classmethod
    def tiny(cls):
        return cls()


VALUES = ["aab", None, "c", "aab", "a|b", ""]
EXPECTED = [[3, 2, 1], [0, 0, 0], [1, 1, 2], [3, 2, 1], [1.5, 1.5, 1], [1, 1, 1]]


def test_embeddings_come_in_order_with_duplicates_encoded_once(tmp_path):
    encoder = LetterEncoder()
    embedded = embed_values(encoder, VALUES, store=tmp_path)
    assert embedded.vectors.tolist() == EXPECTED
    assert embedded.present.tolist() == [True, False, True, True, True, True]
    assert embedded.report.n_parts == 6
    assert embedded.report.n_distinct == embedded.report.n_encoded == encoder.n_encoded == 5


def test_a_second_run_encodes_nothing(tmp_path):
    embed_values(LetterEncoder(), VALUES, store=tmp_path)
    encoder = LetterEncoder()
    embedded = embed_values(encoder, [*VALUES, None], store=tmp_path)
    assert encoder.n_encoded == embedded.report.n_encoded == 0
    assert embedded.report.n_found == 5
    assert embedded.vectors.tolist() == [*EXPECTED, [0, 0, 0]]


def test_without_a_store_nothing_is_kept_and_duplicates_are_still_encoded_once(tmp_path):
    encoder = LetterEncoder()
    assert embed_values(encoder, VALUES).vectors.tolist() == EXPECTED
    assert encoder.n_encoded == 5
    assert list(tmp_path.iterdir()) == []


def test_another_encoder_never_sees_these_vectors(tmp_path):
    embed_values(LetterEncoder(), VALUES, store=tmp_path)
    other = LetterEncoder(dim=2)
    assert embed_values(other, ["aab"], store=tmp_path).vectors.tolist() == [[3, 2]]
    assert other.n_encoded == 1


def test_a_bad_value_fails_alone_and_nothing_else_changes(tmp_path):
    values = ["aab", "bad", "a|bad", "c", "bad"]
    embedded = embed_values(LetterEncoder(), values, store=tmp_path)
    reasons = {row: str(error) for row, error in embedded.failures.items()}
    assert reasons == {row: "must not be bad" for row in (1, 2, 4)}
    assert embedded.present.tolist() == [True, False, False, True, False]
    assert embedded.vectors[[0, 3]].tolist() == [[3, 2, 1], [1, 1, 2]]
    assert embedded.report.n_encoded == 3  # aab, a, c


def segment_of(folder):
    return next(folder.glob("*/*.safetensors"))


@pytest.mark.parametrize("place", range(0, 600, 7))
def test_a_flipped_byte_is_never_served(tmp_path, place):
    embed_values(LetterEncoder(), VALUES, store=tmp_path)
    path = segment_of(tmp_path)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 0x55
    path.write_bytes(content)
    assert embed_values(LetterEncoder(), VALUES, store=tmp_path).vectors.tolist() == EXPECTED


def test_a_corrupted_entry_is_recomputed_reported_and_the_others_are_kept(tmp_path):
    embed_values(LetterEncoder(), VALUES, store=tmp_path)
    path = segment_of(tmp_path)
    content = path.read_bytes()
    vector = np.asarray([3, 2, 1], dtype=np.float32).tobytes()
    assert content.count(vector) == 1
    path.write_bytes(content.replace(vector, np.asarray([9, 9, 9], np.float32).tobytes()))
    encoder = LetterEncoder()
    embedded = embed_values(encoder, VALUES, store=tmp_path)
    assert embedded.vectors.tolist() == EXPECTED
    assert (encoder.n_encoded, embedded.report.n_corrupted, embedded.report.n_found) == (1, 1, 4)
    assert len(list(tmp_path.glob("*/*.corrupt"))) == 1
    again = embed_values(LetterEncoder(), VALUES, store=tmp_path)
    assert (again.report.n_encoded, again.report.n_corrupted) == (0, 0)


def test_a_truncated_segment_is_set_aside_and_recomputed(tmp_path):
    embed_values(LetterEncoder(), VALUES, store=tmp_path)
    path = segment_of(tmp_path)
    path.write_bytes(path.read_bytes()[:40])
    embedded = embed_values(LetterEncoder(), VALUES, store=tmp_path)
    assert embedded.vectors.tolist() == EXPECTED
    assert embedded.report.n_encoded == 5


def test_leftovers_of_an_interrupted_write_are_not_read(tmp_path):
    embed_values(LetterEncoder(), VALUES, store=tmp_path)
    path = segment_of(tmp_path)
    path.with_name(f".{path.name}.x.tmp").write_bytes(b"half")
    assert embed_values(LetterEncoder(), VALUES, store=tmp_path).report.n_encoded == 0


def _embed_in_a_process(folder, start):
    values = [f"a{number}" for number in range(start, start + 300)]
    embed_values(LetterEncoder(), values, store=folder)


def test_two_processes_at_once_do_no_harm(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=_embed_in_a_process, args=(tmp_path, start)) for start in (0, 150)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    values = [f"a{number}" for number in range(450)]
    embedded = embed_values(LetterEncoder(), values, store=tmp_path)
    assert embedded.report.n_encoded == 0
    assert embedded.vectors[:, 0].tolist() == [2.0] * 450


def test_a_store_that_is_a_file_is_a_clear_error(tmp_path):
    (tmp_path / "store").write_text("no folder")
    with pytest.raises(StoreError, match="store must be a folder"):
        embed_values(LetterEncoder(), VALUES, store=tmp_path / "store")


def test_find_gives_vectors_in_the_order_of_the_found_keys(tmp_path):
    store = SegmentStore(tmp_path, fingerprint="f", description={})
    keys = np.asarray([bytes([value]) * 32 for value in (9, 1, 5, 0)], dtype="S32")
    store.add(keys[:2], np.asarray([[9.0], [1.0]], dtype=np.float32))
    store.add(keys[3:], np.asarray([[0.0]], dtype=np.float32))
    found = store.find(keys)
    assert found.mask.tolist() == [True, True, False, True]
    assert found.vectors.tolist() == [[9.0], [1.0], [0.0]]


def test_warnings_are_stored_with_their_vector_and_covered_by_its_checksum(tmp_path):
    store = SegmentStore(tmp_path, fingerprint="f", description={})
    keys = np.asarray([bytes([value]) * 32 for value in (1, 2, 3)], dtype="S32")
    store.add(keys, np.eye(3, dtype=np.float32), warnings={1: ("rotated_by_exif",)})
    again = SegmentStore(tmp_path, fingerprint="f", description={})
    assert again.find(keys[::-1]).warnings == {1: ("rotated_by_exif",)}
    path = segment_of(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"rotated_by_exif", b"rotated_by_exit"))
    found = SegmentStore(tmp_path, fingerprint="f", description={}).find(keys)
    assert found.mask.tolist() == [True, False, True] and found.warnings == {}


def test_non_finite_embeddings_stop_the_run_and_are_not_stored(tmp_path):
    class NanEncoder(LetterEncoder):
        def forward(self, tensors):
            return tensors["counts"] * torch.nan

    with pytest.raises(FloatingPointError, match="not finite"):
        embed_values(NanEncoder(), ["a"], store=tmp_path)
    assert not list(tmp_path.glob("*/*.safetensors"))

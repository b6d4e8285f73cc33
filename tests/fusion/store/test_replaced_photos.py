"""A photo that is replaced during a run: every vector is that of the bytes it is kept for."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from encoders import ColourTextureEncoder, ResNetEncoder
from encoders.check import check_encoder
from fusion.store import embed, embed_values, keys

ENCODER = ColourTextureEncoder()
PHOTOS = 4


def png(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


CONTENTS = [png(seed) for seed in range(PHOTOS)]
OLD, NEW, OTHER = CONTENTS[:3]
BROKEN = OLD[:60]


@pytest.fixture
def meanwhile(monkeypatch):
    """Does something after all photos were hashed and before those of one call are decoded.

    No file is held in memory, as if there were more of them than there is room.
    """
    monkeypatch.setattr(keys, "HELD_BYTES", 0)
    acts = []
    encode = embed.encode_each

    def acting(*arguments, **options):
        if acts:
            acts.pop(0)()
        return encode(*arguments, **options)

    monkeypatch.setattr(embed, "encode_each", acting)
    return acts.append


@pytest.fixture(params=["store", "no store"])
def store(request, tmp_path):
    return tmp_path / "store" if request.param == "store" else None


def photo(folder, name, content):
    (folder / name).write_bytes(content)
    return folder / name


def vector(content, encoder=ENCODER):
    return encoder.encode([content])[0].tolist()


def assert_kept_right(store, contents=(OLD, NEW)):
    """Whatever is kept is the vector of the bytes themselves; a second run is right too."""
    if store is not None:
        again = embed_values(ENCODER, list(contents), store=store)
        assert again.vectors.tolist() == [vector(content) for content in contents]


def test_a_replaced_photo_has_the_vector_of_the_bytes_that_were_decoded(tmp_path, meanwhile, store):
    path = photo(tmp_path, "a.png", OLD)
    meanwhile(lambda: path.write_bytes(NEW))
    assert embed_values(ENCODER, [path], store=store).vectors.tolist() == [vector(NEW)]
    assert_kept_right(store)
    if store is not None:
        assert embed_values(ENCODER, [NEW], store=store).report.n_encoded == 0


def test_a_photo_that_is_held_is_not_read_again(tmp_path, meanwhile, monkeypatch, store):
    monkeypatch.setattr(keys, "HELD_BYTES", len(OLD))
    paths = [photo(tmp_path, "a.png", OLD), photo(tmp_path, "b.png", OTHER)]
    meanwhile(lambda: [path.write_bytes(NEW) for path in paths])
    embedded = embed_values(ENCODER, [*paths, OLD], store=store)
    assert embedded.vectors.tolist() == [vector(content) for content in (OLD, NEW, OLD)]
    assert_kept_right(store)


def test_its_copies_keep_the_vector_of_the_old_bytes(tmp_path, meanwhile, store):
    paths = [photo(tmp_path, name, OLD) for name in ("a.png", "b.png", "c.png")]
    meanwhile(lambda: paths[0].write_bytes(NEW))
    embedded = embed_values(ENCODER, [*paths, OLD, OTHER], store=store)
    wanted = [NEW, OLD, OLD, OLD, OTHER]
    assert embedded.vectors.tolist() == [vector(content) for content in wanted]
    assert (embedded.report.n_parts, embedded.report.n_encoded) == (5, 3)
    assert_kept_right(store)


def test_rows_of_one_path_have_the_vector_of_what_is_there_now(tmp_path, meanwhile, store):
    path = photo(tmp_path, "a.png", OLD)
    meanwhile(lambda: path.write_bytes(NEW))
    embedded = embed_values(ENCODER, [path, [path, OTHER], path], store=store)
    both = np.mean([vector(NEW), vector(OTHER)], axis=0, dtype=np.float32)
    assert embedded.vectors[[0, 2]].tolist() == [vector(NEW)] * 2
    assert np.allclose(embedded.vectors[1], both, atol=1e-6)
    assert embedded.report.n_encoded == 2
    assert_kept_right(store)


def test_a_photo_that_becomes_another_one_of_the_table_shares_its_vector(
    tmp_path, meanwhile, store
):
    paths = [photo(tmp_path, "a.png", OLD), photo(tmp_path, "b.png", NEW)]
    meanwhile(lambda: [paths[0].write_bytes(NEW), paths[1].write_bytes(OLD)])
    embedded = embed_values(ENCODER, paths, store=store)
    assert embedded.vectors.tolist() == [vector(NEW), vector(OLD)]
    assert_kept_right(store)


def test_replaced_and_put_back_between_two_looks_changes_nothing(tmp_path, meanwhile, store):
    paths = [photo(tmp_path, name, OLD) for name in ("a.png", "b.png")]
    meanwhile(lambda: paths[0].write_bytes(NEW))
    meanwhile(lambda: paths[0].write_bytes(OLD))
    embedded = embed_values(ENCODER, paths, store=store)
    assert embedded.vectors.tolist() == [vector(NEW), vector(OLD)]
    assert_kept_right(store)


def test_a_photo_that_vanishes_fails_alone(tmp_path, meanwhile, store):
    paths = [photo(tmp_path, name, OLD) for name in ("a.png", "b.png")]
    meanwhile(paths[0].unlink)
    embedded = embed_values(ENCODER, paths, store=store)
    assert {row: error.code for row, error in embedded.failures.items()} == {0: "missing"}
    assert embedded.vectors.tolist() == [[0.0] * ENCODER.embedding_dim, vector(OLD)]
    assert_kept_right(store)


def test_a_photo_that_is_replaced_by_a_broken_one_fails_alone(tmp_path, meanwhile, store):
    paths = [photo(tmp_path, name, OLD) for name in ("a.png", "b.png")]
    meanwhile(lambda: paths[0].write_bytes(BROKEN))
    embedded = embed_values(ENCODER, paths, store=store)
    assert list(embedded.failures) == [0] and embedded.present.tolist() == [False, True]
    assert embedded.vectors[1].tolist() == vector(OLD)
    assert_kept_right(store)


def test_a_broken_photo_that_is_mended_meanwhile_is_embedded_and_its_copies_fail(
    tmp_path, meanwhile, store
):
    paths = [photo(tmp_path, name, BROKEN) for name in ("a.png", "b.png", "c.png")]
    meanwhile(lambda: paths[0].write_bytes(NEW))
    embedded = embed_values(ENCODER, paths, store=store)
    assert list(embedded.failures) == [1, 2]
    assert embedded.vectors[0].tolist() == vector(NEW)
    assert_kept_right(store)


def test_what_is_odd_about_a_photo_stays_with_its_bytes(tmp_path, meanwhile, store):
    file = io.BytesIO()
    Image.new("CMYK", (8, 8)).save(file, "JPEG")
    odd = file.getvalue()
    paths = [photo(tmp_path, name, OLD) for name in ("a.png", "b.png")]
    meanwhile(lambda: paths[0].write_bytes(odd))
    embedded = embed_values(ENCODER, paths, store=store)
    assert embedded.warnings == {0: ("converted_from_cmyk",)}
    again = embed_values(ENCODER, [OLD, odd], store=store)
    assert again.warnings == {1: ("converted_from_cmyk",)}


@pytest.mark.parametrize("batch_multiple", [1, 16])
def test_whole_batches_of_a_network_are_right_when_some_photos_are_replaced(
    tmp_path, meanwhile, batch_multiple
):
    encoder = ResNetEncoder.tiny()
    paths = [photo(tmp_path, f"{n}.png", CONTENTS[n % 2]) for n in range(5)]
    meanwhile(lambda: [paths[0].write_bytes(NEW), paths[1].write_bytes(OTHER)])
    embedded = embed_values(encoder, paths, store=tmp_path / "s", batch_multiple=batch_multiple)
    wanted = [NEW, OTHER, OLD, NEW, OLD]
    expected = encoder.encode(wanted)
    assert np.allclose(embedded.vectors, expected, atol=1e-5)
    again = embed_values(encoder, [OLD, NEW, OTHER], store=tmp_path / "s")
    assert np.allclose(again.vectors, encoder.encode([OLD, NEW, OTHER]), atol=1e-5)
    assert again.report.n_encoded == 0


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_a_row_has_a_vector_of_what_its_photo_was(
    tmp_path, meanwhile, monkeypatch, seed
):
    monkeypatch.setattr(embed, "COMMIT_PARTS", 2)
    rng = np.random.default_rng(seed)
    known = [vector(content) for content in CONTENTS]
    paths = [photo(tmp_path, f"{n}.png", CONTENTS[rng.integers(PHOTOS)]) for n in range(6)]
    held = {path: {path.read_bytes()} for path in paths}

    def shuffle():
        for path in paths:
            content = CONTENTS[rng.integers(PHOTOS)]
            if rng.random() < 0.5:
                path.write_bytes(content)
                held[path].add(content)

    for _ in range(12):
        meanwhile(shuffle)
    rows = [paths[n] for n in rng.integers(6, size=14)]
    embedded = embed_values(ENCODER, rows, store=tmp_path / "store")
    assert not embedded.failures
    for path, got in zip(rows, embedded.vectors.tolist(), strict=True):
        assert CONTENTS[known.index(got)] in held[path]
    assert_kept_right(tmp_path / "store", CONTENTS)


def test_an_encoder_that_does_not_say_which_bytes_it_read_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(keys, "HELD_BYTES", 0)

    class Silent(ColourTextureEncoder):
        def read(self, parts):
            return super().read([part.read_bytes() for part in parts])

    path = photo(tmp_path, "a.png", OLD)
    with pytest.raises(TypeError, match="read must give sha256"):
        embed_values(Silent(), [path], store=tmp_path / "store")
    with pytest.raises(AssertionError, match="read must give sha256"):
        check_encoder(Silent(), [path, Path(path), path])


def test_encoders_of_photos_say_which_bytes_they_read(tmp_path):
    paths = [photo(tmp_path, f"{n}.png", content) for n, content in enumerate(CONTENTS)]
    for encoder in (ENCODER, ResNetEncoder.tiny()):
        check_encoder(encoder, paths)

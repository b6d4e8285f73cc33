"""`normalize`: what is written has length 1, what is searched by inner products is the cosine."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fusion.cli import app
from fusion.shards import job_status, read_embeddings
from fusion.shards.embedder import Embedder
from fusion.shards.unit_length import unit_vectors, zero_vectors

PAGE = Path(__file__).parents[3] / "docs" / "embedding.md"
RECIPE = PAGE.read_text(encoding="utf-8").split("<!-- faiss -->\n```\n")[1].split("```")[0]
ROWS = 40


@pytest.fixture
def job(photo_job, tmp_path):
    return photo_job(tmp_path, rows=ROWS, shard_rows=16, missing=[3])


@pytest.fixture
def raw(job, tmp_path):
    job.run(tmp_path / "raw")
    return read_embeddings(tmp_path / "raw", "image").vectors


def normalised(job, folder, **changes):
    settings = replace(job.settings, normalize=True, **changes)
    replace(job, settings=settings).run(folder)
    return read_embeddings(folder, "image").vectors


def best_by_cosine(vectors):
    """For each vector the other one of the largest cosine: one pair after the other, in float64."""
    best = []
    for one, left in enumerate(vectors.astype(np.float64)):
        cosines = [
            -2.0 if other == one else left @ right / np.linalg.norm(left) / np.linalg.norm(right)
            for other, right in enumerate(vectors.astype(np.float64))
        ]
        best.append(int(np.argmax(cosines)))
    return np.array(best)


def best_by_inner_product(vectors):
    products = vectors @ vectors.T
    np.fill_diagonal(products, -np.inf)
    return products.argmax(axis=1)


def test_written_vectors_have_length_one_and_their_own_direction(job, raw, tmp_path):
    unit = normalised(job, tmp_path / "unit")
    assert unit.shape == raw.shape == (ROWS - 1, 84) and unit.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)
    lengths = np.linalg.norm(raw, axis=1, keepdims=True)
    assert lengths.min() > 2  # or there was nothing to do
    np.testing.assert_allclose(unit * lengths, raw, rtol=1e-5, atol=1e-6)


def test_half_precision_rounds_vectors_of_length_one(job, tmp_path):
    unit = normalised(job, tmp_path / "unit")
    half = normalised(job, tmp_path / "half", dtype="float16")
    assert half.dtype == np.float16
    np.testing.assert_array_equal(half, unit.astype(np.float16))
    np.testing.assert_allclose(np.linalg.norm(half.astype(np.float32), axis=1), 1, atol=1e-3)


def test_the_best_by_inner_product_is_the_best_by_cosine(job, raw, tmp_path):
    truth = best_by_cosine(raw)
    assert (best_by_inner_product(raw) == truth).mean() < 0.9  # what the recipe did before
    unit = normalised(job, tmp_path / "unit")
    assert (best_by_inner_product(unit) == truth).all()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_recipe_with_faiss_finds_the_best_by_cosine(job, raw, tmp_path, dtype):
    pytest.importorskip("faiss")
    normalised(job, tmp_path / "unit", dtype=dtype)
    names = {"found": read_embeddings(tmp_path / "unit", "image")}
    exec(RECIPE, names)
    rows = np.arange(len(raw))
    others = np.where(names["places"][:, 0] == rows, names["places"][:, 1], names["places"][:, 0])
    assert (others == best_by_cosine(raw)).mean() >= (1 if dtype == "float32" else 0.9)


def test_a_vector_of_zeros_stays_and_is_named(job, tmp_path, monkeypatch):
    original = Embedder.vectors

    def vectors(self, prepared, rows):
        found = original(self, prepared, rows)
        found["image"][0] = 0
        return found

    monkeypatch.setattr(Embedder, "vectors", vectors)
    unit = normalised(job, tmp_path / "unit")
    lengths = np.linalg.norm(unit, axis=1)
    assert (lengths == 0).sum() == 3  # one a shard
    np.testing.assert_allclose(lengths[lengths > 0], 1, atol=1e-6)
    assert job_status(tmp_path / "unit").warnings == {"image:zero_vector": 3}


def test_only_rows_that_are_there_are_named_as_zeros():
    vectors = np.array([[1, 1], [0, 0], [0, 0]], dtype=np.float32)
    there = np.array([True, True, False])
    assert list(zero_vectors("text", vectors, there)) == [(1, "text:zero_vector")]
    np.testing.assert_allclose(unit_vectors(vectors)[0], np.sqrt(0.5), rtol=1e-6)
    assert not unit_vectors(vectors)[1:].any()


@pytest.mark.parametrize("size", [1e-44, 1e-30, 1.0, 1e30])
def test_numbers_whose_squares_leave_float32_keep_their_direction(size):
    unit = unit_vectors(np.array([[size, size]], dtype=np.float32))
    np.testing.assert_allclose(unit, np.sqrt(0.5), rtol=1e-6)


def test_a_store_keeps_the_vectors_as_the_encoder_gave_them(job, raw, tmp_path):
    stored = replace(job, paths=replace(job.paths, store=tmp_path / "store"))
    unit = normalised(stored, tmp_path / "unit")
    stored.run(tmp_path / "again")
    np.testing.assert_array_equal(read_embeddings(tmp_path / "again", "image").vectors, raw)
    np.testing.assert_array_equal(normalised(stored, tmp_path / "unit again"), unit)


def test_the_command_line_has_the_switch(job, raw, tmp_path):
    out = tmp_path / "out"
    arguments = ["embed", "--items", str(job.paths.items), "--photos", str(job.paths.photos)]
    arguments += ["--encoder", "image=colour_texture", "--workers", "0", "--out", str(out)]
    result = CliRunner().invoke(app, [*arguments, "--normalize", "--quiet"])
    assert result.exit_code == 0, result.output
    np.testing.assert_allclose(
        read_embeddings(out, "image").vectors, unit_vectors(raw), rtol=1e-5, atol=1e-6
    )

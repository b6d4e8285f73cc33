import numpy as np

from fusion.tuning.align import Alignment


def vectors(n=300, dim=8):
    return np.random.default_rng(0).normal(size=(n, dim)).astype(np.float32)


def test_a_space_that_was_turned_stretched_and_moved_is_brought_back():
    source = vectors()
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0] * 1.7
    target = (source @ turn + 3.0).astype(np.float32)
    align = Alignment(source[:200], target[:200])
    np.testing.assert_allclose(align(source[200:]), target[200:], atol=0.02)
    assert align(source).dtype == np.float32


def test_equal_spaces_stay_as_they_are():
    source = vectors()
    np.testing.assert_allclose(Alignment(source, source)(source), source, atol=1e-5)


def test_directions_that_no_row_knows_stay_as_they_are():
    source = vectors()
    source[:, 5:] = 0.0
    align = Alignment(source, 2 * source)
    probe = np.zeros((1, 8), dtype=np.float32)
    probe[0, 6] = 1.0
    moved = align(probe) - align(np.zeros((1, 8), dtype=np.float32))
    np.testing.assert_allclose(moved, probe, atol=1e-3)


def test_fewer_rows_than_dimensions_give_a_finite_map():
    source = vectors(3)
    assert np.isfinite(Alignment(source, source + 1)(source)).all()

"""Histories are the same after a round trip, and a strange file is refused."""

from dataclasses import fields, replace

import numpy as np
import pytest
from safetensors.numpy import load, save

from encoders.blocks import Block
from fusion.data.panel.launches import NO_LAUNCH
from fusion.errors import BundleError
from fusion.forecasting.kept import Kept, KeptAnswers, blocks_alone
from fusion.forecasting.saved.folder import load_forecast, save_forecast

FILE = "histories.safetensors"


@pytest.fixture(scope="module")
def keeping(noted, every_member):
    """A small forecast that keeps the sales, content and made-up answers of the larger one."""
    trained, (_, examples) = noted("old"), every_member
    n, head = 30, trained.model.head
    draw = np.random.default_rng(0)
    answers = draw.random((n, *head.target_shape, head.raw_dim)).astype(np.float32)
    out_of_fold = KeptAnswers(
        examples.windows.series[:n],
        examples.as_of[:n],
        {"classical": answers.astype(np.float64)},
        {"classical": draw.random(n) < 0.5},
    )
    panel = examples.panel
    kept = Kept(
        panel,
        np.full(panel.n_series, NO_LAUNCH),
        blocks_alone(examples.content, len(examples.content)),
        examples.content_rows,
        learned_until=panel.end - 1,
        out_of_fold=out_of_fold,
        seed=3,
    )
    return replace(trained, kept=kept)


def test_kept_histories_are_the_same_after_a_round_trip(keeping, tmp_path):
    save_forecast(keeping, tmp_path / "forecast")
    found, wanted = load_forecast(tmp_path / "forecast").kept, keeping.kept
    for field in fields(wanted.panel):
        one, other = getattr(found.panel, field.name), getattr(wanted.panel, field.name)
        if isinstance(other, dict):
            assert one.keys() == other.keys()
            for name in other:
                np.testing.assert_array_equal(one[name], other[name])
        elif isinstance(other, np.ndarray):
            np.testing.assert_array_equal(one, other)
        else:
            assert one == other
    for name, block in wanted.content.blocks.items():
        other = found.content.blocks[name]
        assert (other.name, other.kind, other.n_levels) == (block.name, block.kind, block.n_levels)
        np.testing.assert_array_equal(other.values, block.values)
        assert isinstance(other, Block)
    np.testing.assert_array_equal(found.rows, wanted.rows)
    np.testing.assert_array_equal(found.out_of_fold.as_of, wanted.out_of_fold.as_of)
    for name in ("answers", "knows"):
        own, other = getattr(found.out_of_fold, name), getattr(wanted.out_of_fold, name)
        np.testing.assert_array_equal(own["classical"], other["classical"])
    assert (found.learned_until, found.seed) == (wanted.learned_until, 3)


DAMAGE = {
    "units that are infinite": ("panel.units", lambda one: one + np.float32(np.inf)),
    "series that end elsewhere": ("panel.offsets", lambda one: one * 0),
    "rows of items that are not there": ("rows", lambda one: one + 1000),
    "answers that are unknown": ("out_of_fold.answers.classical", lambda one: one * np.nan),
    "an array of another length": ("panel.given", lambda one: one[:-1]),
    "an array that is missing": ("launches", None),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_strange_histories_are_refused(keeping, write_weights, tmp_path, name):
    place = tmp_path / "forecast"
    save_forecast(keeping, place)
    tensors = load((place / FILE).read_bytes())
    which, change = DAMAGE[name]
    if change is None:
        del tensors[which]
    else:
        tensors[which] = np.ascontiguousarray(change(tensors[which]))
    write_weights(place, save(tensors), FILE)
    with pytest.raises(BundleError, match=r"histories\.safetensors"):
        load_forecast(place)

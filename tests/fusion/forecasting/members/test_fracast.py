"""The pretrained forecaster: what it is asked, what it may not be asked, and its absence."""

import importlib.util

import numpy as np
import pytest

from fusion.errors import MissingExtraError
from fusion.forecasting.examples import past_examples
from fusion.forecasting.members import fracast as member_file
from fusion.forecasting.members.base import PathTraining
from fusion.forecasting.members.example import HORIZON, example_panel
from fusion.forecasting.members.fracast import FracastMember
from heads.sales_path import SalesPathHead

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("fracast") is None, reason="needs the extra fracast"
)


@pytest.fixture(scope="module")
def asked():
    panel = example_panel()
    examples = past_examples(panel, horizon=HORIZON, until=panel.end)
    rows = np.flatnonzero(examples.as_of == panel.end - HORIZON)
    return examples.take(rows)


@pytest.fixture(scope="module")
def fitted(asked):
    member = FracastMember.tiny()
    targets, levels = asked.paths(), asked.levels()
    head = SalesPathHead.fitted(targets)
    training = PathTraining(targets, levels / levels.mean())
    member.fit(asked, head=head, training=training, seed=0)
    return member, head


@needs_package
def test_quantiles_are_ordered_around_the_recent_level(fitted, asked):
    member, head = fitted
    raw = member.raw(asked)
    assert raw.shape == (len(asked), HORIZON + 1, head.raw_dim)
    assert np.isfinite(raw).all() and (np.diff(raw[..., 1:], axis=-1) >= -1e-9).all()
    known = member.knows(asked)
    assert 0.5 < raw[known, :-1, 1 + head.middle].mean() < 1.5


@needs_package
def test_eight_known_periods_are_needed(fitted, asked):
    member, _ = fitted
    counts = np.isfinite(asked.windows.past("units", 60)).sum(axis=1)
    assert member.knows(asked).tolist() == (counts >= 8).tolist()
    assert 0 < member.knows(asked).sum() < len(asked)


@needs_package
def test_a_row_does_not_depend_on_the_others_and_a_round_trip_keeps_answers(fitted, asked):
    member, head = fitted
    again = FracastMember(**member.config)
    again.load_state(member.state(), head=head)
    row = int(np.argmax(asked.windows.lengths))
    alone = again.raw(asked.take(np.array([row])))
    np.testing.assert_allclose(alone, member.raw(asked)[[row]], atol=1e-3)


@needs_package
def test_a_horizon_beyond_its_steps_is_refused_before_work(asked):
    head = SalesPathHead(horizon=49)
    training = PathTraining(asked.paths(), np.ones(len(asked)))
    with pytest.raises(ValueError, match="horizon must be at most 48 for fracast, got 49"):
        FracastMember().fit(asked, head=head, training=training, seed=0)


@needs_package
def test_other_weights_are_refused(monkeypatch):
    monkeypatch.setattr(member_file, "SHA256", "0" * 64)
    with pytest.raises(ValueError, match="SHA-256 of the weights of fracast must be 000"):
        member_file.loaded.__wrapped__()


def test_without_the_package_one_sentence_tells_how_to_install_it(monkeypatch):
    monkeypatch.setattr(member_file, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"fracast is not installed.*\[fracast\]"):
        FracastMember()

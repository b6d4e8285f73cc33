"""Chronos by a folder: what is refused at once; and, with weights drawn at random, its answers."""

import importlib.util

import numpy as np
import pytest

from fusion.forecasting.examples import past_examples
from fusion.forecasting.members import chronos as member_file
from fusion.forecasting.members.base import PathTraining
from fusion.forecasting.members.chronos import ChronosMember
from fusion.forecasting.members.example import HORIZON, example_panel
from heads.sales_path import SalesPathHead


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(member_file, "find_spec", lambda name: object())


def test_without_the_package_one_sentence_tells_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setattr(member_file, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="Run: pip install chronos-forecasting"):
        ChronosMember(folder=str(tmp_path))


def test_a_folder_without_weights_is_refused_at_once(installed, tmp_path):
    with pytest.raises(ValueError, match=r"folder must hold model\.safetensors"):
        ChronosMember(folder=str(tmp_path))


def test_other_weights_than_it_was_fitted_with_are_refused(installed, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"one")
    config = ChronosMember(folder=str(tmp_path)).config
    assert ChronosMember(**config).config == config
    (tmp_path / "model.safetensors").write_bytes(b"other")
    with pytest.raises(ValueError, match="must have the SHA-256"):
        ChronosMember(**config)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("chronos") is None, reason="needs chronos-forecasting")
def test_chronos_bolt_of_random_weights_answers_and_comes_back(tmp_path):
    from chronos.chronos_bolt import ChronosBoltModelForForecasting
    from transformers import T5Config

    chronos_config = {
        "context_length": 64,
        "prediction_length": 8,
        "input_patch_size": 8,
        "input_patch_stride": 8,
        "quantiles": [place / 10 for place in range(1, 10)],
        "use_reg_token": True,
    }
    config = T5Config(
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_heads=2,
        vocab_size=2,
        feed_forward_proj="relu",
        reg_token_id=1,
        pad_token_id=0,
        decoder_start_token_id=0,
        chronos_pipeline_class="ChronosBoltPipeline",
        chronos_config=chronos_config,
        architectures=["ChronosBoltModelForForecasting"],
    )
    ChronosBoltModelForForecasting(config).save_pretrained(tmp_path)
    panel = example_panel()
    examples = past_examples(panel, horizon=HORIZON, until=panel.end)
    examples = examples.take(np.flatnonzero(examples.as_of == panel.end - HORIZON))
    head = SalesPathHead.fitted(examples.paths())
    training = PathTraining(examples.paths(), np.ones(len(examples)))
    member = ChronosMember(folder=str(tmp_path))
    member.fit(examples, head=head, training=training, seed=0)
    raw = member.raw(examples)
    assert raw.shape == (len(examples), HORIZON + 1, head.raw_dim)
    assert np.isfinite(raw).all() and (np.diff(raw[..., 1:], axis=-1) >= -1e-9).all()
    again = ChronosMember(**member.config)
    again.load_state(member.state(), head=head)
    np.testing.assert_allclose(again.raw(examples.take(np.array([3]))), raw[[3]], atol=1e-3)

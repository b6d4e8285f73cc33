import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from encoders import BertEncoder
from fusion.data.folds import DRAWN, Validation
from fusion.model import ProductModel
from fusion.strategies import ConcatFusion
from fusion.tuning import TuningSettings, crossfit
from fusion.tuning.crossfit import CrossFit, TuningData
from fusion.tuning.tune import TuningRun
from heads import RegressionHead

N = 160


def made_up(units):
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(list("abcdefghijklmnop"), size=6)) for _ in range(N)]
    return TuningData({"text": texts}, {"text": torch.ones(N, dtype=torch.bool)}, {"y": units})


def cross_fit(settings, units, **options):
    def build(encoders):
        fusion = ConcatFusion({"text": 32}, width=16, n_members=1, dropout=0.0)
        head = RegressionHead.fitted(units, in_dim=fusion.fused_dim)
        return ProductModel(encoders, fusion=fusion, heads={"y": head})

    return CrossFit({"text": BertEncoder.tiny()}, build, settings, **options)


def noise():
    return np.random.default_rng(1).normal(50, 10, N)


def test_a_tuning_that_learned_nothing_says_so():
    nothing, something = TuningRun([1.3], [1.2], 1, 8), TuningRun([0.9], [0.8], 1, 8)
    said = crossfit.statement(2, TuningSettings(folds=2), [nothing, nothing])
    assert "No tuning was better than a constant answer" in said
    assert "No tuning" not in crossfit.statement(2, TuningSettings(folds=2), [nothing, something])


@pytest.fixture
def learned(monkeypatch):
    """(rows learned from, rows held out) of every tuning, in order."""
    calls, tune = [], crossfit.tune_model

    def spy(model, inputs, targets, *, rows, **options):
        calls.append(rows)
        return tune(model, inputs, targets, rows=rows, **options)

    monkeypatch.setattr(crossfit, "tune_model", spy)
    return calls


def test_no_row_is_embedded_for_the_head_by_an_encoder_that_was_tuned_on_it(learned):
    units = noise()
    cross = cross_fit(TuningSettings(folds=4, epochs=1), units)
    cross.run(made_up(units), validation=DRAWN, share=0.1)
    *parts, last = learned
    assert all(not set(rows) & set(part) for rows, part in parts)
    assert sorted(np.concatenate([part for _, part in parts])) == list(range(N))
    assert len(last[0]) == N and len(last[1]) == 0


def test_a_head_reads_cross_fitted_embeddings_as_those_of_new_items():
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(list("abcdefghijklmnop"), size=6)) for _ in range(N)]
    units = np.array([10.0 + 5 * text.count("a") + 3 * text.count("b") for text in texts])
    data = TuningData({"text": texts}, {"text": torch.ones(N, dtype=torch.bool)}, {"y": units})
    settings = TuningSettings(mode="full", folds=2, epochs=4, learning_rate=1e-3, batch_size=8)
    tuned = cross_fit(settings, units).run(data, validation=DRAWN, share=0.1)
    head = Ridge(alpha=0.01).fit(tuned.learned_from["text"].numpy(), units)
    assert r2_score(units, head.predict(tuned.embedded["text"].numpy())) > 0.5


@pytest.mark.parametrize("folds", [1, 3])
def test_the_tuning_says_what_the_head_has_learned_from(folds):
    units = noise()
    settings = TuningSettings(mode="last_layers", folds=folds, epochs=1)
    tuned = cross_fit(settings, units).run(made_up(units), validation=DRAWN, share=0.1)
    words = "rows that the encoders were tuned on" if folds == 1 else "the other 2 of 3 parts"
    assert words in tuned.statement
    assert len(tuned.runs) == (1 if folds == 1 else 4)
    assert torch.equal(tuned.learned_from["text"], tuned.embedded["text"]) == (folds == 1)
    assert not tuned.encoders["text"].trains


def test_rows_that_are_given_for_early_stopping_are_never_tuned_on(learned):
    given, units = np.arange(20), noise()
    for folds in (1, 2):
        cross_fit(TuningSettings(folds=folds, epochs=1), units).run(
            made_up(units), validation=Validation(rows=given), share=0.1
        )
    assert len(learned) == 4
    assert not any(set(rows) & set(given) for rows, _ in learned)


def test_groups_stay_in_one_part(learned):
    groups, units = np.repeat(np.arange(40), 4), noise()
    cross_fit(TuningSettings(folds=2, epochs=1), units).run(
        made_up(units), validation=Validation(groups=groups), share=0.1
    )
    assert all(not set(groups[rows]) & set(groups[part]) for rows, part in learned)


def test_tuned_embeddings_are_kept_and_the_encoders_stay_as_they_were(tmp_path):
    units = noise()
    cross = cross_fit(
        TuningSettings(folds=2, epochs=1), units, store=tmp_path / "store", folder=tmp_path / "run"
    )
    before = cross.encoders["text"].fingerprint
    tuned = cross.run(made_up(units), validation=DRAWN, share=0.1)
    assert cross.encoders["text"].fingerprint == before
    kept = {path.name for path in (tmp_path / "store").iterdir() if path.is_dir()}
    assert tuned.encoders["text"].fingerprint in kept and len(kept) == 3
    again = cross.run(made_up(units), validation=DRAWN, share=0.1)
    assert torch.equal(again.learned_from["text"], tuned.learned_from["text"])


def test_encoders_that_compute_in_bfloat16_are_tuned_from_unrounded_weights():
    units = noise()
    cross = cross_fit(TuningSettings(mode="last_layers", layers=1, folds=1, epochs=1), units)
    exact = BertEncoder.tiny()
    cross.encoders = {"text": BertEncoder(**{**exact.config, "dtype": "bfloat16"})}
    tuned = cross.run(made_up(units), validation=DRAWN, share=0.1).encoders["text"]
    weights, unrounded = tuned.state_dict(), exact.state_dict()
    frozen = [name for name in unrounded if name not in tuned.tuned_names]
    assert frozen and all(torch.equal(weights[name], unrounded[name]) for name in frozen)

import gc
import weakref

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from encoders import BertEncoder, ResNetEncoder
from fusion.choices.build import build_decoders, own_encoder
from fusion.data.folds import DRAWN, RowOptions
from fusion.errors import ConfigError, JobError
from fusion.network import FusionNetwork
from fusion.strategies import ConcatFusion
from fusion.tuning import TuningSettings, crossfit
from fusion.tuning.crossfit import CrossFit, TuningData
from fusion.tuning.states import TuningRun
from heads import RegressionHead

N = 48


def made_up(units):
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(list("abcdefghijklmnop"), size=6)) for _ in range(N)]
    return TuningData({"text": texts}, {"text": torch.ones(N, dtype=torch.bool)}, {"y": units})


def model_of(encoders, fusion, units):
    heads = {"y": RegressionHead.fitted(units)}
    decoders = build_decoders(heads, fused_dim=fusion.fused_dim)
    return FusionNetwork(encoders, fusion=fusion, heads=heads, decoders=decoders)


def cross_fit(settings, units, **options):
    def build(encoders):
        fusion = ConcatFusion({"text": 32}, width=16, n_networks=1, dropout=0.0)
        return model_of(encoders, fusion, units)

    return CrossFit({"text": BertEncoder.tiny()}, build, settings, **options)


def photo_cross_fit(encoder, settings, units):
    def build(encoders):
        own = {name: own_encoder(encoder) for name, encoder in encoders.items()}
        fusion = ConcatFusion({"image": encoder.embedding_dim}, width=16, n_networks=1)
        return model_of(own, fusion, units)

    return CrossFit({"image": encoder}, build, settings)


def noise():
    return np.random.default_rng(1).normal(50, 10, N)


def test_a_tuning_that_learned_nothing_says_so():
    nothing, something = TuningRun([1.3], [1.2], 1, 8), TuningRun([0.9], [0.8], 1, 8)
    said = crossfit.describe_tuning(2, TuningSettings(folds=2), [nothing, nothing])
    assert "No tuning was better than a constant answer" in said
    assert "No tuning" not in crossfit.describe_tuning(
        2, TuningSettings(folds=2), [nothing, something]
    )


@pytest.fixture
def learned(monkeypatch):
    """(rows learned from, rows held out) of every tuning, in order."""
    calls, tune = [], crossfit.tune_model

    def spy(model, rows, **options):
        calls.append((rows.learn, rows.validation))
        return tune(model, rows, **options)

    monkeypatch.setattr(crossfit, "tune_model", spy)
    return calls


def test_no_row_is_embedded_for_the_head_by_an_encoder_that_was_tuned_on_it(learned):
    units = noise()
    cross = cross_fit(TuningSettings(folds=4, epochs=1), units)
    cross.run(made_up(units), options=DRAWN, share=0.1)
    *parts, last = learned
    assert all(not set(rows) & set(part) for rows, part in parts)
    assert sorted(np.concatenate([part for _, part in parts])) == list(range(N))
    assert len(last[0]) == N and len(last[1]) == 0


def test_each_part_is_embedded_by_the_encoder_that_was_tuned_without_it(learned, monkeypatch):
    units, embedded = noise(), []
    monkeypatch.setattr(crossfit, "Alignment", lambda source, target: lambda vectors: vectors)
    embed = crossfit.embed_values

    def spy(encoder, values, **options):
        found = embed(encoder, values, **options)
        embedded.append(torch.from_numpy(found.vectors).clone())
        return found

    monkeypatch.setattr(crossfit, "embed_values", spy)
    settings = TuningSettings(mode="full", folds=3, epochs=1, learning_rate=1e-2)
    tuned = cross_fit(settings, units).run(made_up(units), options=DRAWN, share=0.1)
    *others, last = embedded
    assert torch.equal(tuned.embedded["text"], last)
    for (_, part), vectors in zip(learned[:3], others, strict=True):
        assert torch.equal(tuned.learned_from["text"][part], vectors[part])
        assert not torch.allclose(vectors[part], last[part], atol=1e-3)


def test_encoders_of_one_part_alone_are_held_at_a_time(monkeypatch):
    units, tuned, alive = noise(), [], []
    tune = crossfit.tune_model

    def spy(model, *arguments, **options):
        gc.collect()
        alive.append(sum(encoder() is not None for encoder in tuned))
        run = tune(model, *arguments, **options)
        tuned.append(weakref.ref(model.encoder("text")))
        return run

    frozen_copy = BertEncoder.frozen_copy

    def watched(encoder):
        copy = frozen_copy(encoder)
        tuned.append(weakref.ref(copy))
        return copy

    monkeypatch.setattr(crossfit, "tune_model", spy)
    monkeypatch.setattr(BertEncoder, "frozen_copy", watched)
    cross_fit(TuningSettings(folds=3, epochs=1), units).run(
        made_up(units), options=DRAWN, share=0.1
    )
    assert len(tuned) == 8 and alive == [0, 0, 0, 0]


def test_rows_without_a_text_do_not_bend_the_space_of_the_others(monkeypatch):
    units, rows = noise(), []
    align = crossfit.Alignment

    def spy(source, target):
        rows.append(source)
        return align(source, target)

    monkeypatch.setattr(crossfit, "Alignment", spy)
    data = made_up(units)
    for row in range(0, N, 4):
        data.values["text"][row] = None
        data.present["text"][row] = False
    cross = cross_fit(TuningSettings(folds=2, epochs=1), units)
    tuned = cross.run(data, options=DRAWN, share=0.1)
    assert len(rows) == 2
    assert all((np.abs(source).sum(axis=1) > 0).all() for source in rows)
    assert (tuned.learned_from["text"][::4] == 0).all()


def test_rows_of_a_single_group_cannot_be_cut_into_parts():
    units, groups = noise(), np.zeros(N)
    with pytest.raises(ConfigError, match=r"at least two groups.*Set folds=1"):
        cross_fit(TuningSettings(folds=4), units).run(
            made_up(units), options=RowOptions(groups=groups), share=0.1
        )


def test_early_stopping_on_every_row_leaves_rows_to_learn_from(learned):
    units = noise()
    cross_fit(TuningSettings(folds=1, epochs=1), units).run(
        made_up(units), options=RowOptions(validation=np.arange(N)), share=0.1
    )
    assert [len(part) for part in learned[0]] == [43, 5]


def test_a_photo_that_is_gone_after_tuning_stops_the_run(tmp_path, monkeypatch):
    photos = []
    for i in range(24):
        photos.append([tmp_path / f"{i}.png"])
        Image.new("RGB", (40, 40), (10 * i, 90, 90)).save(photos[i][0])
    units = noise()[:24]
    data = TuningData({"image": photos}, {"image": torch.ones(24, dtype=torch.bool)}, {"y": units})

    tune = crossfit.tune_model

    def and_lose_one(*arguments, **options):
        run = tune(*arguments, **options)
        photos[5][0].unlink()
        return run

    monkeypatch.setattr(crossfit, "tune_model", and_lose_one)
    settings = TuningSettings(mode="last_layers", layers=1, folds=1, epochs=1, batch_size=8)
    cross = photo_cross_fit(ResNetEncoder.tiny(), settings, units)
    with pytest.raises(JobError, match=r"image must still be readable.*1 of the rows.*5\.png"):
        cross.run(data, options=DRAWN, share=0.2)


def test_weights_that_no_checkpoint_holds_are_tuned_as_they_are(monkeypatch):
    units, begun = noise()[:24], []
    photos = [[Image.new("RGB", (40, 40), (10 * i, 90, 90))] for i in range(24)]
    data = TuningData({"image": photos}, {"image": torch.ones(24, dtype=torch.bool)}, {"y": units})
    random = ResNetEncoder("resnet18", weights=None)
    assert random.origin is None

    def spy(model, *arguments, **options):
        begun.append({k: v.clone() for k, v in model.encoder("image").state_dict().items()})
        return TuningRun([1.0], [1.0], 1, 8)

    monkeypatch.setattr(crossfit, "tune_model", spy)
    settings = TuningSettings(mode="full", folds=1, epochs=1)
    photo_cross_fit(random, settings, units).run(data, options=DRAWN, share=0.2)
    assert all(torch.equal(begun[0][name], tensor) for name, tensor in random.state_dict().items())


def test_a_head_reads_cross_fitted_embeddings_as_those_of_new_items():
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(list("abcdefghijklmnop"), size=6)) for _ in range(160)]
    units = np.array([10.0 + 5 * text.count("a") + 3 * text.count("b") for text in texts])
    data = TuningData({"text": texts}, {"text": torch.ones(160, dtype=torch.bool)}, {"y": units})
    settings = TuningSettings(mode="full", folds=2, epochs=4, learning_rate=1e-3, batch_size=8)
    tuned = cross_fit(settings, units).run(data, options=DRAWN, share=0.1)
    head = Ridge(alpha=0.01).fit(tuned.learned_from["text"].numpy(), units)
    assert r2_score(units, head.predict(tuned.embedded["text"].numpy())) > 0.5


@pytest.mark.parametrize("folds", [1, 3])
def test_the_tuning_says_what_the_head_has_learned_from(folds):
    units = noise()
    settings = TuningSettings(mode="last_layers", folds=folds, epochs=1)
    tuned = cross_fit(settings, units).run(made_up(units), options=DRAWN, share=0.1)
    words = "rows that the encoders were tuned on" if folds == 1 else "the other 2 of 3 parts"
    assert words in tuned.description
    assert len(tuned.runs) == (1 if folds == 1 else 4)
    assert torch.equal(tuned.learned_from["text"], tuned.embedded["text"]) == (folds == 1)
    assert not tuned.encoders["text"].is_trainable


def test_rows_that_are_given_for_early_stopping_are_never_tuned_on(learned):
    given, units = np.arange(20), noise()
    for folds in (1, 2):
        cross_fit(TuningSettings(folds=folds, epochs=1), units).run(
            made_up(units), options=RowOptions(validation=given), share=0.1
        )
    assert len(learned) == 4
    assert not any(set(rows) & set(given) for rows, _ in learned)


@pytest.mark.parametrize("folds", [1, 2])
def test_groups_stay_in_one_part_and_a_single_part_has_the_share(learned, folds):
    groups, units = np.repeat(np.arange(12), 4), noise()
    cross_fit(TuningSettings(folds=folds, epochs=1), units).run(
        made_up(units), options=RowOptions(groups=groups), share=0.25
    )
    assert len(learned[0][1]) == (12 if folds == 1 else 24)
    assert all(not set(groups[rows]) & set(groups[part]) for rows, part in learned)


def test_tuned_embeddings_are_kept_and_the_encoders_stay_as_they_were(tmp_path):
    units = noise()
    cross = cross_fit(
        TuningSettings(folds=2, epochs=1), units, store=tmp_path / "store", folder=tmp_path / "run"
    )
    before = cross.encoders["text"].fingerprint
    tuned = cross.run(made_up(units), options=DRAWN, share=0.1)
    assert cross.encoders["text"].fingerprint == before
    kept = {path.name for path in (tmp_path / "store").iterdir() if path.is_dir()}
    assert tuned.encoders["text"].fingerprint in kept and len(kept) == 3
    again = cross.run(made_up(units), options=DRAWN, share=0.1)
    assert torch.equal(again.learned_from["text"], tuned.learned_from["text"])


@pytest.mark.usefixtures("bfloat16")
def test_encoders_that_compute_in_bfloat16_are_tuned_from_unrounded_weights():
    units = noise()
    cross = cross_fit(TuningSettings(mode="last_layers", layers=1, folds=1, epochs=1), units)
    exact = BertEncoder.tiny()
    cross.encoders = {"text": BertEncoder(**{**exact.config, "dtype": "bfloat16"})}
    tuned = cross.run(made_up(units), options=DRAWN, share=0.1).encoders["text"]
    weights, unrounded = tuned.state_dict(), exact.state_dict()
    frozen = [name for name in unrounded if name not in tuned.tuned_names]
    assert frozen and all(torch.equal(weights[name], unrounded[name]) for name in frozen)

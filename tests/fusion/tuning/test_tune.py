import numpy as np
import pytest
import torch

from encoders import ResNetEncoder
from fusion.choices.build import build_decoders
from fusion.data.batch import ModelInputs
from fusion.errors import ConfigError
from fusion.network import FusionNetwork
from fusion.strategies import ConcatFusion
from fusion.tuning import TuningSettings
from fusion.tuning.rows import TuningRows
from fusion.tuning.trainer import TuningTrainer
from fusion.tuning.tune import tune_model
from heads import RegressionHead

MODES = ["lora", "last_layers", "full", "gradual"]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_learns_and_leaves_the_checkpoint_alone(job, parts, mode):
    texts_and_units, model_of = parts
    settings = TuningSettings(mode=mode, layers=1)
    start = model_of(settings, texts_and_units()[1])
    before = {name: tensor.clone() for name, tensor in start.encoder("text").state_dict().items()}
    run, model = job(None, mode=mode, layers=1, epochs=12, learning_rate=3e-3)
    assert run.train_loss[-1] < 0.85 * run.train_loss[0]
    encoder = model.encoder("text")
    changed = {
        name
        for name, tensor in encoder.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert changed and changed <= set(encoder.tuned_names)


@pytest.mark.usefixtures("precision")
def test_tuning_is_the_same_with_the_same_seed(job):
    first, again, other = (job(None, seed=seed)[0] for seed in (0, 0, 1))
    assert first == again
    assert first != other


@pytest.mark.parametrize("options", [{"checkpointing": True}, {"accumulation": 2, "batch_size": 4}])
def test_what_saves_memory_changes_no_loss_but_by_rounding(job, options, near):
    plain, _ = job(None)
    saving, _ = job(None, **options)
    assert saving.train_loss == pytest.approx(plain.train_loss, rel=near)
    assert saving.validation_loss == pytest.approx(plain.validation_loss, rel=near)


def test_the_run_says_in_which_format_it_was_computed(job, precision):
    run, _ = job(None, epochs=1)
    assert run.precision == precision
    run, _ = job(None, epochs=1, precision="float32")
    assert run.precision == "float32"


@pytest.mark.usefixtures("bfloat16")
def test_an_encoder_that_does_not_take_bfloat16_is_tuned_in_float32(job):
    def deberta(inputs, model):
        model.encoder("text").takes_bfloat16 = False

    assert job(None, epochs=1, change=deberta)[0].precision == "float32"
    with pytest.raises(ConfigError, match="'auto' or 'float32' for the text encoder"):
        job(None, epochs=1, change=deberta, precision="bfloat16")


@pytest.mark.usefixtures("float32")
def test_a_format_that_would_be_emulated_is_refused_before_anything_is_done():
    with pytest.raises(ValueError, match=r"precision must be 'auto' or 'float32'.*has no bf16"):
        TuningSettings(precision="bfloat16")


def test_tuning_stops_when_nothing_gets_better(job):
    run, _ = job(None, epochs=8, patience=1, learning_rate=1e-12, head_learning_rate=1e-12)
    assert len(run.validation_loss) < 8


def test_rows_held_out_are_judged_in_batches_no_larger_than_those_of_training(
    job, monkeypatch, near
):
    sizes = []
    collate = TuningTrainer._collate

    def spy(self, rows):
        sizes.append(len(rows))
        return collate(self, rows)

    monkeypatch.setattr(TuningTrainer, "_collate", spy)
    still = {"epochs": 1, "learning_rate": 1e-12, "head_learning_rate": 1e-12}
    run, _ = job(None, **still)
    whole, _ = job(None, batch_size=32, **still)
    assert sizes == [8, 8, 16]
    assert run.validation_loss == pytest.approx(whole.validation_loss, rel=near)


def test_the_best_epoch_is_kept(job):
    run, model = job(None, epochs=4, learning_rate=1e-2, head_learning_rate=1e-1)
    assert run.best_epoch == int(np.argmin(run.validation_loss)) + 1
    assert not model.training


def test_changed_texts_change_training_and_not_validation(job):
    plain, _ = job(None, learning_rate=1e-12, head_learning_rate=1e-12)
    changed, _ = job(
        None, learning_rate=1e-12, head_learning_rate=1e-12, text={"word_dropout": 0.5}
    )
    assert changed.train_loss != pytest.approx(plain.train_loss, rel=1e-6)
    assert changed.validation_loss == pytest.approx(plain.validation_loss, rel=1e-6)


def test_all_rows_are_learned_from_where_none_is_held_out(parts):
    texts_and_units, model_of = parts
    texts, units = texts_and_units(32)
    settings = TuningSettings(mode="full", epochs=2, batch_size=8)
    model = model_of(settings, units)
    inputs = ModelInputs(
        present={"text": torch.ones(32, dtype=torch.bool)},
        values={"text": texts},
        encoders={"text": model.encoder("text")},
    )
    rows = (np.arange(32), np.empty(0, dtype=np.int64))
    run = tune_model(model, TuningRows(inputs, {"units": units}, *rows), settings=settings)
    assert len(run.train_loss) == run.best_epoch == 2
    assert run.validation_loss == []


def test_photos_and_absent_photos_are_tuned_on(photo_model):
    model, inputs, units = photo_model
    settings = TuningSettings(
        mode="last_layers", layers=1, epochs=3, batch_size=8, learning_rate=1e-3
    )
    rows = (np.arange(24), np.arange(24, 32))
    before = model.encoder("image").fingerprint
    run = tune_model(model, TuningRows(inputs, {"units": units}, *rows), settings=settings)
    assert np.isfinite(run.train_loss).all()
    assert model.encoder("image").fingerprint != before


@pytest.fixture
def photo_model():
    from PIL import Image

    reds = np.random.default_rng(0).integers(0, 255, 32)
    photos = [[Image.new("RGB", (40, 40), (int(red), 90, 90))] for red in reds]
    photos[3] = None
    units = 10.0 + reds
    torch.manual_seed(0)
    encoder = ResNetEncoder.tiny()
    encoder.adapt(TuningSettings(mode="last_layers", layers=1).adapter)
    fusion = ConcatFusion({"image": encoder.embedding_dim}, width=16, n_networks=1)
    heads = {"units": RegressionHead.fitted(units)}
    decoders = build_decoders(heads, fused_dim=fusion.fused_dim)
    model = FusionNetwork({"image": encoder}, fusion=fusion, heads=heads, decoders=decoders)
    present = torch.tensor([photo is not None for photo in photos])
    inputs = ModelInputs({"image": present}, values={"image": photos}, encoders={"image": encoder})
    return model, inputs, units


def test_tensorboard_logs_are_written_on_request(job, tmp_path):
    job(None, tensorboard=tmp_path / "logs")
    assert list((tmp_path / "logs").glob("events.*"))


def test_encoders_are_tuned_where_rows_lack_one_of_two_targets(parts):
    texts_and_units, model_of = parts
    texts, units = texts_and_units()
    price = units.copy()
    price[::3], price[:8] = np.nan, np.nan  # the first batches may have none
    settings = TuningSettings(mode="full", epochs=6, batch_size=8, learning_rate=3e-3, balance=True)
    model = model_of(settings, units)
    heads = {"price": RegressionHead.fitted(units), "units": model.heads["units"]}
    decoders = {**build_decoders({"price": heads["price"]}, fused_dim=16), **model.decoders}
    encoder = model.encoder("text")
    model = FusionNetwork({"text": encoder}, fusion=model.fusion, heads=heads, decoders=decoders)
    inputs = ModelInputs(
        present={"text": torch.ones(len(texts), dtype=torch.bool)},
        values={"text": texts},
        encoders={"text": encoder},
    )
    rows = (np.arange(32), np.arange(32, 48))
    targets = {"price": price, "units": units}
    run = tune_model(model, TuningRows(inputs, targets, *rows), settings=settings)
    assert np.isfinite(run.train_loss + run.validation_loss).all()
    assert run.train_loss[-1] < 0.9 * run.train_loss[0]

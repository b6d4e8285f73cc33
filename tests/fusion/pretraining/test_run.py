import json
import shutil

import numpy as np
import pytest
import torch

from encoders import BertEncoder, ResNetEncoder
from fusion.errors import JobError
from fusion.pretraining import PretrainingSettings, pretrain_encoders
from fusion.system.documents import sealed

SETTINGS = PretrainingSettings(objective="contrastive", epochs=2, batch_size=30, learning_rate=1e-3)
MLM = PretrainingSettings(objective="mlm", epochs=4, batch_size=16, learning_rate=3e-3)


@pytest.fixture(scope="module")
def start(tiny_encoders):
    """Fingerprints of the encoders before."""
    return {name: encoder.fingerprint for name, encoder in tiny_encoders("text", "image").items()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_encoders, rows_of):
    """Folder and result of a contrastive run."""
    encoders = tiny_encoders("text", "image")
    output = tmp_path_factory.mktemp("pretraining") / "out"
    return output, pretrain_encoders(
        encoders, rows_of(encoders), SETTINGS, output, items={"n_read": 96}
    )


@pytest.fixture
def run(tiny_encoders, rows_of, tmp_path):
    """Runs masked-language modelling, which is quick."""

    def pretrain(output=tmp_path / "out", settings=MLM, values=None, **options):
        encoders = tiny_encoders(*settings.modalities)
        rows = rows_of(encoders) if values is None else rows_of(encoders, values)
        return pretrain_encoders(encoders, rows, settings, output, items={}, **options)

    return pretrain


def test_a_finished_run_leaves_encoders_settings_and_result_alone(finished):
    output, _ = finished
    assert sorted(path.name for path in output.iterdir()) == [
        "image.safetensors",
        "pretraining.json",
        "settings.json",
        "text",
    ]


def test_encoders_load_by_path_and_give_other_embeddings_than_before(finished, start, items):
    output, result = finished
    text = BertEncoder(str(output / "text"), dtype="float32", max_length=32)
    image = ResNetEncoder("resnet18", weights=output / "image.safetensors", dtype="float32")
    assert result.ended_with == {"text": text.fingerprint, "image": image.fingerprint}
    assert result.begun_with["encoder"] == start
    assert not {*start.values()} & {*result.ended_with.values()}
    before = {"text": BertEncoder.tiny(), "image": ResNetEncoder.tiny()}
    for name, encoder in {"text": text, "image": image}.items():
        now, then = encoder.encode(items[name][:6]), before[name].encode(items[name][:6])
        assert now.shape == then.shape and np.abs(now - then).max() > 0.01
    assert image.preprocessing.source == "weights"
    assert (image.preprocessing.crop, image.preprocessing.resize) == (32, 36)


def test_a_photo_network_that_trains_as_a_whole_learns_its_batch_statistics(finished):
    output, _ = finished
    image = ResNetEncoder("resnet18", weights=output / "image.safetensors", dtype="float32")
    assert image.network.bn1.num_batches_tracked.item() == 6
    assert image.network.bn1.running_mean.abs().max() > 0.05


def test_the_result_has_a_loss_of_every_epoch_and_what_the_run_was(finished):
    output, result = finished
    assert len(result.training_loss) == len(result.validation_loss) == 2
    assert (result.n_training, result.n_validation) == (86, 10)
    assert result.begun_with["setting"]["temperature"] == 0.07
    assert result.items == {"n_read": 96}
    settings = json.loads((output / "settings.json").read_bytes())
    del settings["sha256"]
    assert settings == {"fingerprint": result.fingerprint, "begun_with": result.begun_with}


def test_the_loss_falls(run):
    result = run()
    assert result.training_loss[-1] < result.training_loss[0]
    assert result.validation_loss[-1] < result.validation_loss[0]


def test_equal_runs_give_equal_bytes_and_another_seed_others(run, tmp_path):
    for name, seed in {"one": 0, "two": 0, "three": 1}.items():
        run(tmp_path / name, MLM.model_copy(update={"seed": seed, "epochs": 1}))
    one, two, three = (
        (tmp_path / name / "text" / "model.safetensors").read_bytes()
        for name in ("one", "two", "three")
    )
    assert one == two != three


def test_the_state_of_global_generators_stays(run):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    run(settings=MLM.model_copy(update={"epochs": 1}))
    assert torch.rand(1) == expected


def test_the_same_run_again_leaves_a_finished_one_as_it_is(run, tmp_path):
    first = run()
    states = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert run() == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == states


def test_other_settings_or_items_are_refused_by_name(run):
    run(settings=MLM.model_copy(update={"epochs": 1}))
    with pytest.raises(JobError, match="- setting epochs: begun with 1, now 4"):
        run()
    with pytest.raises(JobError, match="- rows content: begun with"):
        run(
            settings=MLM.model_copy(update={"epochs": 1}),
            values={"text": [f"a sock {number}" for number in range(96)]},
        )


def test_where_logs_go_may_change(run, tmp_path):
    settings = MLM.model_copy(update={"epochs": 1})
    run(settings=settings)
    run(settings=settings.model_copy(update={"tensorboard": tmp_path / "logs"}))


@pytest.mark.parametrize(
    ("stranger", "content"),
    [("thesis.txt", ""), ("settings.json", "{}"), ("settings.json", "["), ("settings.json", "3")],
)
def test_a_folder_with_other_files_is_refused_and_stays_as_it_is(run, tmp_path, stranger, content):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / stranger).write_text(content)
    (tmp_path / "out" / ".draft.tmp").touch()
    with pytest.raises(JobError, match=f"got one with {stranger}"):
        run()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {stranger, ".draft.tmp"}


def test_a_damaged_result_and_encoders_that_are_gone_beside_it_are_told(run, tmp_path):
    settings = MLM.model_copy(update={"epochs": 1})
    run(settings=settings)
    done = tmp_path / "out" / "pretraining.json"
    whole = done.read_bytes()
    (tmp_path / "out" / "checkpoints").mkdir()  # of a run that is not over, for all one knows
    for damage in (b"", b"{}", whole[:-9], b"[" * 100_000, sealed(b'{"items": 3}')):
        done.write_bytes(damage)
        with pytest.raises(JobError, match=r"pretraining\.json is damaged: .* to train again"):
            run(settings=settings)
    assert (tmp_path / "out" / "checkpoints").exists()
    done.write_bytes(whole)
    shutil.rmtree(tmp_path / "out" / "text")
    with pytest.raises(JobError, match="must have text of its result, got none"):
        run(settings=settings)
    done.unlink()
    run(settings=settings)
    assert done.read_bytes() == whole


def test_a_batch_of_one_row_is_refused_before_anything_is_written(run, tmp_path):
    settings = SETTINGS.model_copy(update={"batch_size": 1})
    with pytest.raises(ValueError, match="batches must have at least 2 rows, got one of 1"):
        run(settings=settings)
    assert not (tmp_path / "out").exists()


def test_too_few_rows_are_refused(run):
    with pytest.raises(ValueError, match="at least 10 rows"):
        run(values={"text": ["a coat", "a hat"]})


def test_a_loss_that_is_not_finite_is_a_clear_error(run):
    with pytest.raises(FloatingPointError, match="Use a smaller learning_rate"):
        run(settings=MLM.model_copy(update={"learning_rate": 1e30}))


def test_tensorboard_logs_are_written_on_request(run, tmp_path):
    run(settings=MLM.model_copy(update={"epochs": 1, "tensorboard": tmp_path / "logs"}))
    assert list((tmp_path / "logs").glob("events*"))


def test_an_encoder_that_did_not_train_is_not_written(run, tmp_path):
    settings = SETTINGS.model_copy(update={"epochs": 1, "text_layers": 0})
    assert list(run(settings=settings).ended_with) == ["image"]
    assert not (tmp_path / "out" / "text").exists()


def test_every_step_is_shown(run, works):
    run(stage=works)
    works.check()
    (work,) = works.opened
    assert (work.name, work.done, work.unit) == ("pretraining", 4 * 6, "steps")


def test_layers_that_do_not_train_stay_as_they_were(run, tmp_path):
    run(settings=MLM.model_copy(update={"epochs": 1, "text_layers": 1}))
    before, now = (
        encoder.get_submodule("model").state_dict()
        for encoder in (
            BertEncoder.tiny(),
            BertEncoder(str(tmp_path / "out" / "text"), dtype="float32"),
        )
    )
    changed = {name for name in before if not torch.equal(before[name], now[name])}
    assert changed and all(name.startswith("encoder.layer.1.") for name in changed)


def test_a_leftover_of_a_killed_run_is_replaced(run, tmp_path):
    settings = MLM.model_copy(update={"epochs": 1})
    run(settings=settings)
    output = tmp_path / "out"
    good = (output / "text" / "model.safetensors").read_bytes()
    (output / "pretraining.json").unlink()
    (output / "text" / "model.safetensors").write_bytes(b"half")
    shutil.copytree(output / "text", output / f".text.{'a' * 32}")
    (output / ".image.safetensors.0.tmp").touch()
    run(settings=settings)
    assert (output / "text" / "model.safetensors").read_bytes() == good
    assert not [path.name for path in output.iterdir() if path.name.startswith(".")]

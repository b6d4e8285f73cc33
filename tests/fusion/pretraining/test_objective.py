import pytest

from encoders import BertEncoder, ResNetEncoder
from encoders.text.tiny_bert import tiny_checkpoint
from fusion.pretraining import PretrainingSettings
from fusion.pretraining.run import OBJECTIVES
from fusion.pretraining.settings import OBJECTIVE_MODALITIES


def objective_of(encoders, rows, **settings):
    chosen = PretrainingSettings(**settings)
    return OBJECTIVES[chosen.objective](encoders, rows, chosen)


def test_every_objective_has_its_class():
    assert list(OBJECTIVES) == list(OBJECTIVE_MODALITIES)


@pytest.mark.parametrize(("n_layers", "learns"), [(1, False), (None, True)])
def test_batch_statistics_are_learned_where_the_whole_photo_network_trains(
    n_layers, learns, tiny_encoders, rows_of, monkeypatch
):
    monkeypatch.setattr(ResNetEncoder, "origin", {"name": "weights"})
    encoders = tiny_encoders("image")
    objective = objective_of(
        encoders, rows_of(encoders), objective="self_supervised", image_layers=n_layers
    )
    norm = encoders["image"].network.bn1
    assert objective.train() is objective and norm.training is learns
    assert objective.eval() is objective and not norm.training


def test_a_frozen_photo_network_keeps_its_batch_statistics(tiny_encoders, rows_of, monkeypatch):
    monkeypatch.setattr(ResNetEncoder, "origin", {"name": "weights"})
    encoders = tiny_encoders("text", "image")
    rows = rows_of(encoders)
    objective = objective_of(encoders, rows, objective="contrastive", image_layers=0).train()
    assert not any(module.training for module in encoders["image"].network.modules())
    assert not encoders["image"].is_trainable and encoders["text"].is_trainable
    assert objective.encoder("text").training


def test_a_random_network_must_train_as_a_whole(tiny_encoders, rows_of):
    encoders = tiny_encoders("image")
    with pytest.raises(ValueError, match="image_layers must be left out"):
        objective_of(encoders, rows_of(encoders), objective="self_supervised", image_layers=1)


@pytest.mark.usefixtures("bfloat16")
def test_half_precision_is_refused(rows_of):
    encoders = {"text": BertEncoder(str(tiny_checkpoint()), dtype="bfloat16")}
    with pytest.raises(ValueError, match="must be float32, got 'bfloat16'"):
        objective_of(encoders, rows_of(encoders), objective="mlm")


def test_more_layers_than_there_are_is_an_error(tiny_encoders, rows_of):
    encoders = tiny_encoders("text")
    with pytest.raises(ValueError, match="from 1 to 2, got 3"):
        objective_of(encoders, rows_of(encoders), objective="mlm", text_layers=3)

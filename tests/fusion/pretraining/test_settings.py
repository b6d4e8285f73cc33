import pytest
from pydantic import ValidationError

from fusion.pretraining import PretrainingSettings


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "objective"),
        ({"objective": "sales"}, "contrastive"),
        ({"objective": "mlm", "loss": "siglip"}, "loss must be left out"),
        ({"objective": "mlm", "image_layers": 1}, "image_layers must be left out"),
        ({"objective": "self_supervised", "mask_share": 0.2}, "mask_share must be left out"),
        ({"objective": "self_supervised", "text_layers": 0}, "text_layers must be left out"),
        ({"objective": "mlm", "text_layers": 0}, "nothing would be learned"),
        ({"objective": "contrastive", "text_layers": 0, "image_layers": 0}, "nothing would"),
        ({"objective": "mlm", "epochs": 0}, "epochs"),
        ({"objective": "mlm", "epoch": 3}, "epoch"),
    ],
)
def test_settings_that_cannot_be_followed_are_refused(values, told):
    with pytest.raises(ValidationError, match=told):
        PretrainingSettings(**values)


def test_one_of_two_encoders_may_stay_as_it_is():
    settings = PretrainingSettings(objective="contrastive", text_layers=0)
    assert settings.layers == {"text": 0, "image": None}


@pytest.mark.parametrize(
    ("values", "rate", "temperature"),
    [
        ({"objective": "contrastive"}, 1e-4, 0.07),
        ({"objective": "contrastive", "loss": "siglip"}, 1e-4, 0.1),
        ({"objective": "contrastive", "temperature": 0.5, "learning_rate": 2e-5}, 2e-5, 0.5),
        ({"objective": "self_supervised"}, 1e-3, None),
        ({"objective": "mlm"}, 1e-4, None),
    ],
)
def test_learning_rate_and_temperature_suit_the_objective(values, rate, temperature):
    suited = PretrainingSettings(**values).suited()
    assert (suited.learning_rate, suited.temperature) == (rate, temperature)


def test_settings_come_back_from_json():
    settings = PretrainingSettings(objective="mlm", seed=3).suited()
    assert PretrainingSettings.model_validate_json(settings.model_dump_json()) == settings


def test_every_setting_is_described():
    assert all(field.description for field in PretrainingSettings.model_fields.values())

import pytest
from pydantic import ValidationError

from encoders.adapter import Adapter
from fusion.tuning import TuningSettings


@pytest.mark.parametrize(
    ("mode", "adapter"),
    [
        ("lora", Adapter("lora", 2, 8)),
        ("last_layers", Adapter("layers", 2)),
        ("gradual", Adapter("layers", 2)),
        ("full", Adapter("layers", None)),
    ],
)
def test_each_mode_says_what_may_change(mode, adapter):
    assert TuningSettings(mode=mode).adapter == adapter


def test_no_mode_has_nothing_to_change():
    with pytest.raises(ValueError, match="mode must not be 'none'"):
        _ = TuningSettings(mode="none").adapter


def test_all_faults_are_listed_together():
    with pytest.raises(ValidationError) as error:
        TuningSettings(mode="lor", epochs=0, layer_decay=2, text={"word_dropout": 3})
    assert {fault["loc"][0] for fault in error.value.errors()} >= {
        "mode",
        "epochs",
        "layer_decay",
        "text",
    }


def test_no_modality_is_refused():
    with pytest.raises(ValidationError, match="must name one or more, got none"):
        TuningSettings(modalities=())


def test_a_modality_that_is_not_there_is_refused_with_the_nearest_name():
    with pytest.raises(ValidationError, match="got 'images'\\. Did you mean 'image'"):
        TuningSettings(modalities=["images"])


def test_settings_travel_as_json():
    settings = TuningSettings(text={"word_dropout": 0.1}, photos={"flip": 0.5})
    assert TuningSettings.model_validate_json(settings.model_dump_json()) == settings

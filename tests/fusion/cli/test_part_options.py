"""Encoders and columns as words of a shell mean what they mean in Python and TOML."""

import pytest
from typer.testing import CliRunner

from fusion.choices.encoders import EncoderChoices
from fusion.cli import app
from fusion.cli.part_options import column_words, encoder_words, member_words, moved_encoders
from fusion.errors import ConfigError

CONFIG = """
[data]
items = "items.csv"
columns.text = ["title"]
columns.id = ["sku"]
[[heads]]
head = "regression"
target = "price"
[encoders]
text = {name = "tfidf", min_count = 3}
image = "resnet50"
"""


def test_words_give_names_and_options_by_modality():
    words = ["text=a=b/c", "image=resnet50", "image.weights=none", "text.max_length=64"]
    words += ["image.decoder=fast", "row_text.embedding_dim=8"]
    assert encoder_words(words) == {
        "text": {"name": "a=b/c", "max_length": 64},
        "image": {"name": "resnet50", "weights": None, "decoder": "fast"},
        "row_text": {"embedding_dim": 8},
    }
    assert EncoderChoices(encoder_words(words))["image"].options["weights"] is None
    assert encoder_words(None) == {} == column_words(None)


def test_a_role_takes_any_number_of_columns_whatever_their_names():
    words = ["text=title", "text=a=b", "id=sku", "image= photo 1"]
    expected = {"text": ["title", "a=b"], "id": ["sku"], "image": [" photo 1"]}
    assert column_words(words) == expected


@pytest.mark.parametrize("word", ["minilm", "text=", "=minilm", ".x=1", "text.=1", "text.name=a"])
def test_a_word_of_another_form_says_how_it_is_written(word):
    with pytest.raises(ConfigError, match=r"--encoder must be written MODALITY=NAME.*text=minilm"):
        encoder_words(["image=resnet18", word])


def test_all_words_of_another_form_are_told_at_once():
    with pytest.raises(ConfigError, match=r"ROLE=NAME, such as text=title, got 'a', '=b'"):
        column_words(["a", "id=sku", "=b"])


def test_a_trained_model_takes_places_of_weights_alone():
    places = moved_encoders(["text=org/model", "image.weights=new.safetensors"])
    assert places.moved == (
        ("text", "checkpoint", "org/model"),
        ("image", "weights", "new.safetensors"),
    )
    assert moved_encoders(None).moved == ()
    with pytest.raises(ConfigError, match=r"got text.backend, image.name, image.decoder. Leave"):
        words = ["text=org/model", "text.backend=onnx", "image=resnet18", "image.decoder=fast"]
        moved_encoders(words)


@pytest.mark.parametrize("verb", ["train", "fine_tune"])
def test_options_of_a_training_take_the_place_of_what_its_file_says(verb, tmp_path, monkeypatch):
    (tmp_path / "c.toml").write_text(CONFIG)
    asked = []

    def begun(config, out, *, stage):
        asked.append(config)
        raise ConfigError("enough")

    monkeypatch.setattr(f"fusion.jobs.train.{verb}", begun)
    words = ["--encoder", "text.embedding_dim=8", "--encoder", "image=colour_texture"]
    words += ["--column", "text=name", "--column", "text=story", "--column", "numeric=size"]
    CliRunner().invoke(app, [verb.replace("_", "-"), str(tmp_path / "c.toml"), *words])
    (config,) = asked
    assert config.encoders == {
        "text": {"name": "tfidf", "min_count": 3, "embedding_dim": 8},
        "image": {"name": "colour_texture"},
    }
    assert config.data.columns == {"text": ["name", "story"], "id": ["sku"], "numeric": ["size"]}


@pytest.mark.parametrize(
    "words",
    [["text=tfidf", "text=minilm"], ["text=tfidf", "text.min_count=2", "text.min_count=3"]],
)
def test_what_is_said_twice_is_refused(words):
    with pytest.raises(ConfigError, match=r"must say each thing once, got text"):
        encoder_words(words)


def test_a_member_is_named_once():
    assert member_words(["kernel", "trees"]) == ["kernel", "trees"]
    assert member_words(None) == []
    with pytest.raises(ConfigError, match=r"each member once, got kernel more than once\."):
        member_words(["kernel", "trees", "kernel", "kernel"])

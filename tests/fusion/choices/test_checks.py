"""Everything that was chosen is checked before any work, and all mistakes are told at once."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fusion.ready
from encoders import ENCODERS, ColourTextureEncoder, TfidfEncoder
from fusion import CatalogueError, ConfigError, FusionClassifier, FusionRegressor
from fusion.choices.build import pretrained_encoders
from fusion.choices.checks import head_mistakes, strategy_mistakes
from fusion.choices.encoders import EncoderChoices
from fusion.choices.heads import HeadChoice
from fusion.choices.paths import file_mistakes, folder_mistakes, input_mistakes
from fusion.strategies import FUSIONS

HEADS = {"price": HeadChoice("regression", target="price", options={})}
UNITS = np.arange(1.0, 21.0)


def head(name, **options):
    return {"units": HeadChoice(name, target="units", options=options)}


@pytest.fixture
def no_work(monkeypatch):
    """Whoever embeds anything fails."""

    def refuse(*arguments, **options):
        raise AssertionError("the work has begun")

    monkeypatch.setattr(fusion.ready, "prepare_inputs", refuse)


@pytest.fixture
def items():
    random = np.random.default_rng(0)
    return pd.DataFrame({"price": random.uniform(5, 50, 40), "weight": random.uniform(1, 9, 40)})


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"text": "colour_texture"}, "encoders.text must be one of"),
        ({"text": "numeric"}, "encoders.text must be one of"),
        ({"text": 3}, "encoders.text must be one of"),
        ({"text": ColourTextureEncoder()}, "encoders.text must be an encoder that reads text, got"),
        ({"txet": "minilm"}, "modality of encoders must be one of history, image"),
        ("minilm", "encoders must be choices by modality, such as {'text': 'minilm'}, got"),
        ({"image": "resnet19"}, "Did you mean 'resnet18'"),
        ({"image": "tfidf"}, "encoders.image must be one of"),
        ({"row_text": "resnet18"}, "encoders.row_text must be one of"),
        ({"numeric": "tfidf"}, "encoders.numeric must be one of numeric, got 'tfidf'"),
        ({"image": "resnet"}, "Did you mean 'resnet50' or 'resnet34'"),
        ({"image": TfidfEncoder.tiny()}, "encoders.image must be an encoder that reads image, got"),
        ({"image": {"decoder": "quick"}}, "image.decoder must be one of exact, fast, got 'quick'"),
        ({"text": {"backend": "onyx"}}, "Did you mean 'onnx'"),
        ({"image": {"weights": 3}}, "encoders.image.weights must be a name, a file or None, got 3"),
        ({"image": {"weigths": "imagenet"}}, "Did you mean 'weights'"),
        ({"text": {"name": "tfidf", "backend": "onnx"}}, "(tfidf) must be one of embedding_dim"),
        (
            {"image": {"name": "colour_texture", "weights": "imagenet"}},
            "options of encoders.image (colour_texture) must be none, got weights. Leave them out.",
        ),
        (
            {"text": {"name": TfidfEncoder.tiny(), "min_count": 3}},
            "encoders.text must have no options beside a built encoder, got min_count.",
        ),
    ],
)
def test_an_encoder_of_another_kind_or_name_is_refused_when_it_is_chosen(choice, told):
    with pytest.raises(ConfigError, match=re.escape(told)):
        EncoderChoices(choice)


def test_all_mistakes_of_an_encoder_choice_are_one_message():
    with pytest.raises(ConfigError, match="3 mistakes:") as error:
        EncoderChoices({"text": "minilmm", "image": "resnet81", "row_text": {"decoder": "quick"}})
    for hint in ("'minilm'", "'resnet18'", "options of encoders.row_text (tfidf)"):
        assert hint in str(error.value)


def test_modalities_that_are_not_named_have_their_default_encoders():
    choices = EncoderChoices({"image": {"weights": None}, "numeric": {"n_bins": 4}})
    assert choices["text"].options == {"checkpoint": "minilm"}
    assert choices["image"].options == {"architecture": "resnet18", "weights": None}
    assert (choices["numeric"].encoder, choices["numeric"].learns) == ("numeric", True)
    assert choices == EncoderChoices({"image": {"weights": None}, "numeric": {"n_bins": 4}})
    assert choices != EncoderChoices()


class OwnEncoder(ColourTextureEncoder):
    """A stranger's, with options of its own."""

    def __init__(self, tint: str = "red", weights: str | None = None) -> None:
        super().__init__()
        self.tint, self.place = tint, weights

    @property
    def config(self):
        return {"tint": self.tint, "weights": self.place}


class LearnedEncoder(OwnEncoder):
    """Another one, which learns from the training rows."""

    @classmethod
    def fitted(cls, values, *, tint="red", n_colours=3):
        return cls(f"{tint} {n_colours} {len(values)}")


def test_a_strangers_encoder_is_chosen_by_its_name_with_options_of_its_own(monkeypatch):
    monkeypatch.setitem(ENCODERS, "own", OwnEncoder)
    monkeypatch.setitem(ENCODERS, "learned", LearnedEncoder)
    choices = EncoderChoices({"image": {"name": "own", "tint": "blue"}})
    assert not choices["image"].learns
    assert pretrained_encoders(choices, ["image"])["image"].config["tint"] == "blue"
    choice = EncoderChoices({"image": {"name": "learned", "n_colours": 5}})["image"]
    assert choice.learns and choice.options == {"n_colours": 5}
    for given, told in (
        ({"name": "own", "tnit": "blue"}, "(own) must be one of tint, weights, got 'tnit'. Did"),
        ({"name": "learned", "weights": "a"}, "(learned) must be one of n_colours, tint, got"),
        ({"name": "own", "weights": 3}, "encoders.image.weights must be a name, a file or None"),
        ({"name": "owm"}, "Did you mean 'own'"),
    ):
        with pytest.raises(ConfigError, match=re.escape(told)):
            EncoderChoices({"image": given})
    with pytest.raises(ConfigError, match=r"encoders.text must be one of"):
        EncoderChoices({"text": "own"})


def test_a_value_that_an_encoder_cannot_take_is_told_by_its_place():
    choices = EncoderChoices({"text": {"max_length": "long"}})
    with pytest.raises((ConfigError, ValueError), match=r"max_length|options of encoders.text"):
        pretrained_encoders(choices, ["text"])


def test_a_folder_may_be_a_path(tmp_path):
    choice = EncoderChoices({"text": tmp_path})["text"]
    assert (choice.encoder, choice.options) == ("bert", {"checkpoint": str(tmp_path)})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"widht": 3}, "options of strategy concat must be one of"),
        ({"width": 0}, "width must be a whole number from 1 to 65,536, got 0"),
        ({"n_networks": 2.5}, "n_networks must be a whole number from 1 to 1,000, got 2.5"),
        ({"depth": "deep"}, "depth must be a whole number from 0 to 100, got 'deep'"),
        ({"dropout": 1.0}, "dropout must be a number in [0, 1), got 1.0"),
        ("wide", "options of strategy concat must be names and values, got 'wide'"),
    ],
)
def test_options_of_a_strategy_are_bound_and_held_to_their_ranges(options, told):
    (message,) = strategy_mistakes("concat", options, heads=HEADS)
    assert told in message


def test_sound_options_are_no_mistake():
    for strategy in ("concat", "gated"):
        options = {"width": np.int64(8), "depth": 0, "n_networks": 1, "dropout": np.float32(0.5)}
        built = FUSIONS[strategy]({"a": 2}, **options)
        assert json.loads(json.dumps(built.config))["width"] == 8
        assert strategy_mistakes(strategy, options, heads=HEADS) == []
    assert strategy_mistakes("gated", {}, heads=head("linear")) == []
    (message,) = strategy_mistakes("concat", {"width": 8}, heads=head("linear"))
    # A linear head takes join by itself.
    assert message == "options of strategy join must be none, got ['width']. Leave them out."


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        (head("hot_item", quantil=0.9), "Did you mean 'quantile'"),
        (head("hot_item", quantile=2), "quantile must be in (0, 1), got 2"),
        (head("hot_item", quantile="high"), "head hot_item of units"),
        (head("hot_item", rule="labels"), "target must be 0 or 1 under the rule labels, got 2.0"),
        (head("regression", transform="square"), "square"),
        (head("sales_volume", distribution="normal"), "distribution must be one of"),
        (head("sales_volume", distributon="poisson"), "Did you mean 'distribution'"),
        (head("linear", slope=1), "options of head linear"),
        (head(["regression"]), "head must be one of"),
        ({}, "heads must hold at least one head"),
    ],
)
def test_options_of_a_head_are_tried_on_its_targets(chosen, told):
    (message,) = head_mistakes(chosen, {"units": UNITS})
    assert told in message


def test_targets_that_are_faulty_by_themselves_are_no_fault_of_the_options():
    odd = np.array([np.nan, -3.0, *UNITS])
    for name in ("sales_volume", "hot_item", "regression", "linear"):
        assert head_mistakes(head(name), {"units": odd}) == []
    assert head_mistakes(head("sales_volume"), {"units": np.full(3, np.nan)}) == []


def test_trying_options_leaves_the_random_state_alone():
    import torch

    torch.manual_seed(0)
    expected = torch.rand(2)[1]
    torch.manual_seed(0)
    torch.rand(1)
    strategy_mistakes("concat", {}, heads=HEADS)
    head_mistakes(head("hot_item"), {"units": UNITS})
    assert torch.rand(1) == expected


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"strategy_options": {"width": -1}}, "width must be a whole number from 1 to 65,536"),
        ({"strategy_options": {"widht": 8}}, "Did you mean 'width'"),
        ({"strategy": ["concat"]}, "strategy must be one of"),
        ({"head_options": {"regression": {"transfrom": "log"}}}, "Did you mean 'transform'"),
        ({"head_options": {"regresion": {}}}, "Did you mean 'regression'"),
        ({"head_options": 3}, "head_options must be options by head, got 3"),
        ({"validation_fraction": 2}, "validation_fraction must be a number in (0, 1), got 2"),
        ({"validation_fraction": "half"}, "validation_fraction must be a number in (0, 1)"),
        ({"random_state": "lucky"}, "'lucky' cannot be used to seed"),
        ({"on_bad_rows": "drop"}, "on_bad_rows must be one of absent, raise, record, got 'drop'"),
        ({"columns": {"numeric": ["prize"]}}, "Did you mean 'price'"),
        ({"columns": {"numbers": ["price"]}}, "role of columns must be one of"),
        ({"columns": ["price"]}, "columns must be names by role, such as {'text': ['title']}, got"),
        ({"encoders": {"text": "colour_texture"}}, "encoders.text must be one of"),
        ({"encoders": {"image": "tfidf"}}, "encoders.image must be one of"),
        ({"store": __file__}, "store must be a folder, got"),
        ({"tuning": "last_layers"}, "none that can be tuned"),
        ({"training": {"folds": 0}, "tuning": {"epochs": 0}}, "2 mistakes:"),
    ],
)
def test_a_wrong_parameter_is_told_before_any_work(items, no_work, parameters, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        FusionRegressor(**parameters).fit(items, np.arange(40.0))


def test_mistakes_of_every_kind_come_in_one_message(items, no_work, tmp_path):
    items["price"] = items["price"].astype(object)
    items.loc[3, "price"] = "cheap"
    (tmp_path / "file").write_text("")
    model = FusionRegressor(
        columns={"numeric": ["price"]},
        encoders={"text": "colour_texture"},
        strategy="concatt",
        head="hot_item",
        head_options={"hot_item": {"quantile": 2}},
        training={"epochs": 0},
        tuning={"mode": "lara"},
        store=tmp_path / "file" / "store",
        validation_fraction=0,
    )
    with pytest.raises(ConfigError, match="8 mistakes:") as error:
        model.fit(items, np.arange(40.0))
    for place in ("concat", "quantile", "epochs", "lora", "encoders.text", "store must be a folder",
                  "validation_fraction", "row 4"):  # fmt: skip
        assert place in str(error.value)


def test_faulty_cells_are_told_before_photos_are_read(items, no_work):
    items["price"] = items["price"].astype(object)
    items.loc[3, "price"] = "cheap"
    with pytest.raises(CatalogueError, match=r"row 4 .*: must be a number"):
        FusionRegressor(columns={"numeric": ["price"]}).fit(items, np.arange(40.0))


def test_a_table_without_a_usable_column_says_why_of_each(no_work):
    frame = pd.DataFrame(
        {"one": [1] * 30, "none": [None] * 30, "code": [f"c{i}" for i in range(30)]}
    )
    with pytest.raises(CatalogueError, match="must have a column to learn from, got none") as error:
        FusionRegressor().fit(frame, np.arange(30.0))
    for reason in ("one has one value", "none has no value", "code holds single words"):
        assert reason in str(error.value)


def test_a_classifier_takes_one_head_that_gives_probabilities(items, no_work):
    labels = (items["price"] > 20).astype(int)
    with pytest.raises(ConfigError, match="which has one target, got a mapping"):
        FusionClassifier(head={"target": "hot_item"}).fit(items, labels)
    with pytest.raises(ConfigError, match="head of a classifier must be one of hot_item"):
        FusionClassifier(head="regression").fit(items, labels)


def test_a_folder_that_can_be_made_is_no_mistake_and_is_not_made(tmp_path):
    assert folder_mistakes("out", tmp_path / "a" / "b") == [] == folder_mistakes("out", None)
    assert folder_mistakes("out", Path("a/b")) == []
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    (message,) = folder_mistakes("out", tmp_path / "file" / "b")
    assert message.startswith("out must be a folder, got ") and "file is a file" in message


def test_a_file_is_held_to_its_suffix_and_folder(tmp_path):
    tables = [".csv", ".parquet"]
    assert file_mistakes("out", tmp_path / "new" / "OUT.CSV", suffixes=tables) == []
    assert file_mistakes("out", tmp_path / "metrics") == [] == file_mistakes("out", None)
    (message,) = file_mistakes("out", tmp_path / "out.xlsx", suffixes=tables)
    assert "out must end in .csv or .parquet, got 'out.xlsx'" in message
    (tmp_path / "folder.csv").mkdir()
    (message,) = file_mistakes("out", tmp_path / "folder.csv", suffixes=tables)
    assert "out must be a file, got the folder" in message


def test_no_output_may_take_the_place_of_what_is_read_under_any_name(tmp_path):
    items = tmp_path / "items.csv"
    items.write_text("")
    (tmp_path / "link.csv").symlink_to(items)
    os.link(items, tmp_path / "twin.csv")
    (tmp_path / "model").mkdir()
    inputs = {"items": items, "sales": None, "bundle": tmp_path / "model"}
    for name in ("items.csv", "link.csv", "twin.csv", "model/../items.csv"):
        (told,) = input_mistakes("out", tmp_path / name, inputs)
        assert told.startswith("out must not be the file of the items, which would be lost, got")
    (told,) = input_mistakes("out", tmp_path / "model" / "new.csv", inputs)
    assert told.startswith("out must not lie in the folder of the bundle")
    assert input_mistakes("out", tmp_path / "new.csv", inputs) == []
    assert input_mistakes("out", None, inputs) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes")
def test_a_pipe_or_a_device_is_no_place_for_a_result(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        (told,) = file_mistakes("out", path)
        assert "must be a file, got" in told


@pytest.mark.parametrize(
    ("parameter", "told"),
    [
        ({"columns": {"numeric": 5}}, "5"),
        ({"columns": {"categorical": [1.5]}}, "1.5"),
        (
            {"columns": {"text": [None]}},
            "text must list names of columns, but one must be text, got None",
        ),
        ({"photos": 5}, "photos must be a folder or None, got 5"),
        ({"store": 5}, "store must be a folder or None, got 5"),
        ({"tuning_folder": 5}, "tuning_folder must be a folder or None, got 5"),
    ],
)
def test_a_parameter_of_another_type_is_refused_by_its_name(items, no_work, parameter, told):
    with pytest.raises((CatalogueError, ConfigError), match=re.escape(told)):
        FusionRegressor(**parameter).fit(items, UNITS.repeat(2))


COLUMNS = {"text": ["title"], "categorical": ["brand"], "row_text": []}


@pytest.mark.parametrize(
    ("encoders", "told"),
    [
        ({"numeric": {"n_bins": 10**7}}, "encoders.numeric: n_bins must be a whole number from 0"),
        ({"numeric": {"category_dim": 2.5}}, "encoders.numeric: category_dim must be a whole"),
        ({"text": {"name": "tfidf", "min_count": "x"}}, "encoders.text: min_count must be a whole"),
        ({"text": {"name": "tfidf", "embedding_dim": -1}}, "encoders.text: embedding_dim must be"),
    ],
)
def test_options_of_encoders_that_learn_are_tried_before_any_work(items, no_work, encoders, told):
    with pytest.raises(ConfigError, match=told):
        FusionRegressor(encoders=encoders, columns=COLUMNS).fit(
            items.assign(title="a warm coat", brand="a"), np.arange(40.0)
        )

"""A job is refused before its work, with everything that is wrong, and writes nothing then."""

import re

import numpy as np
import pandas as pd
import pytest

import fusion.predictor
import fusion.ready
from fusion import CatalogueError, ConfigError, FusionRegressor
from fusion.choices.encoders import EncoderChoices
from fusion.choices.mistakes import Mistakes
from fusion.job_steps.check import check_config
from fusion.job_steps.config import TrainConfig
from fusion.job_steps.items import labelled_items
from fusion.job_steps.schema import schema_of
from fusion.job_steps.source import ItemSource
from fusion.jobs.embed import embed
from fusion.jobs.evaluate import evaluate
from fusion.jobs.predict import predict
from fusion.jobs.pretrain import Source, pretrain, settings_of
from fusion.jobs.train import build_experiment, train
from fusion.shards import DataPaths, JobSettings, PastSales
from fusion.shards.pool import LocalEngine


def begun(*arguments, **options):
    raise AssertionError("the work has begun")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    random = np.random.default_rng(0)
    items = pd.DataFrame(
        {
            "item_id": [f"A{number}" for number in range(40)],
            "price": random.uniform(5, 50, 40),
            "brand": [f"b{number % 8}" for number in range(40)],
            "launch": [f"2025-01-{number % 28 + 1:02d}" for number in range(40)],
            "units": np.arange(40),
        }
    )
    items.to_csv(folder / "items.csv", index=False)
    settings = {
        "members": ["network"],
        "training": {"epochs": 1, "folds": 1},
        "strategy_options": {"width": 8},
    }
    FusionRegressor(**settings, columns={"numeric": ["price"], "categorical": []}).fit(
        items.drop(columns="units"), items["units"]
    ).save(folder / "bundle")
    (folder / "file").write_text("")
    return folder


def config(shop, *, heads=({"head": "regression", "target": "units"},), data=(), **sections):
    values = {"data": {"items": str(shop / "items.csv"), **dict(data)}, "heads": list(heads)}
    return TrainConfig.from_dict({**values, **sections})


def by(kind, column):
    return {"split": {"kind": kind, "column": column}}


def one(head, target="units", **options):
    return {"heads": [{"head": head, "target": target, "options": options}]}


def test_the_items_of_a_sales_table_are_the_id_where_none_is_named(shop):
    frame = pd.DataFrame({"code": [f"7{n}A" for n in range(30)], "price": np.arange(30.0)})
    frame["units_next_8w"] = 1.0
    sales = {"sales": {"table": "sales.csv", "item": "code", "as_of": "2025-02-01"}}
    head = [{"head": "sales_volume", "target": "units_next_8w"}]
    assert schema_of(frame, config(shop, heads=head, **sales)).id == "code"
    assert schema_of(frame, config(shop, heads=head)).id is None
    excluded = config(shop, heads=head, data={"exclude": ["code"]}, **sales)
    assert schema_of(frame, excluded).id is None
    named_twice = frame.assign(code="70A")
    assert schema_of(named_twice, config(shop, heads=head, **sales)).id is None


LONG_GAP = {"split": {"kind": "date", "column": "launch", "gap_days": 400}}
SALES = {"table": "gone.csv", "as_of": "2025-02-01"}
WRONG = [
    (by("date", "lunch"), "split.column: lunch must be a column", "launch"),
    (by("date", "brand"), "'b0'", ""),
    (by("group", "brad"), "split.column: brad must be a column", "brand"),
    (LONG_GAP, "each wanted part", ""),
    ({"data": {"details": ["prize"]}}, "data.details: prize must be a column", "price"),
    ({"data": {"exclude": ["brant"]}}, "column brant: must be a column of the table", "brand"),
    (
        {"data": {"columns": {"numeric": ["prise"]}}},
        "column prise: must be a column of the table",
        "price",
    ),
    ({"data": {"photos": "nowhere"}}, "photos must be a folder, got nowhere", ""),
    ({"split": {"test": 0.9, "validation": 0.05}}, "at least 5 rows to learn from", ""),
    ({"training": {"tensorboard": __file__}}, "tensorboard must be a folder", ""),
    (one("regression", "unit"), "column unit: must be", "units"),
    (one("hot_item", rule="label"), "rule must be one of labels", ""),
    (one("hot_item", "brand"), "must be a number, got 'b0'", ""),
    ({"model": {"options": {"widht": 8}}}, "options of strategy concat", "width"),
    (
        {"model": {"options": {"n_networks": 0}}},
        "n_networks must be a whole number from 1 to 1,000, got 0",
        "",
    ),
    ({"tuning": {"mode": "full"}}, "tuning must have a head trained by gradient", ""),
    ({"data": {"items": "gone.csv"}}, "gone.csv must be a file", ""),
    ({"sales": SALES, "data": {"details": ["prize"]}}, "gone.csv must be a file", "price"),
]


@pytest.mark.parametrize(("mistake", "told", "near"), WRONG, ids=range(len(WRONG)))
def test_a_training_is_refused_before_anything_is_embedded(
    mistake, told, near, shop, tmp_path, monkeypatch
):
    monkeypatch.setattr(fusion.ready, "prepare_inputs", begun)
    with pytest.raises(ValueError, match=re.escape(told)) as error:
        train(config(shop, **mistake), tmp_path / "out")
    assert f"Did you mean '{near}'" in str(error.value) or not near
    assert not (tmp_path / "out").exists()


def test_all_mistakes_of_a_training_are_one_message(shop, monkeypatch):
    monkeypatch.setattr(fusion.ready, "prepare_inputs", begun)
    wrong = config(
        shop,
        heads=[{"head": "hot_item", "target": "units", "options": {"quantile": 2}}],
        data={"details": ["prize"], "exclude": ["brant"]},
        model={"options": {"widht": 8}},
        split={"kind": "group", "column": "brad"},
        store=str(shop / "file"),
    )
    with pytest.raises(ConfigError, match="7 mistakes:") as error:
        train(wrong, shop / "file" / "out")
    for place in ("data.details", "brant", "widht", "split.column", "quantile must be in (0, 1)",
                  "store must be a folder", "out must be a folder"):  # fmt: skip
        assert place in str(error.value)


def test_a_folder_with_something_else_in_the_place_of_the_bundle_is_refused(shop, tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match="new, empty or a bundle"):
        train(config(shop), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_no_usable_column_is_told_with_the_reason_of_each(shop, tmp_path):
    with pytest.raises(ValueError, match="must have a column to learn from") as error:
        data = {"exclude": ["price", "brand", "launch"], "columns": {"id": ["item_id"]}}
        train(config(shop, data=data), tmp_path)
    assert "price is excluded" in str(error.value)


@pytest.mark.parametrize(("verb", "name"), [(predict, "out.xlsx"), (evaluate, "out.json")])
def test_a_model_is_not_asked_before_everything_is_checked(verb, name, shop, monkeypatch):
    monkeypatch.setattr(fusion.predictor, "prepare_inputs", begun)
    pd.DataFrame({"prize": [1.0], "units": [1.0]}).to_csv(shop / "other.csv", index=False)
    past = PastSales(shop / "sales.csv", "2025-01-01")
    source = ItemSource(shop / "other.csv", store=shop / "file", sales=past)
    with pytest.raises(ConfigError, match="mistakes:") as error:
        verb(shop / "bundle", source, output=shop / "file" / name)
    told = str(error.value)
    for place in ("the folder of out must be a folder", "store must be a folder", "price",
                  "trained without a sales table"):  # fmt: skip
        assert place in told
    assert ("must end in .csv or .parquet, got 'out.xlsx'" in told) == (verb is predict)
    with pytest.raises(ValueError, match="2 mistakes") as error:
        verb(shop / "bundel", ItemSource(shop / "gone.csv"), output=shop / "out.csv")
    assert "bundel" in str(error.value) and "gone.csv" in str(error.value)


def test_items_without_a_known_target_cannot_be_measured(shop, monkeypatch):
    monkeypatch.setattr(fusion.predictor, "prepare_inputs", begun)
    frame = pd.read_csv(shop / "items.csv").assign(units=None)
    frame.to_csv(shop / "unknown.csv", index=False)
    with pytest.raises(ValueError, match="units must be known in at least one row"):
        evaluate(shop / "bundle", ItemSource(shop / "unknown.csv"))


def test_items_that_are_known_only_where_no_answer_is_cannot_be_measured(shop):
    frame = pd.read_csv(shop / "items.csv").astype({"price": object})
    frame.loc[3, "price"] = "cheap"
    frame.loc[frame.index != 3, "units"] = None
    frame.to_csv(shop / "one.csv", index=False)
    source = ItemSource(shop / "one.csv", on_bad_rows="record")
    with pytest.raises(ValueError, match=r"one\.csv must have a row with both .*got 'cheap'"):
        evaluate(shop / "bundle", source)


def test_faulty_cells_stop_a_prediction_before_the_model_is_asked(shop, monkeypatch):
    monkeypatch.setattr(fusion.predictor, "prepare_inputs", begun)
    frame = pd.read_csv(shop / "items.csv").astype({"price": object})
    frame.loc[3, "price"] = "cheap"
    frame.to_csv(shop / "faulty.csv", index=False)
    source = ItemSource(shop / "faulty.csv", on_bad_rows="raise")
    with pytest.raises(ValueError, match=r"row 4 \(id A3\).*must be a number, got 'cheap'"):
        predict(shop / "bundle", source, shop / "out.csv")
    with pytest.raises(ConfigError, match="on_bad_rows must be one of"):
        predict(shop / "bundle", ItemSource(shop / "items.csv", on_bad_rows="drop"), shop / "o.csv")


def test_a_table_that_cannot_be_cut_is_read_once_whether_or_not_it_has_all_columns(
    shop, tmp_path, monkeypatch
):
    n_read = []
    read_table = fusion.data.tables.read_table

    def counted(path, **options):
        n_read.append(path.name)
        return read_table(path, **options)

    monkeypatch.setattr(fusion.data.tables, "read_table", counted)
    frame = pd.read_csv(shop / "items.csv", dtype=str)
    for name, table in (("all.jsonl", frame), ("less.jsonl", frame.drop(columns="price"))):
        table.to_json(shop / name, orient="records", lines=True)
    predict(shop / "bundle", ItemSource(shop / "all.jsonl"), tmp_path / "out.csv")
    with pytest.raises(ValueError, match=r"price.*must be a column"):
        predict(shop / "bundle", ItemSource(shop / "less.jsonl"), tmp_path / "less.csv")
    assert n_read == ["all.jsonl", "less.jsonl"]
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_a_folder_for_the_answers_is_made(shop, tmp_path):
    source = ItemSource(shop / "items.csv")
    predict(shop / "bundle", source, tmp_path / "new" / "deep" / "out.csv")
    assert len(pd.read_csv(tmp_path / "new" / "deep" / "out.csv")) == 40
    evaluate(shop / "bundle", source, output=tmp_path / "other" / "metrics.json")
    assert (tmp_path / "other" / "metrics.json").is_file()


def test_all_mistakes_of_a_pretraining_are_one_message(shop):
    settings = settings_of(objective="self_supervised", image_layers=9)
    source = Source(shop / "items.csv", on_bad_rows="drop")
    with pytest.raises(ConfigError, match="4 mistakes:") as error:
        pretrain(source, shop / "file" / "out", settings, encoders=EncoderChoices())
    for place in (
        "out must be a folder",
        "on_bad_rows",
        "column of the role image",
        "layers must be",
    ):
        assert place in str(error.value)
    assert "price seems numeric" in str(error.value)


def test_places_of_an_embedding_job_are_checked_before_folders_are_made(shop, tmp_path):
    paths = DataPaths(shop / "gone.csv", photos=shop / "file", store=shop / "file")
    with pytest.raises(ConfigError, match="3 mistakes:") as error:
        embed(paths, tmp_path / "job", JobSettings(), engine=LocalEngine())
    for place in ("photos must be a folder", "store must be a folder", "gone.csv"):
        assert place in str(error.value)
    assert not (tmp_path / "job").exists()
    with pytest.raises(ConfigError, match="3 mistakes:"):
        JobSettings(on_bad_rows="drop", dtype="float8", shard_rows=0)


def test_mistakes_of_a_configuration_itself_are_told_together(shop):
    with pytest.raises(ConfigError, match="4 mistake") as error:
        config(
            shop,
            encoders={"text": "colour_texture", "image": "tfidf"},
            sales={"table": "sales.csv", "as_of": "soon"},
            split={"test": 0.6, "validation": 0.5},
            heads=[{"head": "regresion", "target": "units"}],
        )
    for place in ("encoders.text", "encoders.image", "as_of: must be a date", "sum to less than 1",
                  "'regression'"):  # fmt: skip
        assert place in str(error.value)


def test_an_encoder_with_too_few_layers_cannot_be_tuned(shop):
    from encoders.text.bert import BertEncoder
    from encoders.text.tiny_bert import tiny_checkpoint
    from fusion.choices.heads import HeadChoice
    from fusion.fitting.spec import check_tuning
    from fusion.job_steps.config import TuningSettings

    encoders = {"text": BertEncoder(str(tiny_checkpoint()))}
    heads = {"units": HeadChoice("regression", target="units", options={})}
    check_tuning(TuningSettings(layers=1), heads, encoders)
    with pytest.raises(ValueError, match="layers must be from 1 to"):
        check_tuning(TuningSettings(layers=99), heads, encoders)


def weighted(shop, tmp_path, cells, **data):
    items = pd.read_csv(shop / "items.csv").assign(stores=cells)
    items.to_csv(tmp_path / "items.csv", index=False)
    given = {"items": str(tmp_path / "items.csv"), "weight": "stores", **data}
    return config(shop, data=given)


def test_a_weight_column_weighs_rows_and_plays_no_other_role(shop, tmp_path):
    asked = weighted(shop, tmp_path, [0.0, 2.5] * 20)
    checked = check_config(asked, Mistakes())
    assert checked.weight.tolist() == [0.0, 2.5] * 20
    assert "stores" not in checked.catalogue.schema.all_columns


def test_cells_that_are_no_weight_are_told_with_their_rows(shop, tmp_path):
    cells = ["1"] * 37 + ["-1", "much", ""]
    with pytest.raises(CatalogueError) as error:
        check_config(weighted(shop, tmp_path, cells), Mistakes())
    told = str(error.value)
    assert "row 38" in told and "must be a number of 0 or more, got -1" in told
    assert "row 39" in told and "row 40" in told
    assert "Write a number of 0 or more into the weight column" in told


def test_faulty_weights_are_left_out_with_their_rows_where_rows_may_be(shop, tmp_path):
    cells = ["1"] * 39 + ["-1"]
    asked = weighted(shop, tmp_path, cells, on_bad_rows="record")
    items = labelled_items(asked, store=None)
    assert list(items.dropped) == [39]
    assert items.weight.tolist() == [1.0] * 39


def test_an_unknown_weight_column_is_named(shop):
    asked = config(shop, data={"weight": "storse"})
    with pytest.raises(ConfigError, match=r"^data\.weight: storse must be a column of the table"):
        check_config(asked, Mistakes())


def test_rows_of_weight_zero_are_not_learned_from(shop, tmp_path):
    asked = weighted(shop, tmp_path, [0.0, 1.0] * 20)
    items = labelled_items(asked, store=None)
    experiment = build_experiment(asked, items, folder=tmp_path)
    assert len(experiment.known) and (items.weight[experiment.known] > 0).all()
    with pytest.raises(ConfigError, match=r"data\.weight: .* got zero in every row"):
        check_config(weighted(shop, tmp_path, [0.0] * 40), Mistakes())


def test_mistakes_of_the_sales_are_told_beside_those_of_the_items(shop, tmp_path):
    (tmp_path / "sales.csv").write_text("sku,week,units\nA,2024-01-01,3\n")
    sales = {"table": str(tmp_path / "sales.csv"), "as_of": "2024-01-08", "item": "sku"}
    with pytest.raises(ConfigError, match=r"column sku: (.|\n)*column date: must be a column"):
        check_config(config(shop, sales=sales), Mistakes())

"""What new users type by mistake: refused before any work, with what to do, whatever the verb."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from fusion import FusionRegressor
from fusion.cli import app

N = 20
ITEMS = pd.DataFrame(
    {
        "sku": [f"A{row}" for row in range(N)],
        "title": [f"a warm coat, cut number {row}" for row in range(N)],
        "price": [9.5 + row for row in range(N)],
        "units": [row % 7 for row in range(N)],
    }
)
CONFIG = """
[data]
items = "items.csv"
[[heads]]
head = "sales_volume"
target = "units"
[encoders]
text = "tfidf"
"""
SALES = '[sales]\ntable = "items.csv"\nas_of = "{}"\n'


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A table, a configuration, a model of prices and titles in `run/bundle`, wrong files."""
    folder = tmp_path_factory.mktemp("shop")
    model = FusionRegressor(
        encoders={"text": "tfidf"},
        members=["network"],
        strategy_options={"n_networks": 1, "width": 8},
        training={"epochs": 1, "folds": 2},
        random_state=0,
    )
    model.fit(ITEMS[["sku", "title", "price"]], ITEMS["units"]).save(folder / "run" / "bundle")
    model.bundle_.info["sales"] = {"table": "s.csv", "as_of": "2024-01-01", "frequency": "week"}
    model.save(folder / "sold" / "bundle")
    (folder / "c.toml").write_text(CONFIG)
    tables = {
        "items.csv": ITEMS,
        "upper.csv": ITEMS.rename(columns=str.upper),
        "bare.csv": ITEMS[["sku"]],
        "header.csv": ITEMS.head(0),
        "one.csv": ITEMS.head(1),
        "negative.csv": ITEMS.assign(units=-1),
        "unsold.csv": ITEMS.assign(units=None),
        "twice.csv": pd.concat([ITEMS, ITEMS[["price"]]], axis=1),
    }
    for name, table in tables.items():
        table.to_csv(folder / name, index=False)
    (folder / "items.xlsx").write_bytes(b"PK\x03\x04")
    (folder / "latin.csv").write_bytes("sku,title\n1,für\n".encode("latin-1"))
    (folder / "empty.csv").write_bytes(b"")
    (folder / "page.csv").write_text("<html><body>Sign in</body></html>\n")
    return folder


PREDICT = "predict run/bundle --out o.csv --items"
COMMANDS = [
    ("version", 2, ["No such command 'version'", "'--version'"]),
    ("trian c.toml", 2, ["Did you mean 'train'"]),
    ("predict run/bundle --items items.csv", 1, ["--items and --out must be given"]),
    ("predict run/bundle --item items.csv --out o.csv", 2, ["--items"]),
    (f"{PREDICT} items.csv --on-bad-rows skip", 2, ["'skip'", "'absent'"]),
    ("predict run --items items.csv --out o.csv", 1, ["Did you mean run/bundle?"]),
    ("evaluate run --items items.csv", 1, ["Did you mean run/bundle?"]),
    ("embed --items items.csv --bundle run --out j", 1, ["got run. Did you mean run/bundle?"]),
    ("embed --items items.csv --bundle items.csv --out j", 1, ["`bundle` that a training wrote"]),
    (
        "predict items.csv --items run/bundle --out o.csv",
        1,
        ["must be a bundle", "got none in run"],
    ),
    (f"{PREDICT} itms.csv", 1, ["must be a file, got none", "Did you mean items.csv?"]),
    (f"{PREDICT} items.xlsx", 1, ["must end in .csv", "Save it as CSV"]),
    (f"{PREDICT} latin.csv", 1, ["must be UTF-8", "line 2", "Save the table as CSV UTF-8"]),
    (f"{PREDICT} empty.csv", 1, ["got an empty file"]),
    (f"{PREDICT} page.csv", 1, ["column sku", "column price", "give the table that has it"]),
    (f"{PREDICT} twice.csv", 1, ["column price", "more than once", "Give each column a name"]),
    (f"{PREDICT} upper.csv", 1, ["column title", "Did you mean 'TITLE'?", "Did you mean 'PRICE'?"]),
    (f"{PREDICT} bare.csv --on-bad-rows absent", 1, ["column title", "column price"]),
    (f"{PREDICT} items.csv --photos fotos", 1, ["photos must be a folder, got fotos"]),
    (f"{PREDICT} items.csv --delimiter ;;", 1, ["one character such as ';'", "';;'"]),
    (f"{PREDICT} items.csv --as-of 2024-01-01", 1, ["got --as-of alone"]),
    (f"{PREDICT} items.csv --sales items.csv", 1, ["got --sales alone"]),
    (f"{PREDICT} items.csv --sales items.csv --as-of 2024-01-01", 1, ["sales must be left out"]),
    (
        "predict sold/bundle --items items.csv --sales items.csv --as-of 05.09.2011 --out o.csv",
        1,
        ["as_of: must be a date such as 2024-01-31, got '05.09.2011'. Did you mean 2011-09-05?"],
    ),
    (
        "evaluate sold/bundle --items items.csv --sales items.csv --as-of 5/9/2011",
        1,
        ["got '5/9/2011'. Did you mean 2011-05-09 or 2011-09-05?"],
    ),
    ("evaluate run/bundle --items upper.csv", 1, ["column title", "Did you mean 'TITLE'?"]),
    ("evaluate run/bundle --items unsold.csv", 1, ["units must be known in at least one row"]),
    (f"{PREDICT} items.csv --out items.csv", 1, ["out must not be the file of the items"]),
    (
        "predict sold/bundle --items items.csv --sales one.csv --as-of 2024-01-01 --out one.csv",
        1,
        ["out must not be the file of the sales"],
    ),
    ("similar run/bundle --items items.csv --out items.csv", 1, ["which would be lost, got items"]),
    ("evaluate run/bundle --items items.csv --out items.csv", 1, ["which would be lost"]),
    (
        "evaluate run/bundle --items items.csv --out run/bundle/bundle.json",
        1,
        ["must not lie in the folder of the bundle"],
    ),
    ("embed --out j", 1, ["--items and --out must be given"]),
    ("embed --items nothing.csv --out j", 1, ["got none in nothing.csv", "CSV (UTF-8) or Parquet"]),
    (
        "embed --items items.csv --out j --column id=item",
        1,
        ["items.csv has 1 problem", "column item"],
    ),
    ("embed --items items.csv --out j --encoder text=MiniLMM", 1, ["Did you mean 'minilm'?"]),
    ("embed --items items.csv --out j --encoder minilm", 1, ["must be written MODALITY=NAME"]),
    ("embed --items items.csv --out j --encoder txet=minilm", 1, ["Did you mean 'text'"]),
    ("embed --items items.csv --out j --encoder image.wights=a", 1, ["Did you mean 'weights'"]),
    ("embed --items items.csv --out j --encoder text=tfidf", 1, ["encoders.text must be one that"]),
    (
        "embed --items items.csv --out j --column title",
        1,
        ["written ROLE=NAME, such as text=title"],
    ),
    ("embed --items items.csv --out j --column txt=title", 1, ["Did you mean 'text'"]),
    (f"{PREDICT} items.csv --encoder text=minilm", 1, ["must be left out", "tfidf (text)"]),
    (f"{PREDICT} items.csv --encoder image=resnet50", 1, ["must say where weights", "image.name"]),
    (f"{PREDICT} items.csv --encoder image", 1, ["must be written MODALITY=NAME"]),
    (
        "pretrain --items items.csv --objective mlm --column txt=title --column text",
        1,
        ["written ROLE=NAME"],
    ),
    ("pretrain --items items.csv --objective mlm --column txt=title", 1, ["Did you mean 'text'"]),
    ("train c.toml --encoder text=minlm --out o", 1, ["encoders.text must be", "'minilm'?"]),
    ("train c.toml --column numbers=price --out o", 1, ["data.columns: role must be one of"]),
    ("embed --items items.csv --out j --workers -1", 2, ["--workers"]),
    ("verify run/bundle", 1, ["run/bundle must be the output folder", "Give the folder"]),
    ("embed --status nowhere", 1, ["nowhere must be the output folder", "Give the folder"]),
    ("merge run/bundle --out s", 1, ["store must hold embeddings, got none in run/bundle"]),
    ("pretrain --items items.csv --objective clip", 1, ["contrastive, mlm, self_supervised"]),
    ("train items.csv", 1, ["items.csv must be TOML", "give the configuration"]),
    ("train run/bundle", 1, ["got run/bundle (Is a directory). Give the TOML file"]),
    ("train nowhere.toml", 1, ["got nowhere.toml (No such file or directory)"]),
    ("train c.toml --out items.csv", 1, ["out must be a folder, got items.csv"]),
]


def run(arguments, monkeypatch, folder):
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(app, arguments.split(), prog_name="fusion")
    return result.exit_code, " ".join(result.output.split())


@pytest.mark.parametrize(("command", "code", "told"), COMMANDS, ids=[c for c, *_ in COMMANDS])
def test_a_wrong_command_says_what_to_do(command, code, told, shop, monkeypatch):
    before = {path.name for path in shop.iterdir()}
    found, output = run(command, monkeypatch, shop)
    assert found == code, output
    assert [each for each in told if each not in output] == [], output
    assert "Traceback" not in output
    # What can only be seen in the plan of a job leaves the empty folder of the job.
    assert {path.name for path in shop.iterdir()} - {"j"} == before - {"j"}
    assert not list(shop.glob("j/*.json")) and not list(shop.glob("j/*/*"))


CONFIGS = [
    ('target = "units"', 'target = "Units"', ["items.csv has", "Did you mean 'units'?"]),
    ("sales_volume", "sale_volume", ["Did you mean 'sales_volume'?"]),
    ("[encoders]", "[encoder]", ["Did you mean 'encoders'?"]),
    ('"tfidf"', '"tf-idf"', ["Did you mean 'tfidf'?"]),
    ("items.csv", "itms.csv", ["must be a file, got none", "items.csv?"]),
    ("items.csv", "header.csv", ["header.csv must hold rows, got a header alone. Add items."]),
    ("items.csv", "one.csv", ["must have at least 10 rows to be split", "got 1. Add rows."]),
    ("items.csv", "negative.csv", ["row 1", "column units: must be 0 or more units, got -1"]),
    ("items.csv", "twice.csv", ["column price", "Give each column a name of its own"]),
    ("items.csv", "C:\\shop\\items.csv", ["must be TOML", "Write paths in single quotes"]),
    (
        "[[heads]]",
        'columns.text = "title"\n[[heads]]',
        ["data.columns.text: must be a list", 'Write ["title"].'],
    ),
    ("[[heads]]", 'columns.text = ["titel"]\n[[heads]]', ["column titel", "Did you mean 'title'"]),
    (
        "[[heads]]",
        'columns.numeric = ["units"]\n[[heads]]',
        ["must not be an input (numeric)", "Take it"],
    ),
    (
        "[[heads]]",
        'photos = "fotos"\ncolumns.image = ["sku"]\n[[heads]]',
        ["got", "fotos", "--photos"],
    ),
    (
        "[[heads]]",
        'text = ["title"]\n[[heads]]',
        ["got 'text'. Roles of columns stand under [data.columns]: text = [\"NAME\"]."],
    ),
    ("[[heads]]", 'columns.txet = ["title"]\n[[heads]]', ["Did you mean 'text'"]),
    ('"tfidf"', '"tfidf"\nimage.wights = "a"', ["encoders.image", "Did you mean 'weights'"]),
    ('"tfidf"', '"tfidf"\nweights = "imagenet"', ["a modality of encoders must be one of"]),
    ("[encoders]", SALES.format("31.01.2024") + "[encoders]", ["Did you mean 2024-01-31?"]),
    ("[encoders]", SALES.format("soon") + "[encoders]", ["such as 2024-01-31, got 'soon'."]),
    ("[encoders]", "[training]\nepochs = -1\n[encoders]", ["epochs: must be greater", "got -1"]),
    ("[encoders]", '[split]\nkind = "time"\n[encoders]', ["got 'time'. Did you mean 'date'?"]),
    ("[encoders]", '[split]\nkind = "date"\n[encoders]', ["column must be given", "got none"]),
]


@pytest.mark.parametrize(("old", "new", "told"), CONFIGS, ids=[new for _, new, _ in CONFIGS])
def test_a_wrong_configuration_says_what_to_do(old, new, told, shop, tmp_path, monkeypatch):
    for table in shop.glob("*.csv"):
        (tmp_path / table.name).symlink_to(table)
    (tmp_path / "w.toml").write_text(CONFIG.replace(old, new))
    code, output = run("train w.toml --out out", monkeypatch, tmp_path)
    assert code == 1
    assert [each for each in told if each not in output] == [], output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("write", "answered"),
    [
        (lambda table, path: table.to_csv(path, index=False, sep=";"), True),
        (lambda table, path: table.to_csv(path, index=False, encoding="utf-8-sig"), True),
        (lambda table, path: table.to_csv(path, index=False, lineterminator="\r\n"), True),
        (lambda table, path: table.reset_index().to_csv(path, index=False), True),
        (lambda table, path: table.head(1).to_csv(path, index=False), True),
        (lambda table, path: table.to_csv(path, index=False, sep=";", decimal=","), False),
    ],
)
def test_a_table_in_another_form_is_read_or_each_row_says_why_not(
    write, answered, shop, tmp_path, monkeypatch
):
    write(ITEMS.drop(columns="units"), tmp_path / "new.csv")
    code, _ = run(
        f"predict run/bundle --items {tmp_path / 'new.csv'} --out {tmp_path / 'o.csv'} --quiet",
        monkeypatch,
        shop,
    )
    errors = pd.read_csv(tmp_path / "o.csv", keep_default_na=False)["error"]
    assert code == 0 and (errors == "").all() == answered
    assert answered or errors.str.contains("must be a number, got '9,5'").iloc[0]


def test_a_missing_column_is_absent_where_that_is_asked_for(shop, tmp_path, monkeypatch, caplog):
    ITEMS[["sku", "title"]].to_csv(tmp_path / "new.csv", index=False)
    command = f"predict run/bundle --items {tmp_path / 'new.csv'} --out {tmp_path / 'o.csv'}"
    code, output = run(f"{command} --quiet", monkeypatch, shop)
    assert code == 1 and "column price" in output
    code, output = run(f"{command} --quiet --on-bad-rows absent", monkeypatch, shop)
    assert code == 0 and "20 rows, 0 with an error" in output
    assert "new.csv has no column price: absent in every row" in caplog.text


def test_a_tilde_stands_for_the_home_folder_in_options_and_files(shop, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(shop))
    command = f"predict ~/run/bundle --items=~/items.csv --out {tmp_path / 'o.csv'} --quiet"
    assert run(command, monkeypatch, tmp_path)[0] == 0
    (tmp_path / "c.toml").write_text(CONFIG.replace("items.csv", "~/negative.csv"))
    assert "negative.csv has" in run(f"train {tmp_path / 'c.toml'}", monkeypatch, tmp_path)[1]
    assert not Path(tmp_path / "~").exists()

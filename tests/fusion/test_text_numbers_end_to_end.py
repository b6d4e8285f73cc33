"""Numbers in texts from a table to a forecast, and the one word that switches them off."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from fusion import ConfigError, FusionRegressor
from fusion.cli import app
from fusion.job_steps.config import TrainConfig
from fusion.job_steps.schema import schema_of

N_ROWS = 80
TOML = """[data]
items = "items.csv"
{data}
[[heads]]
head = "linear"
target = "price"
[encoders]
text = "tfidf"
row_text = "tfidf"
"""


def items(counts: "np.typing.NDArray[np.int64]") -> pd.DataFrame:
    things = ["warm quilt for a crib", "soft towel with a hood", "cotton bib with a snap"]
    return pd.DataFrame(
        {
            "title": [f"{things[i % 3]} - {n} pack" for i, n in enumerate(counts)],
            "colour": [["red", "blue"][i % 2] for i in range(len(counts))],
        }
    )


COUNTS = np.random.default_rng(0).integers(2, 20, N_ROWS)


def regressor(**options: object) -> FusionRegressor:
    encoders = {"text": "tfidf", "row_text": "tfidf"}
    return FusionRegressor(head="linear", encoders=encoders, random_state=0, **options)


def test_a_count_that_no_training_text_had_is_still_a_number(tmp_path: Path) -> None:
    model = regressor().fit(items(COUNTS), 10.0 * COUNTS)
    assert model.bundle_.schema.text_numbers == {"title": ("count",)}
    new = np.array([25, 30, 40])
    answers = model.predict(items(new))
    np.testing.assert_allclose(answers, 10.0 * new, rtol=0.1)
    model.save(tmp_path / "bundle")
    loaded = FusionRegressor.load(tmp_path / "bundle")
    np.testing.assert_allclose(loaded.predict(items(new)), answers)
    assert loaded.text_numbers is True
    present = loaded.predict_table(
        pd.DataFrame({"title": ["30 pack", None], "colour": ["red"] * 2})
    )
    assert list(present["present"]) == ["numeric+text", "numeric"]  # it repeats what texts say


def test_one_word_switches_it_off_and_a_contradiction_is_told() -> None:
    model = regressor(text_numbers=False).fit(items(COUNTS), 10.0 * COUNTS)
    assert "text_numbers" not in model.bundle_.model.modalities
    with pytest.raises(ConfigError, match=r"text_numbers must be True or False, got 'no'"):
        regressor(text_numbers="no").fit(items(COUNTS), COUNTS)
    columns = {"text_numbers": ["title"]}
    with pytest.raises(ConfigError, match=r"left out where columns names .*got False and \['title"):
        regressor(text_numbers=False, columns=columns).fit(items(COUNTS), COUNTS)


def configured(folder: Path, data: str = "") -> TrainConfig:
    items(COUNTS).assign(price=10.0 * COUNTS).to_csv(folder / "items.csv", index=False)
    (folder / "train.toml").write_text(TOML.format(data=data))
    return TrainConfig.from_file(folder / "train.toml")


def test_the_file_and_the_command_line_switch_it_off(tmp_path: Path, monkeypatch) -> None:
    frame = items(COUNTS).assign(price=1.0)
    assert schema_of(frame, configured(tmp_path)).columns_of("text_numbers") == ("title",)
    off = configured(tmp_path, "text_numbers = false")
    assert schema_of(frame, off).columns_of("text_numbers") == ()
    with pytest.raises(ConfigError, match=r"left out where data.columns names"):
        configured(tmp_path, 'text_numbers = false\ncolumns = {text_numbers = ["title"]}')
    asked: list[TrainConfig] = []

    def run(config: TrainConfig, *_: object, **__: object) -> None:
        asked.append(config)
        raise ConfigError("far enough")

    monkeypatch.setattr("fusion.jobs.train.train", run)
    configured(tmp_path)
    for words in ([], ["--no-text-numbers"]):
        CliRunner().invoke(app, ["train", str(tmp_path / "train.toml"), *words])
    assert [config.data.text_numbers for config in asked] == [True, False]


@pytest.mark.usefixtures("few_draws")
def test_the_report_tells_each_number_with_an_example(tmp_path: Path) -> None:
    from fusion.jobs.train import train

    train(configured(tmp_path), tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "title: count" in page and "number in a text" in page
    assert f"{COUNTS[0]} from … quilt for a crib - {COUNTS[0]} pack" in page
    schema = json.loads((tmp_path / "out/bundle/bundle.json").read_text(encoding="utf-8"))["schema"]
    assert schema["text_numbers"] == {"title": ["count"]}

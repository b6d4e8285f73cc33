from pathlib import Path

import pytest

from fusion.choices.mistakes import Mistakes
from fusion.errors import CatalogueError, ConfigError
from fusion.job_steps.check import check_config
from fusion.job_steps.config import TrainConfig
from fusion.jobs.train import train

CONFIG = """[data]
items = "items.csv"
{extra}

[[heads]]
head = "regression"
target = "price, EUR"

[encoders]
text = "tfidf"
"""


def configured(folder: Path, extra: str = "", encoding: str = "utf-8") -> TrainConfig:
    (folder / "items.csv").write_text(
        "id;size;price, EUR\n" + "".join(f"A{n};{n};{n},90\n" for n in range(10))
    )
    (folder / "train.toml").write_text(CONFIG.format(extra=extra), encoding=encoding)
    return TrainConfig.from_file(folder / "train.toml")


def test_a_table_with_two_possible_delimiters_is_told_before_anything_else(tmp_path):
    with pytest.raises(CatalogueError, match=r"items.csv must have one delimiter") as caught:
        train(configured(tmp_path), tmp_path / "out")
    assert "`delimiter` under [data]" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_delimiter_of_the_configuration_is_taken(tmp_path):
    config = configured(tmp_path, 'delimiter = ";"')
    checked = check_config(config, Mistakes())
    assert checked.targets["price, EUR"].tolist() == [n + 0.9 for n in range(10)]
    with pytest.raises(ConfigError, match=r"data.delimiter: .*must be one character"):
        configured(tmp_path, 'delimiter = "semicolon"')


def test_a_configuration_may_begin_with_a_byte_order_mark(tmp_path):
    assert configured(tmp_path, encoding="utf-8-sig").heads[0].target == "price, EUR"

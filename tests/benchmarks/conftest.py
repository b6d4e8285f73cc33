"""Benchmarks in process and on tiny sizes: small encoders, made-up data, no page of results."""

import gc
import importlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from encoders.text import checkpoints
from encoders.text.tiny_bert import tiny_checkpoint

ROOT = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="session")
def small_minilm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny BERT with positions for 256 tokens, as MiniLM reads them."""
    folder = tmp_path_factory.mktemp("minilm") / "model"
    shutil.copytree(tiny_checkpoint(), folder)
    weights = load_file(folder / "model.safetensors")
    name = "embeddings.position_embeddings.weight"
    weights[name] = weights[name].repeat(4, 1)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    for file, key in (
        ("config.json", "max_position_embeddings"),
        ("tokenizer_config.json", "model_max_length"),
    ):
        values = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps({**values, key: 256}))
    return folder


@pytest.fixture
def script(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small_minilm: Path
) -> Iterator[Callable[[str], Any]]:
    """Imports a benchmark; `minilm` is a BERT of two layers, and results go nowhere."""
    monkeypatch.syspath_prepend(str(ROOT))
    weights = checkpoints.file_sha256(small_minilm / "model.safetensors")
    monkeypatch.setattr(checkpoints, "_minilm_folder", lambda: small_minilm)
    monkeypatch.setattr(checkpoints, "MINILM_SHA256", weights)
    monkeypatch.setattr("peak.SIDE", 32)
    monkeypatch.setattr("peak.REPEATS", 1)
    monkeypatch.chdir(tmp_path)
    before = (ROOT / "RESULTS.md").read_bytes()
    importlib.import_module("transformers.trainer")
    gc.freeze()  # the Trainer collects after each training: seconds, with so many modules loaded
    yield importlib.import_module
    gc.unfreeze()
    assert (ROOT / "RESULTS.md").read_bytes() == before


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """A folder with a made-up `babies_r_us.csv` of 40 products."""
    random = np.random.default_rng(0)
    words = random.choice(["crib", "soft", "blue", "toy"], (40, 3))
    text = ["SKU", "brand", "company_struct", "company_free", "weight", "length", "width", "height"]
    frame = pd.DataFrame({name: random.choice(["a", "b"], 40) for name in text})
    frame["int_id"], frame["ext_id"] = np.arange(40), np.arange(40) + 100
    frame["title"] = [f"{' '.join(word)} {row}" for row, word in enumerate(words)]
    frame["price"] = random.uniform(5, 90, 40).round(2)
    frame["category"] = random.choice(["beds", "toys"], 40)
    frame.to_csv(tmp_path / "babies_r_us.csv", index=False)
    return tmp_path


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """A folder with made-up `train.csv`, `val.csv` and `test.csv` of 24 reviews each."""
    random = np.random.default_rng(0)
    for part in ("train", "val", "test"):
        rating = random.integers(1, 6, 24)
        frame = pd.DataFrame(
            {
                "Age": random.integers(20, 70, 24),
                "Title": random.choice(["love it", "poor fit", "lovely soft knit"], 24),
                "Review Text": [
                    f"a dress that i {'love' if r > 2 else 'sent back'}" for r in rating
                ],
                "Rating": rating,
                "Recommended IND": (rating > 2).astype(int),
                "Positive Feedback Count": random.integers(0, 9, 24),
                "Division Name": "General",
                "Department Name": random.choice(["Tops", "Dresses"], 24),
                "Class Name": random.choice(["Knits", "Dresses"], 24),
            }
        )
        frame.to_csv(tmp_path / f"{part}.csv", index=False)
    return tmp_path


@pytest.fixture
def launches(tmp_path: Path) -> Path:
    """A folder with a made-up `products.csv` of 40 launches, and its photos."""
    random = np.random.default_rng(0)
    folder = tmp_path / "launches"
    draw_photos(folder / "images", n=40)
    pd.DataFrame(
        {
            "category": random.choice(["long dress", "top"], 40),
            "color": random.choice(["black", "red"], 40),
            "fabric": random.choice(["tulle", "satin"], 40),
            "season": np.repeat(["SS17", "AW18", "SS19", "AW19"], 10),
            "image": [f"{n}.png" for n in range(40)],
            "in_catalog": 1,
            "total12": random.integers(10, 900, 40),
        }
    ).to_csv(folder / "products.csv", index=False)
    return folder


@pytest.fixture
def clothes(tmp_path: Path) -> Path:
    """A folder with a made-up `images.csv` of 30 photos of two classes and six senders."""
    folder = tmp_path / "clothes"
    draw_photos(folder / "images", n=30)
    pd.DataFrame(
        {
            "image": [f"{n}.png" for n in range(30)],
            "label": ["Hat", "Shoes"] * 15,
            "sender_id": np.arange(30) // 5,
        }
    ).to_csv(folder / "images.csv", index=False)
    return folder


@pytest.fixture
def small_demo(tmp_path: Path) -> Path:
    """The demo catalogue with 60 items and encoders that cost nothing."""
    source, folder = Path(__file__).parents[2] / "demo_data", tmp_path / "demo"
    (folder / "photos").mkdir(parents=True)
    tables = {
        name: pd.read_csv(source / name, nrows=rows)
        for name, rows in (("items.csv", 60), ("new_items.csv", 3))
    }
    for name, table in tables.items():
        table.to_csv(folder / name, index=False)
    both = pd.concat(tables.values())
    for name in pd.concat([both["photo"], both["photo_2"]]).dropna():
        if (source / "photos" / name).is_file():
            shutil.copy(source / "photos" / name, folder / "photos")
    for name in ("latents.csv", "process.json"):
        shutil.copy(source / name, folder)
    config = _with_small_encoders((source / "train.toml").read_text(encoding="utf-8"))
    (folder / "train.toml").write_text(config, encoding="utf-8")
    return folder


@pytest.fixture
def small_demo_weeks(small_demo: Path) -> Path:
    """24 items of it with their last 39 weeks, and the forecast of these."""
    source = Path(__file__).parents[2] / "demo_data"
    items = pd.read_csv(small_demo / "items.csv", nrows=24)
    items.to_csv(small_demo / "items.csv", index=False)
    sales = pd.read_csv(source / "sales.csv")
    is_kept = sales["item_id"].isin(items["item_id"]) & (sales["week"] >= "2024-07-29")
    sales[is_kept].to_csv(small_demo / "sales.csv", index=False)
    config = _with_small_encoders((source / "forecast.toml").read_text(encoding="utf-8"))
    (small_demo / "forecast.toml").write_text(config, encoding="utf-8")
    return small_demo


@pytest.fixture
def few_members(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of the one member that is fitted soonest, in place of the default ones."""
    monkeypatch.setattr("fusion.fitting.members.DEFAULT_MEMBERS", ("ridge",))


@pytest.fixture
def quick_forecasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forecasts that hold out and try less, beside smaller trees."""
    monkeypatch.setattr("fusion.forecasting.calibration.STRETCHES", np.array([0.5, 1.0, 2.0]))
    monkeypatch.setattr("fusion.forecasting.fit.MOST_BLOCKS", 1)
    monkeypatch.setattr("fusion.forecasting.backtest.baseline_models.N_TREES", 2)


@pytest.fixture
def weekly_sales(tmp_path: Path) -> Path:
    """A folder with made-up `weekly_item_sales.parquet` of 12 items in 45 weeks."""
    random = np.random.default_rng(0)
    weeks = pd.date_range("2010-11-29", periods=45, freq="7D")
    first = np.repeat([0, 30, 40], [9, 2, 1])
    rows = [(item, week) for item in range(12) for week in weeks[first[item] :]]
    frame = pd.DataFrame(rows, columns=["StockCode", "week"])
    frame = frame[random.random(len(frame)) < 0.9].reset_index(drop=True)
    frame["units"] = random.poisson(2 + frame["StockCode"]) + 1
    frame["avg_price"] = random.uniform(1, 3, len(frame)).round(2)
    frame["n_orders"] = frame["n_customers"] = 1
    frame["StockCode"] = "2200" + frame["StockCode"].astype(str)
    frame["description"] = "BOX NO. " + frame["StockCode"]
    frame.to_parquet(tmp_path / "weekly_item_sales.parquet")
    return tmp_path


@pytest.fixture
def launched_weeks(launches: Path) -> Path:
    """The made-up launches with units of each of twelve weeks."""
    random = np.random.default_rng(0)
    table = pd.read_csv(launches / "products.csv")
    table["id"] = np.arange(len(table))
    for week in range(12):
        table[f"w{week}"] = random.poisson(20 - week, len(table))
    table.to_csv(launches / "products.csv", index=False)
    return launches


def _with_small_encoders(config: str) -> str:
    photos = '{name = "resnet18", weights = "clothing18"}'
    for name, small in (('"minilm"', '"tfidf"'), (photos, '"colour_texture"')):
        assert name in config
        config = config.replace(name, small)
    return config


def draw_photos(folder: Path, *, n: int) -> None:
    """Small photos of one colour each."""
    folder.mkdir(parents=True)
    for number in range(n):
        colour = (5 * number, 90, 255 - 5 * number)
        Image.new("RGB", (40, 40), colour).save(folder / f"{number}.png")

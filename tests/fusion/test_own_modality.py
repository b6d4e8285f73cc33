"""A modality of one's own: this file, a line in each of two tables, and nothing else is touched."""

import json
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from encoders import ENCODERS, Encoder
from encoders.base import Tensors
from encoders.check import check_encoder
from fusion import FusionRegressor
from fusion.choices.encoders import EncoderChoices
from fusion.data.cells import CellFault, read_cells
from fusion.data.readers import Read, Table
from fusion.errors import BundleError, CatalogueError, ConfigError, JobError
from fusion.job_steps.config import TrainConfig
from fusion.jobs.train import train
from fusion.modalities import MODALITIES, Modality
from fusion.shards import DataPaths, InProcessEngine, JobSettings, embed_catalogue, read_embeddings
from fusion.shards.plan import _parsed, read_plan

N = 60


def read_vector(cell: object) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """Three numbers of a cell such as `0.1;0.5;-1`."""
    try:
        numbers = np.array([float(part) for part in str(cell).split(";")], dtype=np.float32)
    except ValueError:
        numbers = np.empty(0, dtype=np.float32)
    if len(numbers) != 3:
        raise CellFault("vector_not_read", f"must be three numbers such as 0;1;2, got {cell!r}")
    return numbers


def read_vectors(table: Table) -> Read:
    """The vector of each row."""
    (name,) = table.columns
    return read_cells(table.frame[name], read_vector)


class VectorEncoder(Encoder):
    """Gives vectors of three numbers as they are."""

    modality: ClassVar[str] = "vector"
    cacheable: ClassVar[bool] = True

    def __init__(self, *, factor: float = 1.0) -> None:
        super().__init__()
        self._factor = factor

    @property
    def embedding_dim(self) -> int:
        """Length of the vectors."""
        return 3

    @property
    def config(self) -> dict[str, Any]:
        """The factor."""
        return {"factor": self._factor}

    def preprocess(self, values: Any) -> Tensors:
        """The vectors, zeros where absent."""
        rows = [np.zeros(3, np.float32) if value is None else value for value in values]
        return {"vectors": torch.from_numpy(np.array(rows, np.float32).reshape(-1, 3))}

    def forward(self, tensors: Tensors) -> Tensor:
        """The vectors times the factor."""
        return tensors["vectors"] * self._factor

    def content(self, part: Any) -> bytes:
        """The bytes of the three numbers."""
        return bytes(part.tobytes())

    @classmethod
    def tiny(cls) -> "VectorEncoder":
        """One of factor 2."""
        return cls(factor=2.0)


class ScaledVectorEncoder(VectorEncoder):
    """Divides vectors by what is usual in the training rows."""

    cacheable: ClassVar[bool] = False

    @classmethod
    def fitted(cls, values: Any, **options: Any) -> "ScaledVectorEncoder":
        """One whose factor comes from the vectors that are there."""
        return cls(factor=1 / float(np.std([value for value in values if value is not None])))


VECTOR = Modality("vector", "vector", ("vector",), read_vectors, "vector", "vector")


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(MODALITIES, "vector", VECTOR)
    monkeypatch.setitem(ENCODERS, "vector", VectorEncoder)


@pytest.fixture
def items():
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(N, 3)).round(3)
    return pd.DataFrame(
        {
            "sku": [f"s{row}" for row in range(N)],
            "shape": [
                ";".join(map(str, vector)) if n % 9 else None for n, vector in enumerate(vectors)
            ],
            "price": draw.uniform(5, 20, N).round(2),
        }
    )


@pytest.fixture
def units(items):
    first = items["shape"].str.split(";").str[0].astype(float).fillna(0.0)
    return (50 + 10 * first + items["price"] / 10).rename("units")


COLUMNS = {"id": ["sku"], "vector": ["shape"], "numeric": ["price"]}


def regressor(**options: Any) -> FusionRegressor:
    return FusionRegressor(columns=COLUMNS, head="linear", **options)


def test_the_encoder_keeps_the_laws_of_encoders():
    check_encoder(VectorEncoder.tiny(), list(np.eye(3, dtype=np.float32)))


def test_a_model_learns_from_it_and_is_the_same_after_loading(items, units, tmp_path):
    model = regressor(store=tmp_path / "store").fit(items, units)
    assert list((tmp_path / "store").rglob("*.safetensors"))
    table = model.predict_table(items)
    known = items["shape"].notna().to_numpy()
    assert np.corrcoef(table["prediction"][known], units[known])[0, 1] > 0.9
    assert table["present"].tolist() == ["numeric+vector" if one else "numeric" for one in known]
    model.save(tmp_path / "model")
    loaded = FusionRegressor.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(items), model.predict(items))


def test_its_encoder_is_fitted_on_the_training_rows_if_it_learns(
    items, units, monkeypatch, tmp_path
):
    monkeypatch.setitem(ENCODERS, "scaled", ScaledVectorEncoder)
    model = regressor(encoders={"vector": "scaled"}).fit(items, units)
    encoder = model.bundle_.model.encoder("vector")
    assert isinstance(encoder, ScaledVectorEncoder) and encoder.config["factor"] != 1.0
    model.save(tmp_path / "model")
    loaded = FusionRegressor.load(tmp_path / "model").bundle_.model.encoder("vector")
    assert loaded.config == encoder.config
    with pytest.raises(ConfigError, match="must be one that needs no training, got 'scaled'"):
        JobSettings(EncoderChoices({"vector": "scaled"}))


def test_its_encoder_has_options_of_its_own(items, units):
    chosen = {"vector": {"name": "vector", "factor": 3.0}}
    model = regressor(encoders=chosen).fit(items, units)
    assert model.bundle_.model.encoder("vector").config == {"factor": 3.0}


def test_a_model_with_it_says_what_is_missing_where_nobody_added_it(
    items, units, monkeypatch, tmp_path
):
    regressor().fit(items, units).save(tmp_path / "model")
    monkeypatch.delitem(MODALITIES, "vector")
    with pytest.raises(BundleError, match=r"^role .* got 'vector'\. If it is .*register it first"):
        FusionRegressor.load(tmp_path / "model")


def test_a_faulty_value_is_told_or_absent_as_asked(items, units):
    model = regressor().fit(items, units)
    items.loc[1, "shape"] = "1;2"
    with pytest.raises(
        CatalogueError, match=r"row 2 \(id s1\), column shape: must be three numbers"
    ):
        model.predict(items)
    model.set_params(on_bad_rows="absent")
    assert model.predict_table(items)["present"][1] == "numeric"


def test_a_job_embeds_it(items, tmp_path):
    items.loc[1, "shape"] = "1;2"
    items.to_csv(tmp_path / "items.csv", index=False)
    settings = JobSettings(columns={"id": ["sku"], "vector": ["shape"]}, on_bad_rows="absent")
    paths = DataPaths(tmp_path / "items.csv", store=tmp_path / "store")
    embed_catalogue(paths, tmp_path / "out", settings, engine=InProcessEngine())
    found = read_embeddings(tmp_path / "out", "vector")
    assert found.ids == items["sku"][items["shape"].notna()].drop(1).tolist()
    np.testing.assert_array_equal(found.vectors[0], read_vector(items["shape"][2]))


def test_a_worker_that_does_not_know_it_says_what_workers_need(items, tmp_path, monkeypatch):
    items.to_csv(tmp_path / "items.csv", index=False)
    settings = JobSettings(columns={"id": ["sku"], "vector": ["shape"]})
    embed_catalogue(
        DataPaths(tmp_path / "items.csv"), tmp_path / "out", settings, engine=InProcessEngine()
    )
    monkeypatch.delitem(MODALITIES, "vector")
    _parsed.cache_clear()  # of a plan that this process has read
    with pytest.raises(JobError, match=r"known here.* got .vector.*entry point of product_fusion"):
        read_plan(tmp_path / "out")


def test_a_job_without_a_column_names_every_role_that_it_could_embed(tmp_path):
    pd.DataFrame({"units": [0.5, 1.5, 2.5]}).to_csv(tmp_path / "items.csv", index=False)
    with pytest.raises(ConfigError, match=r"role text or image or vector.*--column vector=NAME"):
        embed_catalogue(
            DataPaths(tmp_path / "items.csv"), tmp_path / "out", engine=InProcessEngine()
        )


def test_a_training_job_measures_it_and_reports_it(items, units, tmp_path):
    items.assign(units=units).to_csv(tmp_path / "items.csv", index=False)
    config = {
        "data": {"items": str(tmp_path / "items.csv"), "columns": COLUMNS},
        "heads": [{"head": "linear", "target": "units"}],
    }
    result = train(TrainConfig.from_dict(config), tmp_path / "out")
    page = result.report.read_text()
    assert "<bdi>vector alone</bdi>" in page
    assert '<bdi>shape</bdi></th><td class="role">vector</td>' in page
    metrics = json.loads((result.folder / "metrics.json").read_text())
    r2 = {score["name"]: score["metrics"]["r2"] for score in metrics["linear"]["scores"]}
    assert r2["vector alone"] > 0.9 > 0.5 > r2["numeric alone"]

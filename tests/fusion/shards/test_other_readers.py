"""What other programs make of the embeddings of a job, read as they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pytest

from encoders.text.tiny_bert import tiny_checkpoint
from fusion.choices.encoders import EncoderChoices
from fusion.shards import DataPaths, InProcessEngine, JobSettings, embed_catalogue, read_embeddings

N_ROWS = 24


def with_pandas(folder: Path) -> list[Any]:
    return list(pd.read_parquet(folder)["text_embedding"])


def with_pyarrow(folder: Path) -> list[Any]:
    return ds.dataset(folder).to_table()["text_embedding"].to_pylist()


def with_polars(folder: Path) -> list[Any]:
    polars = pytest.importorskip("polars")
    return polars.read_parquet(folder / "*.parquet")["text_embedding"].to_list()


def with_duckdb(folder: Path) -> list[Any]:
    duckdb = pytest.importorskip("duckdb")
    found = duckdb.sql(f"select text_embedding from '{folder}/*.parquet' order by row").fetchall()
    return [vector for (vector,) in found]


def with_datasets(folder: Path) -> list[Any]:
    datasets = pytest.importorskip("datasets")
    options = {"split": "train", "cache_dir": str(folder.parent / "cache")}
    return datasets.load_dataset("parquet", data_dir=str(folder), **options)["text_embedding"][:]


READERS = [with_pandas, with_pyarrow, with_polars, with_duckdb, with_datasets]


@pytest.fixture(scope="module", params=["float32", "float16"])
def finished_job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    words = ["red", "blue", "wool", "silk", "coat", "scarf"]
    lines = [f"a{row},{words[row % 6]} {words[row % 5]} {row}" for row in range(N_ROWS)]
    (folder / "items.csv").write_text("\n".join(["id,title", *lines]))
    asked = JobSettings(
        encoders=EncoderChoices({"text": str(tiny_checkpoint())}),
        columns={"id": ["id"], "text": ["title"], "image": []},
        dtype=request.param,
        shard_rows=10,
    )
    embed_catalogue(
        DataPaths(folder / "items.csv"), folder / "out", asked, engine=InProcessEngine()
    )
    return folder / "out"


@pytest.mark.filterwarnings("ignore")  # of other people's packages
@pytest.mark.parametrize("read", READERS)
def test_other_tools_read_the_embeddings_folder_as_it_is(
    finished_job: Path, read: Callable[[Path], list[Any]]
) -> None:
    wanted = read_embeddings(finished_job, "text").vectors
    assert wanted.shape == (N_ROWS, 32)
    np.testing.assert_array_equal(np.array(read(finished_job / "embeddings"), np.float32), wanted)


def test_faiss_finds_every_embedding_as_its_own_neighbour(finished_job: Path) -> None:
    faiss = pytest.importorskip("faiss")
    vectors = read_embeddings(finished_job, "text").vectors.astype(np.float32)
    index = faiss.IndexFlatL2(vectors.shape[1])
    index.add(vectors)
    distances, _ = index.search(vectors, 1)
    assert distances.max() < 1e-6

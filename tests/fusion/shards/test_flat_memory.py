"""Memory of a job does not grow with its rows; benchmarks/promises/memory.py does a million."""

import os
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from benchmarks.promises.bad_rows import encoded
from benchmarks.promises.children import cost_of
from fusion.build import EncoderChoice
from fusion.shards import InProcessEngine, JobSettings, Places, embed_catalogue

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]
SHARD_ROWS = 50


def embed(items, out):
    asked = JobSettings(
        choice=EncoderChoice(image="colour_texture"),
        columns={"id": ["id"], "image": ["photo"]},
        shard_rows=SHARD_ROWS,
    )
    return embed_catalogue(Places(items), out, asked, engine=InProcessEngine()).n_rows


def test_a_job_of_many_more_rows_needs_no_more_memory(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 190, 190, 3), dtype=np.uint8)
    photos = [encoded(Image.fromarray(one), "PNG") for one in pixels]
    costs = {}
    for n_rows in (100, 1_500):
        items = tmp_path / f"{n_rows}.parquet"
        rows = {
            "id": [f"p{n}" for n in range(n_rows)],
            "photo": [photos[n % 5] for n in range(n_rows)],
        }
        pq.write_table(pa.table(rows), items, row_group_size=SHARD_ROWS)
        if not costs:
            embed(items, tmp_path / "warm")  # imports are not counted
        costs[n_rows] = cost_of(partial(embed, items, tmp_path / f"out{n_rows}"))
        assert costs[n_rows].answer == n_rows
    assert 1_500 * len(photos[0]) > 150e6  # what a job that held everything would hold
    assert costs[1_500].megabytes - costs[100].megabytes < 60
